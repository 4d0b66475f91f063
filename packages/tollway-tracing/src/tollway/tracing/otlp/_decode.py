"""OTLP `TracesData` as JSON reads it, back into views."""

from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from tollway.tracing.readers.views import KINDS, SPAN_STATUSES, EventView, SpanView, time_of
from tollway.tracing.summary import MAX_NS

from ._objects import REMOTE


def spans_of_object(item: Mapping[str, Any]) -> list[SpanView]:
    """Return the spans of OTLP `TracesData` as JSON reads it. Raises ValueError for anything else."""
    try:
        return list(_spans(item))
    except (LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError("not OTLP TracesData") from error


def _spans(item: Mapping[str, Any]) -> Iterator[SpanView]:
    for block in item["resourceSpans"]:
        resource = attributes_of(block.get("resource", {}))
        for scoped in block.get("scopeSpans", ()):
            scope = _text(scoped.get("scope", {}).get("name", ""))
            for span in scoped.get("spans", ()):
                yield _span(span, resource, scope)


def _span(item: Mapping[str, Any], resource: Mapping[str, Any], scope: str) -> SpanView:
    status = item.get("status", {})
    return SpanView(
        trace_id=_text(item["traceId"]),
        span_id=_text(item["spanId"]),
        parent_id=_text(item.get("parentSpanId", "")) or None,
        name=_text(item.get("name", "")),
        kind=KINDS[item.get("kind", 0)],
        start_ns=_moment(item["startTimeUnixNano"]),
        end_ns=_moment(item["endTimeUnixNano"]),
        status=SPAN_STATUSES[status.get("code", 0)],
        status_message=_text(status.get("message", "")),
        attributes=attributes_of(item),
        events=tuple(_event(event) for event in item.get("events", ())),
        links=tuple((_text(link["traceId"]), _text(link["spanId"])) for link in item.get("links", ())),
        resource=resource,
        scope=scope,
        parent_is_remote=bool(item.get("flags", 0) & REMOTE),
        trace_state=_text(item.get("traceState", "")),
    )


def _event(item: Mapping[str, Any]) -> EventView:
    time_ns = _moment(item["timeUnixNano"])
    return EventView(_text(item.get("name", "")), time_of(time_ns), attributes_of(item), time_ns)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError("not text")


def _moment(value: Any) -> int:
    """Return nanoseconds, which OTLP writes as text, within what a calendar can hold."""
    return max(0, min(int(value), MAX_NS))


def attributes_of(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the attributes of a resource, span or event as Python values."""
    pairs = item.get("attributes", ())
    return MappingProxyType({_text(pair["key"]): value_of(pair.get("value", {})) for pair in pairs})


def value_of(item: Mapping[str, Any]) -> Any:
    """Return the Python value of an OTLP `AnyValue`."""
    for kind, value in item.items():
        return _READERS[kind](value) if kind in _READERS else value
    return None


_READERS: dict[str, Callable[[Any], Any]] = {
    "intValue": int,
    "doubleValue": float,  # takes "NaN" and "Infinity" as well
    "bytesValue": b64decode,
    "arrayValue": lambda value: tuple(value_of(item) for item in value.get("values", ())),
    "kvlistValue": lambda value: attributes_of({"attributes": value.get("values", ())}),
}
