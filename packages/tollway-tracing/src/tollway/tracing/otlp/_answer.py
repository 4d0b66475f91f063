"""What an OTLP receiver answers, as JSON or as protocol buffers, whichever it chose.

https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress

import orjson

_REJECTED = ("rejectedSpans", "rejectedLogRecords", "rejectedDataPoints")

MAX_SHOWN = 200
"""Characters of an error's text that are logged."""


def fields_of(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field of a message: integers of varints, bytes of all else.

    Raises IndexError or ValueError for what is no message.
    """
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
            if shift > 63:
                raise ValueError("no varint")

    while at < len(data):
        tag = varint()
        kind = tag & 7
        if kind == 0:
            yield tag >> 3, varint()
            continue
        if kind not in (1, 2, 5):
            raise ValueError("no wire type of OTLP")
        size = {1: 8, 5: 4}.get(kind) or varint()
        if at + size > len(data):
            raise ValueError("cut")
        yield tag >> 3, data[at : at + size]
        at += size


def rejected_items(headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
    """Return how many items a receiver refused in an answer of success, and why."""
    try:
        if "json" in headers.get("content-type", "json") or body[:1] == b"{":
            partial = orjson.loads(body or b"{}").get("partialSuccess") or {}
            count = next((partial[name] for name in _REJECTED if name in partial), 0)
            return int(count), str(partial.get("errorMessage", ""))
        partial = dict(fields_of(_bytes(dict(fields_of(body)).get(1))))
        count = partial.get(1, 0)
        return (count if isinstance(count, int) else 0), _bytes(partial.get(2)).decode(errors="replace")
    except (ValueError, TypeError, AttributeError, IndexError):
        return 0, ""  # an answer in another format still says 2xx


def error_text(headers: Mapping[str, str], body: bytes) -> str:
    """Return what an error's body says: the message of a `google.rpc.Status`, else the body itself."""
    if "protobuf" in headers.get("content-type", ""):
        with suppress(ValueError, IndexError):
            body = _bytes(dict(fields_of(body)).get(2)) or body
    return body[:MAX_SHOWN].decode(errors="replace")


def _bytes(value: int | bytes | None) -> bytes:
    return value if isinstance(value, bytes) else b""
