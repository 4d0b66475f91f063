"""Server-sent events, read from bytes split anywhere and written back.

The rules are those of https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream.
Every event keeps its bytes as they came, so that a proxy can look at it and still forward it untouched.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_BOM = b"\xef\xbb\xbf"
# A blank line ends an event. The groups are atomic: else the halves of one CRLF would pass for two line ends.
_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_TAIL = 3  # bytes of a CRLF CRLF that may already lie in the buffer, waiting for its last one

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""The largest event that is held while its end is awaited, so that a bad upstream cannot fill the memory."""

_MAX_LINES = 100_000
"""The most lines of an event: a short line takes many times its size in memory."""

_MANY_BYTES = 2 * _MAX_LINES
"""An event that is smaller is not looked at for its lines."""


class EventTooLargeError(ValueError):
    """A stream went on for `MAX_EVENT_BYTES` without ending an event, or one has too many lines."""


class Event(NamedTuple):
    """One event: its bytes as they came, blank line included, and what they say.

    `data` is None for a block that carries no data at all, such as a comment that keeps the connection alive.
    `name` is empty where the specification says `message`.
    """

    raw: bytes
    data: bytes | None
    name: bytes = b""


DONE = b"data: [DONE]\n\n"
"""The event that ends a stream in OpenAI's dialect."""


def event(data: bytes, name: bytes = b"") -> bytes:
    """Write one event around `data`, which holds no line end (compact JSON holds none)."""
    if name:
        return b"event: %b\ndata: %b\n\n" % (name, data)
    return b"data: %b\n\n" % data


class Parser:
    """An incremental reader of one stream: `feed` it bytes as they come, then say `end`."""

    __slots__ = ("_buffer", "_scanned", "_started")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._started = False

    @property
    def held(self) -> int:
        """Bytes of the event under way."""
        return len(self._buffer)

    def ends_with(self, data: bytes) -> bool:
        """Say whether `data` ends the event under way by a blank line of LF LF, the usual one."""
        return b"\n\n" in data or (data.startswith(b"\n") and self._buffer.endswith(b"\n"))

    def take_back(self) -> bytes:
        """Return the bytes of the event under way, as if they had never come."""
        taken = bytes(self._buffer)
        self._buffer.clear()
        self._scanned = 0
        return taken

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that are now whole.

        Raises:
            EventTooLargeError: an event is larger than `MAX_EVENT_BYTES`, or has too many lines.
        """
        # The usual case: whole events in one piece, and nothing to hold back.
        if self._started and not self._buffer and _is_whole(data):
            return [_event_of(block + b"\n\n") for block in data[:-2].split(b"\n\n")]
        self._buffer += data
        return self._drain() if self._started or self._start() else []

    def end(self) -> list[Event]:
        """Return the event that only the end of the stream made whole; `take_back` returns half an event."""
        return [_event_of(self.take_back())] if _BLANK_LINE.search(self._buffer) else []

    def _start(self) -> bool:
        """Drop the byte order mark, once enough bytes are there to tell."""
        if len(self._buffer) < len(_BOM) and _BOM.startswith(self._buffer):
            return False
        self._started = True
        if self._buffer.startswith(_BOM):
            del self._buffer[: len(_BOM)]
        return True

    def _drain(self) -> list[Event]:
        buffer = self._buffer
        events = []
        start = 0
        while blank := _BLANK_LINE.search(buffer, max(start, self._scanned)):
            # A CR at the very end may be the first half of a CRLF: the next byte, or the end, will tell.
            if blank.end() == len(buffer) and buffer.endswith(b"\r"):
                break
            events.append(_event_of(bytes(buffer[start : blank.end()])))
            start = blank.end()
        del buffer[:start]
        self._scanned = max(0, len(buffer) - _TAIL)
        if len(buffer) > MAX_EVENT_BYTES:
            raise EventTooLargeError(f"an event of more than {MAX_EVENT_BYTES} bytes")
        return events


def _is_whole(data: bytes) -> bool:
    """Whether these are whole events that end in LF LF, so that splitting on it is all there is to do."""
    return data.endswith(b"\n\n") and not data.endswith(b"\n\n\n") and b"\r" not in data


def _event_of(raw: bytes) -> Event:
    if len(raw) > _MANY_BYTES and raw.count(b"\n") + raw.count(b"\r") > _MAX_LINES:
        raise EventTooLargeError(f"an event of more than {_MAX_LINES} lines")
    lines = raw.splitlines()
    if len(lines) == 2 and lines[0].startswith(b"data:"):
        return Event(raw, lines[0][5:].removeprefix(b" "))
    data: list[bytes] = []
    name = b""
    for line in lines:
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    return Event(raw, b"\n".join(data) if data else None, name)


def looks_like_events(data: bytes) -> bool:
    """Whether bytes begin as a stream of events does: with a field of the specification, or a comment."""
    return data[:64].removeprefix(_BOM).lstrip().startswith((b"data:", b"event:", b"id:", b"retry:", b":"))
