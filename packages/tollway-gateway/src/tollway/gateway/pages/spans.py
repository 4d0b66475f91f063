"""One trace with its spans, as the page draws it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tollway.tracing.readers import EventView, SpanView, Trace
from tollway.tracing.readers.analysis import (
    COST,
    critical_path,
    error_type,
    self_time_ms,
    self_times_ms,
    tokens_of,
)

from .agents import agents_of
from .conversation import conversation_of
from .facts import facts_of, model_of, row_of
from .reasons import Policy, why
from .roles import roles_of

MAX_WITH_DETAILS = 2_000
"""Of a trace with more spans the attributes come span by span."""


def trace_object(trace: Trace, policy: Policy, *, details: bool = True) -> dict[str, Any]:
    """Return a trace: its spans depth first, each with the index of its parent."""
    begun_ns = trace.summary.start_ns
    return {
        "trace_id": trace.trace_id,
        "start_ns": str(begun_ns),
        "summary": {**row_of(trace), **facts_of(trace.spans)},
        "why": why(trace, policy),
        **_drawn(trace, details=details and trace.span_count <= MAX_WITH_DETAILS),
        "agents": agents_of(trace),
        "feedback": [asdict(one) for one in trace.feedback],
    }


def _drawn(trace: Trace, *, details: bool) -> dict[str, Any]:
    """Return spans, the resources that they name by their index, and the critical path."""
    begun_ns = trace.summary.start_ns
    own_ms, roles = self_times_ms(trace), roles_of(trace)
    index: dict[str, int] = {}
    resources: dict[int, tuple[int, Mapping[str, Any]]] = {}
    spans: list[dict[str, Any]] = []
    for depth, span in trace.walk():
        index[span.span_id] = len(spans)
        at, _ = resources.setdefault(id(span.resource), (len(resources), span.resource))
        one = span_object(span, begun_ns, own_ms[span.span_id])
        one["parent"] = index.get(span.parent_id or "", -1) if depth else -1
        one["role"], one["reason"] = roles.get(span.span_id, (None, None))
        one |= {"depth": depth, "resource": at}
        one |= details_of(span, begun_ns) if details else {"events": _ticks(span, begun_ns), "links": []}
        spans.append(one)
    return {
        "spans": spans,
        "resources": [dict(resource) for _, resource in resources.values()],
        "critical_path": [
            {
                "span": index[segment.span.span_id],
                "start_ms": (segment.start_ns - begun_ns) / 1e6,
                "end_ms": (segment.end_ns - begun_ns) / 1e6,
            }
            for segment in critical_path(trace)
        ],
    }


def whole_span(trace: Trace, span: SpanView) -> dict[str, Any]:
    """Return all that is known of one span but its place in the tree."""
    begun_ns = trace.summary.start_ns
    own_ms = self_time_ms(span, trace.children(span))
    role, reason = roles_of(trace).get(span.span_id, (None, None))
    resource = {"resource_attributes": dict(span.resource)}
    one = span_object(span, begun_ns, own_ms) | {"role": role, "reason": reason} | resource
    return one | details_of(span, begun_ns)


def span_object(span: SpanView, begun_ns: int, self_ms: float) -> dict[str, Any]:
    """Return what a row of the waterfall shows."""
    cost = span.attributes.get(COST)
    return {
        "id": span.span_id,
        "name": span.name,
        "kind": span.kind,
        "type": span.type,
        "service": span.service,
        "start_ms": (span.start_ns - begun_ns) / 1e6,
        "duration_ms": span.duration_ms,
        "self_ms": self_ms,
        "status": span.status,
        "status_message": span.status_message,
        "tokens": tokens_of(span.attributes),
        "cost_usd": cost if isinstance(cost, int | float) else None,
        "model": model_of(span.attributes),
        "error": error_of(span),
        "attributes": None,
    }


def details_of(span: SpanView, begun_ns: int) -> dict[str, Any]:
    """Return what the panel beside the waterfall shows."""
    return {
        "attributes": dict(span.attributes),
        "events": [_event(one, begun_ns) for one in span.events],
        "links": [{"trace_id": trace_id, "span_id": span_id} for trace_id, span_id in span.links],
        "scope": span.scope,
        "inputs": span.inputs,
        "outputs": span.outputs,
        "conversation": conversation_of(span),
    }


def error_of(span: SpanView) -> dict[str, Any] | None:
    """Return how a span failed; None where it did not."""
    exception = next((one for one in reversed(span.events) if one.name == "exception"), None)
    if span.status != "ERROR" and exception is None:
        return None
    told = exception.attributes if exception is not None else {}
    return {
        "type": error_type(span),
        "message": span.status_message or str(told.get("exception.message", "")),
        "stacktrace": told.get("exception.stacktrace"),
    }


def _ticks(span: SpanView, begun_ns: int) -> list[dict[str, Any]]:
    """Return the events as the waterfall marks them."""
    return [{"name": one.name, "at_ms": (one.time_ns - begun_ns) / 1e6} for one in span.events]


def _event(event: EventView, begun_ns: int) -> dict[str, Any]:
    at_ms = (event.time_ns - begun_ns) / 1e6
    return {"name": event.name, "at_ms": at_ms, "attributes": dict(event.attributes)}
