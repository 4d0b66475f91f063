"""What surrounds the events of a stream: a body in its place, stray lines, an end without a blank line."""

from __future__ import annotations

import orjson

from . import sse

_BOM = b"\xef\xbb\xbf"
_BODIES = (b"{", b"[", b"<", b'"')
"""How a body of JSON or HTML begins, and no event."""

_DATA_LINE = b"\ndata:"
_FIELDS = (b"event", b"id", b"retry", b"data", b"")


class Opening:
    """The first bytes of a stream, which show whether they are events or the body of something else.

    `body` holds what came as long as it may be a body: JSON, HTML, text. Its size is the caller's to limit.
    """

    __slots__ = ("body",)

    def __init__(self) -> None:
        self.body = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Return the bytes that are events, from the first one on; empty while they are held."""
        searched = max(0, len(self.body) - len(_DATA_LINE))
        self.body += data if self.body else data.lstrip()
        start = bytes(self.body[:64]).removeprefix(_BOM).lstrip()
        if start.startswith(_BODIES) or not (_begins_event(start) or _DATA_LINE in self.body[searched:]):
            return b""
        return bytes(self.body)


def _begins_event(start: bytes) -> bool:
    """Whether a line begins with a field of the specification, or is a comment."""
    field, colon, _ = start.partition(b":")
    return bool(colon) and field in _FIELDS


def is_body(raw: bytes) -> bool:
    """Whether lines without data are no event but JSON or HTML, of a server that forgot that it streams."""
    return raw.lstrip()[:1] in _BODIES


def stray_text(raw: bytes) -> bytes:
    """Return lines that are neither a comment nor an event; they may say why a stream ended."""
    line = raw.strip()
    return b"" if line.partition(b":")[0] in _FIELDS else line


def last_events(parser: sse.Parser) -> list[sse.Event]:
    """Return the events that the end of a stream made whole.

    One that lacks only its blank line counts if its data are a JSON object or `[DONE]`: nothing is missing.
    """
    events = parser.end()
    tail = parser.take_back().rstrip()
    if not tail:
        return events
    last = sse.Parser().feed(tail + b"\n\n")
    if all(event.data is None or _is_whole(event.data) for event in last):
        return events + last
    return events


def _is_whole(data: bytes) -> bool:
    try:
        return data.strip() == b"[DONE]" or isinstance(orjson.loads(data), dict)
    except orjson.JSONDecodeError:
        return False
