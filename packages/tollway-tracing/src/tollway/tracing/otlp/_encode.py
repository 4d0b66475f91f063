"""Encode SDK spans as OTLP JSON, once for the files and for the wire.

OTLP JSON is proto3 JSON with four changes: lowerCamelCase keys only, ids in hex, enums as integers, and
unknown fields ignored (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding). Every span is its
own piece of bytes, so that a bad value harms one span, and a long trace can be cut between spans.
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import orjson
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags

from tollway.tracing.engine import Span
from tollway.tracing.engine.tracer_core import TracerCore

from ._own import own_span_json

T = TypeVar("T")

KINDS: dict[SpanKind, int] = {kind: kind.value + 1 for kind in SpanKind}
"""OTLP counts from 1 (INTERNAL): 0 means unspecified."""

REMOTE_KNOWN = 0x100
"""`SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK`: the next bit means something."""

REMOTE = 0x200
"""`SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`: the parent (or linked context) lives in another process."""

MAX_CACHED = 256
"""Resources and scopes whose JSON is remembered; a program has a handful."""

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
        return {"intValue": str(value)} if -(2**63) <= value < 2**63 else {"stringValue": _text(value)}
    if kind is float:
        return {"doubleValue": value if value - value == 0 else _odd_float(value)}
    return _rare_value(value, depth)


def _odd_float(value: float) -> str:
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
    return {"stringValue": _text(value)}


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


def _key(key: object) -> str:
    return key if isinstance(key, str) else _text(key)


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
        "flags": _flags(context.trace_flags, parent),
        "name": _key(span.name),
        "kind": KINDS[span.kind],
        "startTimeUnixNano": str(span.start_time or 0),
        "endTimeUnixNano": str(span.end_time or 0),
    }
    if parent is not None:
        item["parentSpanId"] = f"{parent.span_id:016x}"
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


def encode_span(span: ReadableSpan) -> bytes | None:
    """Return one span as OTLP JSON; None for what is no span at all (no context). Never raises."""
    try:
        if type(span) is Span and (text := own_span_json(span)) is not None:
            return text
        return to_json(span_object(span))
    except Exception:  # a foreign span may raise anything from its properties
        return None


def encoded(spans: Iterable[ReadableSpan]) -> tuple[Sequence[ReadableSpan], Sequence[bytes]]:
    """Return the spans that can be encoded, and the JSON of each."""
    spans = list(spans)
    pieces = [encode_span(span) or b"" for span in spans]
    if not all(pieces):
        spans = [span for span, piece in zip(spans, pieces, strict=True) if piece]
        pieces = [piece for piece in pieces if piece]
    return spans, pieces


def to_json(item: Any) -> bytes:
    """Return JSON; text that is not Unicode (lone surrogates) keeps its place as U+FFFD."""
    try:
        return orjson.dumps(item)
    except TypeError:
        return orjson.dumps(_mended(item))


def _mended(item: Any) -> Any:
    if isinstance(item, str):
        return str(item).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(item, dict):
        return {_mended(key): _mended(value) for key, value in item.items()}
    if isinstance(item, list):
        return [_mended(value) for value in item]
    return item if isinstance(item, (bool, int, float, type(None))) else _mended(_text(item))


class Encoder:
    """Encodes batches of spans as OTLP `TracesData`; resources and scopes are encoded once and remembered.

    Not for use by several threads at once.
    """

    def __init__(self) -> None:
        # By identity: hashing an SDK Resource serialises it to JSON. The value keeps its key's object alive.
        self._resources: dict[int, tuple[Resource, bytes]] = {}
        self._scopes: dict[int, tuple[InstrumentationScope | None, bytes]] = {}

    def traces_data(self, spans: Iterable[ReadableSpan]) -> bytes:
        """Return the JSON of `TracesData` (equally of `ExportTraceServiceRequest`)."""
        return b'{"resourceSpans":%b}' % self.resource_spans(*encoded(spans))

    def resource_spans(self, spans: Sequence[ReadableSpan], pieces: Sequence[bytes]) -> bytes:
        """Return the JSON array `resourceSpans` of spans and the JSON of each."""
        if (tracer := _only_tracer(spans)) is not None:
            return b"%b%b]}]}]" % (self.head_of(tracer), b",".join(pieces))
        groups: dict[int, dict[int, list[bytes]]] = {}
        heads: dict[int, bytes] = {}
        last_resource = last_scope = found = None
        for span, piece in zip(spans, pieces, strict=True):
            resource, scope = span.resource, span.instrumentation_scope
            if found is not None and scope is last_scope and resource is last_resource:
                found.append(piece)
                continue
            last_resource, last_scope = resource, scope
            scopes = groups.setdefault(id(resource), {})
            found = scopes.get(id(scope))
            if found is None:
                heads[id(resource)] = self._resource(resource)
                heads[id(scope)] = self._scope(scope)
                found = scopes[id(scope)] = []
            found.append(piece)
        blocks = [
            b'{%b,"scopeSpans":[%b]}' % (heads[resource_id], b",".join(_scope_blocks(scopes, heads)))
            for resource_id, scopes in groups.items()
        ]
        return b"[%b]" % b",".join(blocks)

    def head_of(self, tracer: TracerCore) -> bytes:
        """Return what comes before the spans where one tracer made them all; `]}]}]` comes after them."""
        return b'[{%b,"scopeSpans":[{%b,"spans":[' % (
            self._resource(tracer.resource),
            self._scope(tracer.scope),
        )

    def _resource(self, resource: Resource) -> bytes:
        known = self._resources.get(id(resource))
        if known is None:
            head = b'"resource":%b' % to_json({"attributes": key_values(resource.attributes)})
            known = _remember(self._resources, resource, head + _schema(resource.schema_url))
        return known[1]

    def _scope(self, scope: InstrumentationScope | None) -> bytes:
        known = self._scopes.get(id(scope))
        if known is None:
            head = b'"scope":%b' % to_json(_scope_object(scope))
            known = _remember(self._scopes, scope, head + _schema(scope.schema_url if scope else None))
        return known[1]


def _only_tracer(spans: Iterable[ReadableSpan]) -> TracerCore | None:
    """Return the tracer that made all of the spans, if one of ours did: it has one resource and one scope."""
    only = None
    for span in spans:
        if type(span) is not Span or (span._tracer is not only and only is not None):
            return None
        only = span._tracer
    return only


def _scope_blocks(scopes: Mapping[int, list[bytes]], heads: Mapping[int, bytes]) -> Iterator[bytes]:
    for scope_id, pieces in scopes.items():
        yield b'{%b,"spans":[%b]}' % (heads[scope_id], b",".join(pieces))


def _scope_object(scope: InstrumentationScope | None) -> dict[str, Any]:
    if scope is None:
        return {}
    item: dict[str, Any] = {"name": scope.name}
    if scope.version:
        item["version"] = scope.version
    if scope.attributes:
        item["attributes"] = key_values(scope.attributes)
    return item


def _schema(url: str | None) -> bytes:
    return b',"schemaUrl":%b' % to_json(url) if url else b""


def _remember(cache: dict[int, tuple[T, bytes]], key: T, head: bytes) -> tuple[T, bytes]:
    if len(cache) >= MAX_CACHED:
        cache.clear()
    cache[id(key)] = entry = (key, head)
    return entry


def is_sampled(span: ReadableSpan) -> bool:
    """Return whether exporters may have the span: the W3C sampled flag is set."""
    if type(span) is Span:
        return bool(span._local.flags & TraceFlags.SAMPLED)  # without making its context
    context = span.get_span_context()
    return context is not None and bool(context.trace_flags & TraceFlags.SAMPLED)
