"""Trace context between services: W3C Trace Context level 2, strict."""

from ._tracestate import (
    W3CTraceState,
    is_deferred,
    random_value_of,
    threshold_of,
    with_deferred,
    with_threshold,
)

__all__ = [
    "W3CTraceState",
    "is_deferred",
    "random_value_of",
    "threshold_of",
    "with_deferred",
    "with_threshold",
]
