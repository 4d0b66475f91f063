"""Encode SDK spans as OTLP protocol buffers, from the objects of the JSON by one table.

The numbers are those of `opentelemetry/proto/trace/v1/trace.proto` and `common.proto`; the wire format is
https://protobuf.dev/programming-guides/encoding/. Spans of ours take the short way (`_own.pyx`), where it is
compiled.
"""

import struct
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import orjson

from tollway.tracing._json import mended
from tollway.tracing.engine import Span
from tollway.tracing.records import Origin
from tollway.tracing.semconv.dialects import DIALECTS, Dialect

from ._encode import MAX_CACHED, Encoder
from ._own import spans_protobuf
from ._sources import source_of
from ._translate import object_of

Write = Callable[[int, Any], bytes]
"""Gives a field by its number and its value in the JSON."""

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types."""

_MAX_64 = 2**64 - 1


def varint(value: int) -> bytes:
    """Return a varint; a negative number as its two's complement of 64 bits."""
    value &= _MAX_64
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def raw(number: int, data: bytes) -> bytes:
    """Return a field of bytes, or of a message that is written."""
    return varint(number << 3 | BYTES) + varint(len(data)) + data


def text(number: int, value: str) -> bytes:
    """Return a field of text."""
    try:
        return raw(number, value.encode())
    except UnicodeEncodeError:
        return raw(number, mended(value).encode())


def bytes_id(number: int, value: str) -> bytes:
    """Return a field of bytes, of hex digits."""
    return raw(number, bytes.fromhex(value))


def varint_field(number: int, value: int | str) -> bytes:
    """Return a field of a varint."""
    return varint(number << 3 | VARINT) + varint(int(value))


def fixed64(number: int, value: str) -> bytes:
    """Return a field of 64 bits."""
    return varint(number << 3 | FIXED64) + struct.pack("<Q", max(0, min(int(value), _MAX_64)))


def _fixed32(number: int, value: int) -> bytes:
    return varint(number << 3 | FIXED32) + struct.pack("<I", value)


def double(number: int, value: float | str) -> bytes:
    """Return a field of a float."""
    return varint(number << 3 | FIXED64) + struct.pack("<d", float(value))


def _bytes(number: int, value: str) -> bytes:
    return raw(number, b64decode(value))


Fields = dict[str, tuple[int, Write]]


def nested(fields: Fields) -> Write:
    """Return what writes a field that is a message by a table."""
    return lambda number, item: raw(number, message(fields, item))


def each(write: Write) -> Write:
    """Return what writes a repeated field."""
    return lambda number, items: b"".join([write(number, item) for item in items])


def message(fields: Fields, item: Mapping[str, Any]) -> bytes:
    """Return a message from an object of OTLP JSON; fields that are not in the table are left out."""
    written = []
    for key, value in item.items():
        if key in fields:
            number, write = fields[key]
            written.append(write(number, value))
    return b"".join(written)


ANY_VALUE: Fields = {
    "stringValue": (1, text),
    "boolValue": (2, varint_field),
    "intValue": (3, varint_field),
    "doubleValue": (4, double),
    "bytesValue": (7, _bytes),
}
KEY_VALUE: Fields = {"key": (1, text), "value": (2, nested(ANY_VALUE))}
ANY_VALUE["arrayValue"] = (5, nested({"values": (1, each(nested(ANY_VALUE)))}))
ANY_VALUE["kvlistValue"] = (6, nested({"values": (1, each(nested(KEY_VALUE)))}))

attributes_field = each(nested(KEY_VALUE))

EVENT: Fields = {
    "timeUnixNano": (1, fixed64),
    "name": (2, text),
    "attributes": (3, attributes_field),
    "droppedAttributesCount": (4, varint_field),
}
LINK: Fields = {
    "traceId": (1, bytes_id),
    "spanId": (2, bytes_id),
    "traceState": (3, text),
    "attributes": (4, attributes_field),
    "droppedAttributesCount": (5, varint_field),
    "flags": (6, _fixed32),
}
STATUS: Fields = {"message": (2, text), "code": (3, varint_field)}
SPAN: Fields = {
    "traceId": (1, bytes_id),
    "spanId": (2, bytes_id),
    "traceState": (3, text),
    "parentSpanId": (4, bytes_id),
    "name": (5, text),
    "kind": (6, varint_field),
    "startTimeUnixNano": (7, fixed64),
    "endTimeUnixNano": (8, fixed64),
    "attributes": (9, attributes_field),
    "droppedAttributesCount": (10, varint_field),
    "events": (11, each(nested(EVENT))),
    "droppedEventsCount": (12, varint_field),
    "links": (13, each(nested(LINK))),
    "droppedLinksCount": (14, varint_field),
    "status": (15, nested(STATUS)),
    "flags": (16, _fixed32),
}
RESOURCE: Fields = {"attributes": (1, attributes_field)}
SCOPE: Fields = {"name": (1, text), "version": (2, text), "attributes": (3, attributes_field)}

_RESOURCE_SPANS: Fields = {"resource": (1, nested(RESOURCE)), "schemaUrl": (3, text)}
_SCOPE_SPANS: Fields = {"scope": (1, nested(SCOPE)), "schemaUrl": (3, text)}

SPANS = 2
"""The field of a `ScopeSpans` that a span is."""


def any_span(span: Any, dialect: Dialect | None = None) -> bytes:
    """Return the field of any span; nothing for what is no span at all. Never raises."""
    try:
        return raw(SPANS, message(SPAN, object_of(span, dialect)))
    except Exception:  # a foreign span may raise anything from its properties
        return b""


class ProtobufEncoder:
    """Encodes batches of spans as OTLP `TracesData`; resources and scopes are encoded once and remembered.

    Not for use by several threads at once.
    """

    content_type = "application/x-protobuf"

    def __init__(self, dialect: Dialect | None = None) -> None:
        self._dialect = dialect
        self._always = dialect is not DIALECTS["genai"]
        self._other = partial(any_span, dialect=dialect)
        self._origins = Encoder()
        self._heads: dict[bytes, bytes] = {}

    def traces_data(self, spans: Iterable[Any]) -> bytes:
        """Return `TracesData` (equally `ExportTraceServiceRequest`)."""
        resources: dict[bytes, dict[bytes, bytes]] = {}
        for origin, found in self._grouped(spans):
            scopes = resources.setdefault(origin.resource, {})
            head = scopes.get(origin.scope) or self._head(origin.scope, _SCOPE_SPANS)
            scopes[origin.scope] = head + spans_protobuf(found, self._other, self._dialect, self._always)
        return b"".join(
            raw(
                1,
                self._head(resource, _RESOURCE_SPANS) + b"".join(raw(2, block) for block in scopes.values()),
            )
            for resource, scopes in resources.items()
        )

    def _grouped(self, spans: Iterable[Any]) -> Iterable[tuple[Origin, list[Any]]]:
        """Return the spans by what made them."""
        tracers: dict[int, list[Any]] = {}
        others: dict[Origin, list[Any]] = {}
        last: object = None
        found: list[Any] = []
        for span in spans:
            if type(span) is not Span:
                if (origin := self._origin_of(span)) is not None:
                    others.setdefault(origin, []).append(span)
            else:
                if span._tracer is not last:
                    last = span._tracer
                    found = tracers.setdefault(id(last), [])
                found.append(span)
        groups = [(source_of(own[0]).origin(own[0], self._origins), own) for own in tracers.values()]
        return [*groups, *others.items()]

    def _origin_of(self, span: Any) -> Origin | None:
        try:
            source = source_of(span)
            return None if source.trace_id(span) is None else source.origin(span, self._origins)
        except Exception:  # as `any_span`
            return None

    def _head(self, fields: bytes, table: Fields) -> bytes:
        """Return fields of JSON as those of a message."""
        known = self._heads.get(fields)
        if known is None:
            if len(self._heads) >= MAX_CACHED:
                self._heads.clear()
            known = self._heads[fields] = message(table, orjson.loads(b"{%b}" % fields))
        return known
