"""Spans, resources and scopes of the SDK as objects of OTLP JSON.

OTLP JSON is proto3 JSON with four changes: lowerCamelCase keys only, ids in hex, enums as integers, and
unknown fields ignored (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding). Every span is its
own piece of bytes, so that a bad value harms one span, and a long trace can be cut between spans.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind

from tollway.tracing._json import text_of

KINDS: dict[SpanKind, int] = {kind: kind.value + 1 for kind in SpanKind}
"""OTLP counts from 1 (INTERNAL): 0 means unspecified."""

REMOTE_KNOWN = 0x100
"""`SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK`: the next bit means something."""

REMOTE = 0x200
"""`SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`: the parent (or linked context) lives in another process."""

MAX_DEPTH = 32
"""Nesting beyond this becomes text: attributes are data, not programs that can exhaust the stack."""


def any_value(value: Any, depth: int = 0) -> dict[str, Any]:
    """Return the OTLP `AnyValue` of anything; what OTLP has no word for becomes its text."""
    kind = type(value)
    if kind is str:
        return {"stringValue": value}
    if kind is bool:
        return {"boolValue": value}
    if kind is int:
        # 64-bit integers travel as strings; larger ones do not fit the protocol at all.
        return {"intValue": str(value)} if -(2**63) <= value < 2**63 else {"stringValue": text_of(value)}
    if kind is float:
        return {"doubleValue": double(value)}
    return _rare_value(value, depth)


def double(value: float) -> float | str:
    """Return a number as ProtoJSON has it: JSON itself has no word for what is not finite."""
    if value - value == 0:
        return value
    if value != value:  # noqa: PLR0124 - NaN is the only number unequal to itself
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _rare_value(value: Any, depth: int) -> dict[str, Any]:
    if value is None:
        return {}
    if depth >= MAX_DEPTH:
        return {"stringValue": "…"}
    return _container(value, depth) or _look_alike(value, depth)


def _container(value: Any, depth: int) -> dict[str, Any] | None:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"bytesValue": b64encode(value).decode()}
    if isinstance(value, Mapping):
        pairs = [{"key": _key(key), "value": any_value(item, depth + 1)} for key, item in value.items()]
        return {"kvlistValue": {"values": pairs}}
    if isinstance(value, (Sequence, set, frozenset)) and not isinstance(value, str):
        return {"arrayValue": {"values": [any_value(item, depth + 1) for item in value]}}
    return None


def _look_alike(value: Any, depth: int) -> dict[str, Any]:
    for plain in (bool, int, float, str):  # subclasses: enums, numpy's floats
        if isinstance(value, plain):
            return any_value(plain(value), depth)
    return {"stringValue": text_of(value)}


def _key(key: object) -> str:
    return key if isinstance(key, str) else text_of(key)


def key_values(attributes: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return the OTLP `KeyValue` list of attributes."""
    if not attributes:
        return []
    return [
        {"key": key, "value": {"stringValue": value} if type(value) is str else any_value(value)}
        for key, value in attributes.items()
    ]


def _flags(own: int, parent: SpanContext | None) -> int:
    remote = REMOTE if parent is not None and parent.is_remote else 0
    return (own & 0xFF) | REMOTE_KNOWN | remote


def _events(events: Sequence[Event]) -> list[dict[str, Any]]:
    encoded = []
    for event in events:
        item: dict[str, Any] = {"timeUnixNano": str(event.timestamp), "name": _key(event.name)}
        if event.attributes:
            item["attributes"] = key_values(event.attributes)
        if dropped := event.dropped_attributes:
            item["droppedAttributesCount"] = dropped
        encoded.append(item)
    return encoded


def _links(links: Sequence[Link]) -> list[dict[str, Any]]:
    encoded = []
    for link in links:
        context = link.context
        item: dict[str, Any] = {
            "traceId": f"{context.trace_id:032x}",
            "spanId": f"{context.span_id:016x}",
            "flags": _flags(context.trace_flags, context),
        }
        if context.trace_state:
            item["traceState"] = context.trace_state.to_header()
        if link.attributes:
            item["attributes"] = key_values(link.attributes)
        if dropped := link.dropped_attributes:
            item["droppedAttributesCount"] = dropped
        encoded.append(item)
    return encoded


def span_object(span: ReadableSpan) -> dict[str, Any]:
    """Return the OTLP `Span` of a span, as what `orjson` takes."""
    context, parent, status = span.get_span_context(), span.parent, span.status
    assert context is not None  # only hand-made spans have none; `encode_span` catches
    item: dict[str, Any] = {
        "traceId": f"{context.trace_id:032x}",
        "spanId": f"{context.span_id:016x}",
    }
    if parent is not None:
        item["parentSpanId"] = f"{parent.span_id:016x}"
    item |= {
        "flags": _flags(context.trace_flags, parent),
        "name": _key(span.name),
        "kind": KINDS[span.kind],
        "startTimeUnixNano": str(span.start_time or 0),
        "endTimeUnixNano": str(span.end_time or 0),
    }
    if context.trace_state:
        item["traceState"] = context.trace_state.to_header()
    if attributes := span.attributes:
        item["attributes"] = key_values(attributes)
    if events := span.events:  # properties that copy: read once
        item["events"] = _events(events)
    if links := span.links:
        item["links"] = _links(links)
    if code := status.status_code.value:
        item["status"] = (
            {"code": code, "message": status.description} if status.description else {"code": code}
        )
    if dropped := span.dropped_attributes:
        item["droppedAttributesCount"] = dropped
    if dropped := span.dropped_events:
        item["droppedEventsCount"] = dropped
    if dropped := span.dropped_links:
        item["droppedLinksCount"] = dropped
    return item


def resource_object(resource: Resource) -> dict[str, Any]:
    """Return the OTLP `Resource`."""
    return {"attributes": key_values(resource.attributes)}


def scope_object(scope: InstrumentationScope | None) -> dict[str, Any]:
    """Return the OTLP `InstrumentationScope`."""
    if scope is None:
        return {}
    item: dict[str, Any] = {"name": scope.name}
    if scope.version:
        item["version"] = scope.version
    if scope.attributes:
        item["attributes"] = key_values(scope.attributes)
    return item
