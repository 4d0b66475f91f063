"""Trace context between services: W3C Trace Context level 2, strict."""

from ._headers import (
    RawContext,
    extract,
    extract_trace_context,
    inject,
    raw_context,
    span_context_lines,
    trace_context_headers,
)
from ._install import install
from ._propagator import BaggagePropagator, TraceContextPropagator
from ._tracestate import (
    W3CTraceState,
    is_deferred,
    random_value_of,
    threshold_of,
    with_deferred,
    with_threshold,
)

__all__ = [
    "BaggagePropagator",
    "RawContext",
    "TraceContextPropagator",
    "W3CTraceState",
    "extract",
    "extract_trace_context",
    "inject",
    "install",
    "is_deferred",
    "random_value_of",
    "raw_context",
    "span_context_lines",
    "threshold_of",
    "trace_context_headers",
    "with_deferred",
    "with_threshold",
]
