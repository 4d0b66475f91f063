"""Content codings of answers (RFC 9110 section 8.4.1), for upstreams that compress although none was asked
for.

Decoded in steps, each bounded: a few compressed bytes can stand for a thousand times as many.
"""

from __future__ import annotations

import zlib
from typing import Any

from tollway.provider import ResponseError

_GZIP_MAGIC = b"\x1f\x8b"

_WINDOW_BYTES = 16 * 1024
"""Input that zlib is given at once: of what it does not use it makes a copy at every step."""

_FREE_MEMBERS = 64
_MEMBER_BYTES = 64
"""Members of a gzip file (RFC 1952 section 2.2): so many may be small, more hold so many bytes on average."""

_SHOWN_CHARS = 40


class UnknownCodingError(ResponseError):
    """The answer has a content coding that cannot be decoded."""

    code = "upstream_unknown_encoding"


class Decoder:
    """Decodes one body in `gzip` or `deflate`; the latter with zlib's header or, as some send it, without."""

    def __init__(self, coding: str) -> None:
        self._is_gzip = coding != "deflate"
        self._stream: Any = None
        self._members = 0
        self._decoded_bytes = 0
        self._input = b""
        self._at = 0
        self.pending = False
        """Whether `decode` stopped at its bound, and may return more without more of the body."""

    @property
    def at_end(self) -> bool:
        """Whether the body may end here, and not in the middle of what was compressed."""
        return self._stream is None and (self._members > 0 or not self._input)

    def decode(self, data: bytes, max_bytes: int) -> bytes:
        """Take more of the body, and return at most `max_bytes` of what it stands for.

        Raises:
            ResponseError: it is not in its coding.
        """
        if data:
            self._input, self._at = self._input[self._at :] + data, 0
        decoded: list[bytes] = []
        room = max_bytes
        try:
            while room > 0 and (piece := self._step(room)) is not None:
                decoded.append(piece)
                room -= len(piece)
        except zlib.error as error:
            raise ResponseError("the model's service sent a compressed answer that is damaged") from error
        self.pending = room == 0
        return b"".join(decoded)

    def _step(self, room: int) -> bytes | None:
        """Decode one window; None when there is nothing to decode."""
        window = self._input[self._at : self._at + _WINDOW_BYTES]
        stream = self._stream or self._begin(window)
        if stream is None:
            return None
        piece: bytes = stream.decompress(window, room)
        self._at += len(window) - len(stream.unused_data if stream.eof else stream.unconsumed_tail)
        self._decoded_bytes += len(piece)
        self._stream = None if stream.eof else stream
        return piece if piece or window else None

    def _begin(self, window: bytes) -> Any:
        """Begin a member; None while too little is there to tell what it is, and behind the last one."""
        if len(window) < len(_GZIP_MAGIC):
            return None
        if self._members and not (self._is_gzip and window.startswith(_GZIP_MAGIC)):
            self._at = len(self._input)  # what stands behind is padding
            return None
        self._members += 1
        if self._members > _FREE_MEMBERS + self._decoded_bytes // _MEMBER_BYTES:
            raise ResponseError("the model's service sent a compressed answer in too many parts")
        return zlib.decompressobj(zlib.MAX_WBITS + 16 if self._is_gzip else _deflate_bits(window))


def _deflate_bits(start: bytes) -> int:
    """Tell zlib's header (RFC 1950 section 2.2) from raw deflate, as zlib's `wbits`."""
    is_zlib = start[0] & 0x0F == zlib.DEFLATED and int.from_bytes(start[:2], "big") % 31 == 0
    return zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS


def decoder_of(content_encoding: bytes) -> Decoder | None:
    """Return what decodes a body by its `Content-Encoding`; None when it is as it is.

    Raises:
        UnknownCodingError: it is coded twice, or in a way that cannot be decoded.
    """
    words = [word.strip() for word in content_encoding.decode("latin-1").lower().split(",")]
    codings = [word for word in words if word not in ("", "identity")]
    if not codings:
        return None
    if codings[0] in ("gzip", "x-gzip", "deflate") and len(codings) == 1:
        return Decoder(codings[0])
    shown = ", ".join(codings)[:_SHOWN_CHARS]
    raise UnknownCodingError(
        f"the model's service answered in the content coding {shown!r}, although none was asked for; "
        "only gzip and deflate can be read"
    )
