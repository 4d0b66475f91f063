# cython: language_level=3, auto_pickle=False
"""The usual trace, compiled: from the spans of our own engine, or from records, to their line and rows.

It stands in place of `_fast_path.py`, which encodes no trace. What is made here is byte by byte what
`_lines.py` and `_index.py` make. They are the reference, and do whatever is not usual: odd values, limits,
links, several tracers, no root, midnight. Tests hold both ways against each other. Nothing is made in between:
text goes from a span's slots into one buffer.
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DecodeASCII

from tollway.tracing.otlp._own cimport (
    Buffer, Pen, put, put_bytes, put_decimal, put_double, put_hex, put_nanoseconds, put_plain
)

from opentelemetry.trace import SpanContext as _SpanContext, StatusCode as _StatusCode

from tollway.tracing.compiled import accept_proxies
from tollway.tracing.engine import Span as _Span
from tollway.tracing.engine._constants import KEPT_BECAUSE as _KEPT_BECAUSE, UNSET as _UNSET
from tollway.tracing.otlp._encode import resource_spans as _resource_spans
from tollway.tracing.records import Record as _Record

cdef object Span = _Span
cdef object SpanContext = _SpanContext
cdef object ERROR = _StatusCode.ERROR
cdef object UNSET = _UNSET
cdef object KEPT_BECAUSE = _KEPT_BECAUSE
cdef object Record = _Record
cdef object resource_spans = _resource_spans
cdef long long LONG_NS = 10_000_000_000  # a received trace that took longer may have lines that are forgotten

cdef enum:
    FAR = 2  # neither a root nor a local root
    NS_PER_S = 1_000_000_000
    S_PER_DAY = 86_400

cdef enum:
    MAX_TRACES = 64  # of a batch
    MAX_BATCH_BYTES = 262_144  # beyond which no trace is added
    TRACE_ID_AT = 12  # in a line

class _OddError(Exception):
    """Something that this way does not write."""


include "_fast_path_traces.pxi"

accept_proxies(Batch, FastPath)
