"""Spans that other services send: OTLP's `ExportTraceServiceRequest`, in JSON or protobuf, as records.

https://opentelemetry.io/docs/specs/otlp/#otlphttp-request. A span without ids, or with values that are none,
is rejected for itself; the others of the request are taken.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from tollway.tracing._json import to_json
from tollway.tracing.engine import KEPT_BECAUSE
from tollway.tracing.records import FAR, LOCAL_ROOT, ROOT, Origin, Record
from tollway.tracing.summary import MAX_NS

from ._encode import MAX_CACHED, schema_json
from ._objects import REMOTE
from ._wire import read_records
from ._wire_objects import request_object

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
        return records_of(orjson.loads(body))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise BadRequestError("the body is not OTLP in JSON") from error


def read_protobuf(body: bytes) -> Received:
    """Read a request in protobuf. Raises BadRequestError."""
    try:
        found = read_records(body)
        return records_of(request_object(body)) if found is None else Received(*found)
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise BadRequestError("the body is not OTLP in protobuf") from error


def records_of(request: Mapping[str, Any]) -> Received:
    """Return the records of a request as JSON reads it. May raise what a wrong shape makes it raise."""
    records: list[Record] = []
    rejected = 0
    for block in request.get("resourceSpans", ()):
        resource = block.get("resource", {})
        resource_json = b'"resource":%b' % to_json(resource) + schema_json(block.get("schemaUrl"))
        for scoped in block.get("scopeSpans", ()):
            scope = scoped.get("scope", {})
            scope_json = b'"scope":%b' % to_json(scope) + schema_json(scoped.get("schemaUrl"))
            origin = _same(Origin(resource_json, scope_json, _text_in(resource, "service.name")))
            for span in scoped.get("spans", ()):
                if (record := _record(span, origin)) is None:
                    rejected += 1
                else:
                    records.append(record)
    return Received(records, rejected)


_origins: dict[Origin, Origin] = {}


def _same(origin: Origin) -> Origin:
    """Return an equal origin that was there before: the store writes spans of one origin faster."""
    if len(_origins) >= MAX_CACHED:
        _origins.clear()
    return _origins.setdefault(origin, origin)


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
