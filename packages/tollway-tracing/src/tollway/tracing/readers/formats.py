"""A trace as other tools read it: OTLP's JSON, and the JSON of Jaeger's page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from tollway.tracing.otlp._objects import key_values

from .views import KINDS, SPAN_STATUSES, EventView, SpanView, Trace


def otlp_of(trace: Trace) -> dict[str, Any]:
    """Return OTLP `TracesData` of the spans as they were read."""
    return {"resourceSpans": list(_blocks(trace))}


def _blocks(trace: Trace) -> Iterator[dict[str, Any]]:
    by_origin: dict[tuple[int, str], list[SpanView]] = {}
    for span in trace.spans:
        by_origin.setdefault((id(span.resource), span.scope), []).append(span)
    for (_, scope), spans in by_origin.items():
        yield {
            "resource": {"attributes": key_values(spans[0].resource)},
            "scopeSpans": [{"scope": {"name": scope}, "spans": list(map(_otlp_span, spans))}],
        }


def _otlp_span(span: SpanView) -> dict[str, Any]:
    return {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        **({"parentSpanId": span.parent_id} if span.parent_id else {}),
        "name": span.name,
        "kind": KINDS.index(span.kind),
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": key_values(span.attributes),
        "events": [
            {"timeUnixNano": str(one.time_ns), "name": one.name, "attributes": key_values(one.attributes)}
            for one in span.events
        ],
        "links": [{"traceId": trace_id, "spanId": span_id} for trace_id, span_id in span.links],
        "status": {"code": SPAN_STATUSES.index(span.status), "message": span.status_message},
    }


def jaeger_of(trace: Trace) -> dict[str, Any]:
    """Return what Jaeger's page takes by "upload JSON"."""
    processes: dict[int, tuple[str, Mapping[str, Any]]] = {}
    spans = []
    for span in trace.spans:
        name, _ = processes.setdefault(id(span.resource), (f"p{len(processes) + 1}", span.resource))
        spans.append({**_jaeger_span(span), "processID": name})
    described = {
        name: {
            "serviceName": str(resource.get("service.name", "unknown")),
            "tags": _tags({key: value for key, value in resource.items() if key != "service.name"}),
        }
        for name, resource in processes.values()
    }
    return {"data": [{"traceID": trace.trace_id, "spans": spans, "processes": described}]}


def _jaeger_span(span: SpanView) -> dict[str, Any]:
    above = [(span.trace_id, span.parent_id, "CHILD_OF")] if span.parent_id else []
    linked = [(trace_id, span_id, "FOLLOWS_FROM") for trace_id, span_id in span.links]
    more: dict[str, Any] = {"span.kind": span.kind.lower()}
    if span.status != "UNSET":
        more["otel.status_code"] = span.status
    if span.status == "ERROR":
        more |= {"error": True, "otel.status_description": span.status_message}
    return {
        "traceID": span.trace_id,
        "spanID": span.span_id,
        "operationName": span.name,
        "references": [{"refType": kind, "traceID": one, "spanID": of} for one, of, kind in above + linked],
        "startTime": span.start_ns // 1000,
        "duration": max(0, span.end_ns - span.start_ns) // 1000,
        "tags": _tags({**span.attributes, **more}),
        "logs": list(map(_log, span.events)),
    }


def _log(event: EventView) -> dict[str, Any]:
    return {"timestamp": event.time_ns // 1000, "fields": _tags({"event": event.name, **event.attributes})}


def _tags(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, **_tag(value)} for key, value in attributes.items()]


def _tag(value: Any) -> dict[str, Any]:
    kinds = {bool: "bool", int: "int64", float: "float64", str: "string"}
    kind = kinds.get(type(value))
    if kind is not None:
        return {"type": kind, "value": value}
    return {"type": "string", "value": orjson.dumps(value, default=str).decode()}
