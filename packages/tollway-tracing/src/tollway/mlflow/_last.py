"""The trace that was begun last."""

from __future__ import annotations

from contextvars import ContextVar

from opentelemetry.trace import SpanContext, format_trace_id

_here: ContextVar[str | None] = ContextVar("tollway-mlflow-last", default=None)
_last: list[str | None] = [None]


def note_trace(context: SpanContext) -> None:
    """Take note of a trace in which a span was started."""
    if context.is_valid:
        _last[0] = trace_id = format_trace_id(context.trace_id)
        _here.set(trace_id)


def last_trace_id(here: bool) -> str | None:
    """Return the id of the trace that was begun last, in this process or in this context."""
    return _here.get() if here else _last[0]
