"""Spans that other services send: OTLP's `ExportTraceServiceRequest`, in JSON or protobuf, as records.

https://opentelemetry.io/docs/specs/otlp/#otlphttp-request. A span without ids, or with values that are none,
is rejected for itself; the others of the request are taken.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import orjson

from tollway.tracing._json import to_json
from tollway.tracing.engine import KEPT_BECAUSE
from tollway.tracing.records import FAR, LOCAL_ROOT, ROOT, Origin, Record
from tollway.tracing.summary import MAX_NS

from ._encode import schema_json
from ._objects import REMOTE, double

_is_trace_id = re.compile(r"[0-9a-f]{32}").fullmatch
_is_span_id = re.compile(r"[0-9a-f]{16}").fullmatch

_FAILED = 2


class BadRequestError(ValueError):
    """A body is no `ExportTraceServiceRequest`."""


class Received(NamedTuple):
    """What a request brought."""

    records: list[Record]
    rejected: int
    """Spans that are none."""


def read_json(body: bytes) -> Received:
    """Read a request in JSON. Raises BadRequestError."""
    try:
        return _received(orjson.loads(body))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise BadRequestError("the body is not OTLP in JSON") from error


def read_protobuf(body: bytes) -> Received:
    """Read a request in protobuf. Raises BadRequestError, and ImportError without the extra `otlp`."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # it ships no types
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    message = ExportTraceServiceRequest()
    try:
        message.ParseFromString(body)
    except (DecodeError, UnicodeDecodeError) as error:
        raise BadRequestError("the body is not OTLP in protobuf") from error
    return _received(_as_object(message))


def _received(request: Mapping[str, Any]) -> Received:
    records: list[Record] = []
    rejected = 0
    for block in request.get("resourceSpans", ()):
        resource = block.get("resource", {})
        resource_json = b'"resource":%b' % to_json(resource) + schema_json(block.get("schemaUrl"))
        for scoped in block.get("scopeSpans", ()):
            scope = scoped.get("scope", {})
            scope_json = b'"scope":%b' % to_json(scope) + schema_json(scoped.get("schemaUrl"))
            origin = Origin(resource_json, scope_json, _text_in(resource, "service.name"))
            for span in scoped.get("spans", ()):
                if (record := _record(span, origin)) is None:
                    rejected += 1
                else:
                    records.append(record)
    return Received(records, rejected)


def _record(span: Mapping[str, Any], origin: Origin) -> Record | None:
    try:
        trace_id, span_id = span["traceId"].lower(), span["spanId"].lower()
        parent_id = span.get("parentSpanId", "").lower()
        start_ns, end_ns = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
        name, flags = span.get("name", ""), int(span.get("flags", 0))
        failed = span.get("status", {}).get("code", 0) in (_FAILED, "STATUS_CODE_ERROR")
        kept = _text_in(span, KEPT_BECAUSE)
    except (LookupError, TypeError, ValueError, AttributeError):
        return None
    if not (_is_trace_id(trace_id) and _is_span_id(span_id) and int(trace_id, 16) and isinstance(name, str)):
        return None
    if not (0 <= start_ns <= MAX_NS and 0 <= end_ns <= MAX_NS):
        return None
    distance = ROOT if not parent_id else LOCAL_ROOT if flags & REMOTE else FAR
    item = {**span, "traceId": trace_id, "spanId": span_id}
    if parent_id:
        item["parentSpanId"] = parent_id
    return Record(int(trace_id, 16), distance, start_ns, end_ns, failed, name, kept, origin, to_json(item))


def _text_in(item: Mapping[str, Any], wanted: str) -> str | None:
    """Return the text of one attribute."""
    for pair in item.get("attributes", ()):
        if pair.get("key") == wanted:
            found = pair.get("value", {}).get("stringValue")
            return found if isinstance(found, str) else None
    return None


# --- protobuf as the objects of OTLP JSON ---


def _as_object(message: Any) -> dict[str, Any]:
    return {
        "resourceSpans": [
            {
                "resource": _with_attributes({}, block.resource),
                "scopeSpans": [
                    {
                        "scope": _scope(scoped.scope),
                        "spans": [_span(span) for span in scoped.spans],
                        "schemaUrl": scoped.schema_url,
                    }
                    for scoped in block.scope_spans
                ],
                "schemaUrl": block.schema_url,
            }
            for block in message.resource_spans
        ]
    }


def _scope(scope: Any) -> dict[str, Any]:
    item = {"name": scope.name, "version": scope.version}
    return _with_attributes({key: value for key, value in item.items() if value}, scope)


def _span(span: Any) -> dict[str, Any]:
    item: dict[str, Any] = {
        "traceId": span.trace_id.hex(),
        "spanId": span.span_id.hex(),
        "flags": span.flags,
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.start_time_unix_nano),
        "endTimeUnixNano": str(span.end_time_unix_nano),
    }
    if span.parent_span_id:
        item["parentSpanId"] = span.parent_span_id.hex()
    if span.trace_state:
        item["traceState"] = span.trace_state
    _with_attributes(item, span)
    if span.events:
        item["events"] = [_event(event) for event in span.events]
    if span.links:
        item["links"] = [_link(link) for link in span.links]
    if span.status.code:
        message = {"message": span.status.message} if span.status.message else {}
        item["status"] = {"code": span.status.code, **message}
    dropped = {
        "droppedAttributesCount": span.dropped_attributes_count,
        "droppedEventsCount": span.dropped_events_count,
        "droppedLinksCount": span.dropped_links_count,
    }
    item.update((name, count) for name, count in dropped.items() if count)
    return item


def _event(event: Any) -> dict[str, Any]:
    return _with_attributes({"timeUnixNano": str(event.time_unix_nano), "name": event.name}, event)


def _link(link: Any) -> dict[str, Any]:
    item = {"traceId": link.trace_id.hex(), "spanId": link.span_id.hex(), "flags": link.flags}
    if link.trace_state:
        item["traceState"] = link.trace_state
    return _with_attributes(item, link)


def _with_attributes(item: dict[str, Any], message: Any) -> dict[str, Any]:
    if message.attributes:
        item["attributes"] = _pairs(message.attributes)
    return item


def _pairs(attributes: Iterable[Any]) -> list[dict[str, Any]]:
    return [{"key": pair.key, "value": _value(pair.value)} for pair in attributes]


def _value(value: Any) -> dict[str, Any]:
    kind = value.WhichOneof("value")
    return {} if kind is None else _VALUES[kind](getattr(value, kind))


_VALUES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "string_value": lambda value: {"stringValue": value},
    "bool_value": lambda value: {"boolValue": value},
    "int_value": lambda value: {"intValue": str(value)},
    "double_value": lambda value: {"doubleValue": double(value)},
    "bytes_value": lambda value: {"bytesValue": b64encode(value).decode()},
    "array_value": lambda value: {"arrayValue": {"values": [_value(item) for item in value.values]}},
    "kvlist_value": lambda value: {"kvlistValue": {"values": _pairs(value.values)}},
}
