"""What a call to a model is among its siblings: first attempt, retry, hedge or fallback, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollway.tracing.readers import EventView, SpanView, Trace

_REASON = "tollway.attempt.reason"


def roles_of(trace: Trace) -> Mapping[str, tuple[str, str | None]]:
    """Return role and reason by span id, of calls that were not the only one."""
    found: dict[str, tuple[str, str | None]] = {}
    again = [span for span in trace.spans if _REASON in span.attributes]
    by_id = {span.span_id: span for span in trace.spans} if again else {}
    for span in again:
        parent = by_id.get(span.parent_id or "")
        siblings = trace.roots if parent is None else trace.children(parent)
        role = str(span.attributes[_REASON])
        found[span.span_id] = (role, _because(role, span, siblings, parent))
        first = next((one for one in siblings if _is_call(one) and _REASON not in one.attributes), None)
        if first is not None:
            found.setdefault(first.span_id, ("attempt", None))
    return found


def _is_call(span: SpanView) -> bool:
    return span.kind == "CLIENT" and "tollway.endpoint" in span.attributes


def _because(
    role: str, span: SpanView, siblings: tuple[SpanView, ...], parent: SpanView | None
) -> str | None:
    """Say in words why this call was made, by what its request noted just before."""
    before = [one for one in siblings if _is_call(one) and one.start_ns < span.start_ns]
    event = _noted(role, span, parent)
    told: Mapping[str, Any] = {} if event is None else event.attributes
    last = before[-1] if before else None
    failure = told.get("error.type") or (None if last is None else last.attributes.get("error.type"))
    match role:
        case "retry" if failure:
            return f"the attempt before failed: {failure}"
        case "fallback" if failure:
            return f"{told.get('from', 'the endpoint before')} failed: {failure}"
        case "hedge":
            return f"{told.get('from', 'the attempt before')} was slow"
    return None


def _noted(role: str, span: SpanView, parent: SpanView | None) -> EventView | None:
    events = () if parent is None else parent.events
    return next((one for one in reversed(events) if one.name == role and one.time_ns <= span.start_ns), None)
