"""Encode spans of any source as OTLP JSON, once for the files and for the wire."""

from collections.abc import Iterable, Sequence
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from tollway.tracing._json import to_json
from tollway.tracing.records import Origin, Record
from tollway.tracing.semconv.dialects import Dialect

from ._objects import resource_object, scope_object
from ._sources import source_of
from ._translate import object_of, stays

MAX_CACHED = 256
"""Origins whose JSON is remembered; a program has a handful."""


def encode_span(span: object) -> bytes | None:
    """Return one span as OTLP JSON; None for what is no span at all (no context). Never raises."""
    try:
        return source_of(span).json(span)
    except Exception:  # a foreign span may raise anything from its properties
        return None


class Encoder:
    """Encodes batches of spans as OTLP `TracesData`; resources and scopes are encoded once and remembered.

    Not for use by several threads at once.
    """

    content_type = "application/json"

    def __init__(self, dialect: Dialect | None = None) -> None:
        self._dialect = dialect
        # By identity: hashing an SDK Resource serialises it to JSON. The value keeps its keys' objects alive.
        self._origins: dict[tuple[int, int], tuple[Origin, Any, Any]] = {}

    def traces_data(self, spans: Iterable[Any]) -> bytes:
        """Return the JSON of `TracesData` (equally of `ExportTraceServiceRequest`)."""
        parts = [
            (source_of(span).origin(span, self), piece)
            for span in spans
            if (piece := self._encoded(span)) is not None
        ]
        return b'{"resourceSpans":%b}' % resource_spans(parts)

    def _encoded(self, span: Any) -> bytes | None:
        dialect = self._dialect
        try:
            if dialect is None or stays(span, dialect):
                return encode_span(span)
            return to_json(object_of(span, dialect))
        except Exception:  # as `encode_span`
            return None

    def records(self, spans: Iterable[Any]) -> list[Record]:
        """Return the records of the spans that can be encoded."""
        found = []
        for span in spans:
            if (piece := encode_span(span)) is not None:
                source = source_of(span)
                found.append(source.record(span, piece, source.origin(span, self)))
        return found

    def origin_of(self, resource: Resource, scope: InstrumentationScope | None) -> Origin:
        """Return the origin of a resource's and scope's spans."""
        key = id(resource), id(scope)
        known = self._origins.get(key)
        if known is None:
            if len(self._origins) >= MAX_CACHED:
                self._origins.clear()
            service = resource.attributes.get("service.name")
            origin = Origin(
                b'"resource":%b' % to_json(resource_object(resource)) + schema_json(resource.schema_url),
                b'"scope":%b' % to_json(scope_object(scope))
                + schema_json(scope.schema_url if scope else None),
                None if service is None else str(service),
            )
            known = self._origins[key] = (origin, resource, scope)
        return known[0]


def resource_spans(parts: Sequence[tuple[Origin, bytes]]) -> bytes:
    """Return the JSON array `resourceSpans` of spans, each given by its origin and its JSON."""
    if not parts:
        return b"[]"
    first = parts[0][0]
    if all(origin is first for origin, _ in parts):
        return b"%b%b]}]}]" % (first.head, b",".join([piece for _, piece in parts]))
    groups: dict[bytes, dict[bytes, list[bytes]]] = {}
    for origin, piece in parts:
        groups.setdefault(origin.resource, {}).setdefault(origin.scope, []).append(piece)
    return b"[%b]" % b",".join(
        b'{%b,"scopeSpans":[%b]}'
        % (
            resource,
            b",".join(b'{%b,"spans":[%b]}' % (scope, b",".join(all_)) for scope, all_ in scopes.items()),
        )
        for resource, scopes in groups.items()
    )


def schema_json(url: str | None) -> bytes:
    """Return the member that tells the schema URL of a resource or a scope; nothing where there is none."""
    return b',"schemaUrl":%b' % to_json(url) if url else b""
