"""OTLP in protocol buffers as the objects of its JSON, by one table: the way back of `_protobuf.py`.

The numbers are those of `opentelemetry/proto/trace/v1/trace.proto` and `common.proto`. `_wire.pyx` does the
same, compiled.
"""

import struct
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from ._answer import fields_of
from ._objects import double

MAX_DEPTH = 64
"""Of values in values: attributes are data, not programs that can exhaust the stack."""

Read = Callable[[Any, int], Any]
"""Gives a value of the JSON by a field's and the depth."""

Fields = dict[int, tuple[str, Read]]


def request_object(body: bytes) -> dict[str, Any]:
    """Return an `ExportTraceServiceRequest` as JSON reads it. Raises ValueError, IndexError or TypeError."""
    return _object(_REQUEST, body, 0)


def _object(fields: Fields, data: Any, depth: int) -> dict[str, Any]:
    item: dict[str, Any] = {}
    for number, value in fields_of(_bytes(data)):
        if number not in fields:
            continue
        key, read = fields[number]
        if key.endswith("[]"):
            item.setdefault(key[:-2], []).append(read(value, depth))
        else:
            item[key] = read(value, depth)
    return item


def _message(fields: Fields) -> Read:
    return lambda value, depth: _object(fields, value, depth)


def _value(data: Any, depth: int) -> dict[str, Any]:
    """Read an `AnyValue`: of several fields the last one counts, as they exclude each other."""
    if depth > MAX_DEPTH:
        raise ValueError("values in values, too deep")
    found = [(number, value) for number, value in fields_of(_bytes(data)) if number in _VALUES]
    if not found:
        return {}
    number, value = found[-1]
    key, read = _VALUES[number]
    return {key: read(value, depth)}


def _several(fields: Fields) -> Read:
    def read(data: Any, depth: int) -> dict[str, Any]:
        return {"values": [], **_object(fields, data, depth + 1)}

    return read


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    raise ValueError("not the type of the field")


def _number(value: Any, _: int = 0) -> int:
    if isinstance(value, int):
        return value
    raise ValueError("not the type of the field")


def _text(value: Any, _: int) -> str:
    return _bytes(value).decode(errors="replace")


def _id(value: Any, _: int) -> str:
    return _bytes(value).hex()


def _signed(value: Any, _: int = 0) -> int:
    number = _number(value)
    return number - 2**64 if number >= 2**63 else number


def _enum(value: Any, _: int) -> int:
    return (_number(value) + 2**31) % 2**32 - 2**31


def _fixed(value: Any, _: int) -> int:
    return int.from_bytes(_bytes(value), "little")


def _time(value: Any, _: int) -> str:
    return str(int.from_bytes(_bytes(value), "little"))


def _double(value: Any, _: int) -> float | str:
    if len(_bytes(value)) != 8:
        raise ValueError("not the type of the field")
    return double(struct.unpack("<d", value)[0])


def _span(data: Any, depth: int) -> dict[str, Any]:
    return {"startTimeUnixNano": "0", "endTimeUnixNano": "0", "flags": 0, **_object(_SPAN, data, depth)}


_VALUES: Fields = {
    1: ("stringValue", _text),
    2: ("boolValue", lambda value, _: bool(_number(value))),
    3: ("intValue", lambda value, _: str(_signed(value))),
    4: ("doubleValue", _double),
    7: ("bytesValue", lambda value, _: b64encode(_bytes(value)).decode()),
}
_KEY_VALUE: Fields = {1: ("key", _text), 2: ("value", _value)}
_VALUES[5] = ("arrayValue", _several({1: ("values[]", _value)}))
_VALUES[6] = ("kvlistValue", _several({1: ("values[]", _message(_KEY_VALUE))}))

_ATTRIBUTES = ("attributes[]", _message(_KEY_VALUE))
_SCHEMA = ("schemaUrl", _text)

_EVENT: Fields = {
    1: ("timeUnixNano", _time),
    2: ("name", _text),
    3: _ATTRIBUTES,
    4: ("droppedAttributesCount", _number),
}
_LINK: Fields = {
    1: ("traceId", _id),
    2: ("spanId", _id),
    3: ("traceState", _text),
    4: _ATTRIBUTES,
    5: ("droppedAttributesCount", _number),
    6: ("flags", _fixed),
}
_STATUS: Fields = {2: ("message", _text), 3: ("code", _enum)}
_SPAN: Fields = {
    1: ("traceId", _id),
    2: ("spanId", _id),
    3: ("traceState", _text),
    4: ("parentSpanId", _id),
    5: ("name", _text),
    6: ("kind", _enum),
    7: ("startTimeUnixNano", _time),
    8: ("endTimeUnixNano", _time),
    9: _ATTRIBUTES,
    10: ("droppedAttributesCount", _number),
    11: ("events[]", _message(_EVENT)),
    12: ("droppedEventsCount", _number),
    13: ("links[]", _message(_LINK)),
    14: ("droppedLinksCount", _number),
    15: ("status", _message(_STATUS)),
    16: ("flags", _fixed),
}
_SCOPE: Fields = {1: ("name", _text), 2: ("version", _text), 3: _ATTRIBUTES}
_SCOPE_SPANS: Fields = {1: ("scope", _message(_SCOPE)), 2: ("spans[]", _span), 3: _SCHEMA}
_RESOURCE_SPANS: Fields = {
    1: ("resource", _message({1: _ATTRIBUTES})),
    2: ("scopeSpans[]", _message(_SCOPE_SPANS)),
    3: _SCHEMA,
}
_REQUEST: Fields = {1: ("resourceSpans[]", _message(_RESOURCE_SPANS))}
