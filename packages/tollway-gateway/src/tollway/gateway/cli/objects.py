"""Traces as JSON objects, for `--json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tollway.tracing.store import EventView, SpanView, Trace


def summary(trace: Trace) -> dict[str, Any]:
    """Return what the index knows."""
    return {
        "trace_id": trace.trace_id,
        "start_time": trace.start_time,
        "duration_ms": trace.duration_ms,
        "status": trace.status,
        "name": trace.root_name,
        "service": trace.service,
        "span_count": trace.span_count,
        "kept_because": trace.kept_because,
    }


def whole(trace: Trace) -> dict[str, Any]:
    """Return the trace with its spans."""
    return {**summary(trace), "spans": [_span(span) for span in trace.spans]}


def _span(span: SpanView) -> dict[str, Any]:
    hidden = ("tollway.inputs", "tollway.outputs")
    return {
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "name": span.name,
        "kind": span.kind,
        "start_time": span.start_time,
        "duration_ms": span.duration_ms,
        "status": span.status,
        "status_message": span.status_message,
        "inputs": span.inputs,
        "outputs": span.outputs,
        "attributes": {key: value for key, value in span.attributes.items() if key not in hidden},
        "events": [_event(event) for event in span.events],
        "links": [{"trace_id": trace_id, "span_id": span_id} for trace_id, span_id in span.links],
        "service": span.service,
    }


def _event(event: EventView) -> dict[str, Any]:
    return {"name": event.name, "timestamp": event.timestamp, "attributes": dict(event.attributes)}
