# cython: language_level=3, auto_pickle=False
"""The short way from our own spans to OTLP JSON, compiled: text from a span's slots into one buffer.

It stands in place of `_own.py`, which is the reference: the same bytes, and None for the same spans. Tests
hold both against each other.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.math cimport isfinite

from tollway.tracing.compiled import accept_proxies
from tollway.tracing.engine import Span as _Span
from tollway.tracing.engine._constants import UNSET as _UNSET

cdef extern from *:
    """
    /* Here and not in Cython: a constant that the compiler sees through. */
    static const char TOLLWAY_HEX[] = "0123456789abcdef";
    """
    const char *HEX "TOLLWAY_HEX"

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL
    char *PyOS_double_to_string(double value, char format, int precision, int flags, int *kind) except NULL
    const int Py_DTSF_ADD_DOT_0
    long long PyLong_AsLongLongAndOverflow(object value, int *overflow) except? -1
    const Py_ssize_t PY_SSIZE_T_MAX

cdef object Span = _Span
cdef object UNSET = _UNSET

cdef enum:
    PLAIN_SPAN = 0x100
    REMOTE_PARENT = 0x200
    MAX_KEPT_BYTES = 1_048_576  # of a buffer that is empty


class _OddError(Exception):
    """Something that this way does not write."""


include "_own_bytes.pxi"



cdef int put_attributes(Buffer out, dict items) except -1:
    """Add the JSON list of attributes."""
    cdef bint several = False
    put(out, b"[", 1)
    for key, value in items.items():
        if type(key) is not str or not key:
            raise _OddError
        if several:
            put_plain(out, b',{"key":')
        else:
            put_plain(out, b'{"key":')
        several = True
        put_text(out, key)
        put_value(out, value)
    return put(out, b"]", 1)


cdef int put_value(Buffer out, object value) except -1:
    """Add an attribute's value, to the attribute's end."""
    cdef int overflow
    cdef long long number
    kind = type(value)
    if kind is str:
        put_plain(out, b',"value":{"stringValue":')
        put_text(out, value)
        return put_plain(out, b"}}")
    if kind is int:
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if overflow:
            raise _OddError
        put_plain(out, b',"value":{"intValue":"')
        put_decimal(out, number)
        return put_plain(out, b'"}}')
    if kind is bool:
        if value:
            return put_plain(out, b',"value":{"boolValue":true}}')
        return put_plain(out, b',"value":{"boolValue":false}}')
    if kind is float:
        if not isfinite(<double> value):
            raise _OddError
        put_plain(out, b',"value":{"doubleValue":')
        put_double(out, value)
        return put_plain(out, b"}}")
    if kind is tuple:
        return put_texts(out, value)
    raise _OddError


cdef int put_texts(Buffer out, tuple values) except -1:
    cdef bint several = False
    put_plain(out, b',"value":{"arrayValue":{"values":[')
    for value in values:
        if type(value) is not str:
            raise _OddError
        if several:
            put_plain(out, b',{"stringValue":')
        else:
            put_plain(out, b'{"stringValue":')
        several = True
        put_text(out, value)
        put(out, b"}", 1)
    return put_plain(out, b"]}}}")


cdef int put_events(Buffer out, list flat, object max_attributes) except -1:
    """Add the JSON list of events, which lie flat: name, attributes, time."""
    cdef Py_ssize_t first
    if len(flat) % 3:
        raise _OddError
    put(out, b"[", 1)
    for first in range(0, len(flat), 3):
        name, items, time_ns = flat[first], flat[first + 1], flat[first + 2]
        if type(name) is not str or type(time_ns) is not int:
            raise _OddError
        if first:
            put_plain(out, b',{"timeUnixNano":"')
        else:
            put_plain(out, b'{"timeUnixNano":"')
        put_number(out, time_ns)
        put_plain(out, b'","name":')
        put_text(out, name)
        if items:
            if max_attributes is not None and len(items) > max_attributes:
                raise _OddError
            put_plain(out, b',"attributes":')
            put_attributes(out, items)
        put(out, b"}", 1)
    return put(out, b"]", 1)


cdef int put_status(Buffer out, object status) except -1:
    code = status.status_code.value
    if not code:
        return 0
    put_plain(out, b',"status":{"code":')
    put_decimal(out, code)
    if description := status.description:
        put_plain(out, b',"message":')
        put_text(out, description)
    return put(out, b"}", 1)


cdef class Pen:
    """Adds spans to a buffer. It remembers what spans next to each other share."""

    def __cinit__(self):
        self.out = Buffer()
        self.state_field = b""

    cdef int turn_to(self, object local) except -1:
        """Read what the spans of one local trace share. Raises OverflowError for an id that is none."""
        if local is self.local:
            return 0
        self.local = None
        trace_id, state = local.trace_id, local.trace_state
        self.high = trace_id >> 64
        self.low = trace_id & 0xFFFF_FFFF_FFFF_FFFF
        if state is not self.state:
            self.state_field = self.field_of(state)  # and only then the state that it is of
            self.state = state
        self.local = local
        return 0

    cdef bytes field_of(self, object state):
        cdef Buffer field = Buffer()
        if not state:
            return b""
        put_plain(field, b',"traceState":')
        put_text(field, state.to_header())
        return PyBytes_FromStringAndSize(field.data, field.size)

    cdef int put_trace_id(self) except -1:
        put_hex(self.out, self.high)
        return put_hex(self.out, self.low)

    cdef int put_span(self, object span) except -1:
        """Add an ended span of ours. What was added when it raises is the caller's to take back."""
        cdef Buffer out = self.out
        local, tracer, name = span._local, span._tracer, span._name
        if span._raw_links or tracer.cuts_values or type(name) is not str:
            raise _OddError
        self.turn_to(local)
        put_plain(out, b'{"traceId":"')
        self.put_trace_id()
        put_plain(out, b'","spanId":"')
        put_hex(out, span._span_id)
        put(out, b'"', 1)
        self.put_parent(span._parent_span, local.flags)
        put_plain(out, b',"name":')
        put_text(out, name)
        put_plain(out, b',"kind":')
        put_decimal(out, <int> span._kind._value_ + 1)
        put_plain(out, b',"startTimeUnixNano":"')
        put_number(out, span._start_time)
        put_plain(out, b'","endTimeUnixNano":"')
        put_number(out, span._end_time or 0)
        put(out, b'"', 1)
        put_bytes(out, self.state_field)
        self.put_optional(span, tracer)
        return put(out, b"}", 1)

    cdef int put_parent(self, object parent, int flags) except -1:
        cdef Buffer out = self.out
        flags |= PLAIN_SPAN
        if parent is not None:
            put_plain(out, b',"parentSpanId":"')
            if type(parent) is Span:
                put_hex(out, parent._span_id)
            else:
                put_hex(out, parent.span_id)
                if parent.is_remote:
                    flags |= REMOTE_PARENT
            put(out, b'"', 1)
        put_plain(out, b',"flags":')
        return put_decimal(out, flags)

    cdef int put_optional(self, object span, object tracer) except -1:
        """Add the fields that only some spans have."""
        cdef Buffer out = self.out
        items, events, status, dropped = span._own_attributes, span._raw_events, span._status, span._dropped
        if items:
            put_plain(out, b',"attributes":')
            put_attributes(out, items)
        if events:
            put_plain(out, b',"events":')
            put_events(out, events, tracer.limits.max_event_attributes)
        if status is not UNSET:
            put_status(out, status)
        if dropped is not None:
            attributes, events, links = dropped
            put_plain(out, b',"droppedAttributesCount":')
            put_number(out, attributes)
            put_plain(out, b',"droppedEventsCount":')
            put_number(out, events)
            put_plain(out, b',"droppedLinksCount":')
            put_number(out, links)
        return 0


cdef Pen _spare_pen = None


def own_span_json(span):
    """Return an ended span of ours as OTLP JSON; None where `span_object` has to do it."""
    global _spare_pen
    # Taken out of its place: what runs on the way (a tracestate) may let another thread in here.
    cdef Pen pen = _spare_pen
    _spare_pen = None
    if pen is None:
        pen = Pen()
    try:
        pen.put_span(span)
        return PyBytes_FromStringAndSize(pen.out.data, pen.out.size)
    except Exception:  # the other way says what is wrong with it
        return None
    finally:
        pen.local = None
        pen.out.empty()
        _spare_pen = pen


accept_proxies(Buffer, Pen)
