"""AWS's event stream framing, read from bytes split anywhere.

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html and
https://smithy.io/2.0/aws/amazon-eventstream.html
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from tollway.provider import sse

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_OVERHEAD = _PRELUDE.size + _CRC.size
_STRING = 7
_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Sizes of the values of headers by type; of types 6 and 7 two bytes tell the size."""


class EventError(ValueError):
    """Bytes that are no message of this framing."""


class Message(NamedTuple):
    """One message: `type` is event, exception or error; `name` says which; `text` is an error's message."""

    type: str
    name: str
    payload: bytes
    text: str = ""


class EventParser:
    """An incremental reader of one stream; `broken` says what is wrong with the bytes after the messages."""

    def __init__(self) -> None:
        self.broken: EventError | None = None
        self._buffer = bytearray()

    @property
    def is_empty(self) -> bool:
        """Whether no bytes are held."""
        return not self._buffer

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that are now whole; none after bytes that are no message, or were changed."""
        messages: list[Message] = []
        if self.broken is not None:
            return messages
        buffer, at = self._buffer, 0
        buffer += data
        try:
            while len(buffer) - at >= _PRELUDE.size:
                total = self._total(at)
                if len(buffer) - at < total:
                    break
                messages.append(_message(bytes(buffer[at : at + total])))
                at += total
        except EventError as error:
            self.broken = error
        del buffer[:at]
        return messages

    def _total(self, at: int) -> int:
        total, headers, crc = _PRELUDE.unpack_from(self._buffer, at)
        if zlib.crc32(self._buffer[at : at + 8]) != crc or headers > total - _OVERHEAD:
            raise EventError("the model's stream carried something that is not an event")
        if total > sse.MAX_EVENT_BYTES:
            raise EventError(f"the model's stream carried an event of more than {sse.MAX_EVENT_BYTES} bytes")
        return int(total)


def _message(raw: bytes) -> Message:
    if zlib.crc32(raw[:-4]) != _CRC.unpack(raw[-4:])[0]:
        raise EventError("the model's stream carried an event that was changed on its way")
    _, length, _ = _PRELUDE.unpack_from(raw)
    headers = _headers(raw[_PRELUDE.size : _PRELUDE.size + length])
    kind = headers.get(":message-type", "event")
    name = headers.get(":event-type") or headers.get(":exception-type") or headers.get(":error-code", "")
    return Message(kind, name, raw[_PRELUDE.size + length : -4], headers.get(":error-message", ""))


def _headers(raw: bytes) -> dict[str, str]:
    """Return the headers that are strings; all that matter are."""
    found: dict[str, str] = {}
    at = 0
    try:
        while at < len(raw):
            end = at + 1 + raw[at]
            name, kind = raw[at + 1 : end], raw[end]
            at = end + 1
            size = _FIXED.get(kind)
            if size is None:
                size = int.from_bytes(raw[at : at + 2], "big")
                at += 2
            if kind == _STRING:
                found[name.decode("utf-8", "replace")] = raw[at : at + size].decode("utf-8", "replace")
            at += size
    except IndexError:
        raise EventError("the model's stream carried an event whose headers are broken") from None
    return found
