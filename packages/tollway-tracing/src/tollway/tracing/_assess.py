"""`log_feedback`: to the store, and as an event over OTLP."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, TypedDict, Unpack

from opentelemetry import trace as otel

from ._feedback_export import feedback_exporter
from ._private.api import has_logger_provider, log_event
from .feedback import EVENT_NAME, Feedback, new_feedback
from .store import FileStore
from .store._default import default_store

_logger = logging.getLogger(__name__)


class FeedbackOptions(TypedDict, total=False):
    """The keywords of `log_feedback`; see `Feedback`."""

    explanation: str | None
    source: str | None
    source_type: str
    kind: str
    span_id: str | None
    metadata: Mapping[str, Any] | None
    time_ns: int


def log_feedback(
    trace_id: str, name: str, value: Any, *, store: FileStore | None = None, **more: Unpack[FeedbackOptions]
) -> Feedback:
    """Say something of a trace: a person's thumb, a judge's score, a check's result.

        tracing.log_feedback(trace_id, "helpful", True, source="user 7", explanation="to the point")

    It is kept in the store beside the trace (`Trace.feedback`, `search_traces(feedback={"helpful": True})`),
    and emitted as the event `gen_ai.evaluation.result`: on the program's logger provider, whose exporters
    send it, and where the program has none by OTLP, as `OTEL_LOGS_EXPORTER` says, else to where spans go.
    The newest of a name counts. Raises ValueError for an id that is none; what the disk refuses is logged.
    """
    feedback = new_feedback(trace_id, name, value, **more)
    chosen = store if store is not None else default_store()
    if isinstance(chosen, FileStore):
        try:
            chosen.feedback.add(feedback)
        except OSError as error:
            _logger.warning("cannot keep feedback in %r: %s", chosen, error)
    emit(feedback)
    return feedback


def emit(feedback: Feedback) -> None:
    """Emit the event on the program's logger provider; where it has none, export it."""
    if not has_logger_provider():
        if (exporter := feedback_exporter()) is not None:
            exporter.put(feedback)
        return
    span_id = int(feedback.span_id, 16) if feedback.span_id else 0
    context = otel.SpanContext(int(feedback.trace_id, 16), span_id, True, otel.TraceFlags(1))
    log_event(
        EVENT_NAME,
        feedback.attributes(),
        otel.set_span_in_context(otel.NonRecordingSpan(context)),
        feedback.time_ns,
    )
