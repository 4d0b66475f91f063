"""Content codings of bodies (RFC 9110 section 8.4.1): gzip, deflate, zstd.

Decoded in steps, each bounded: a few compressed bytes can stand for a thousand times as many.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from typing import Any

CODINGS = ("gzip", "deflate", "zstd")
"""What can be decoded."""

_GZIP_MAGIC = b"\x1f\x8b"

_WINDOW_BYTES = 16 * 1024
"""Input that zlib is given at once: of what it does not use it makes a copy at every step."""

_STEP_BYTES = 256 * 1024
"""What is decoded of a whole body before its reader looks at its bounds again."""

_FREE_MEMBERS = 64
_MEMBER_BYTES = 64
"""Members of a gzip file (RFC 1952 section 2.2), or frames of zstd's: so many may be small, more hold so many
bytes on average.
"""

_MAX_ZSTD_WINDOW_LOG = 23
"""8 MiB, which RFC 9659 allows for HTTP: a frame may ask for gigabytes before its first byte is decoded."""


class CodingError(ValueError):
    """A body is not in its coding; the message goes on after "the body"."""


class Decoder:
    """Decodes one body in `gzip`, `deflate` or `zstd`.

    What is called deflate has zlib's header or, as some send it, none.
    """

    def __init__(self, coding: str) -> None:
        self._coding = coding
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
        """Take more of the body, and return at most `max_bytes` of what it stands for. Raises CodingError."""
        if data:
            self._input, self._at = self._input[self._at :] + data, 0
        decoded: list[bytes] = []
        room = max_bytes
        try:
            while room > 0 and (piece := self._step(room)) is not None:
                decoded.append(piece)
                room -= len(piece)
        except zlib.error as error:
            raise CodingError("is damaged") from error
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
        is_zstd = self._coding == "zstd"
        if len(window) < (1 if is_zstd else len(_GZIP_MAGIC)):
            return None
        if self._members and not is_zstd and not (self._coding == "gzip" and window.startswith(_GZIP_MAGIC)):
            self._at = len(self._input)  # what stands behind is padding
            return None
        self._members += 1
        if self._members > _FREE_MEMBERS + self._decoded_bytes // _MEMBER_BYTES:
            raise CodingError("has too many parts")
        if is_zstd:
            return _ZstdFrame()
        return zlib.decompressobj(zlib.MAX_WBITS + 16 if self._coding == "gzip" else _deflate_bits(window))


def decoded(body: bytes, coding: str) -> Iterator[bytes]:
    """Decode a whole body in pieces of at most 256 KiB. Raises CodingError, also where it ends too early."""
    decoder = Decoder(coding)
    data = body
    while data or decoder.pending:
        yield decoder.decode(data, _STEP_BYTES)
        data = b""
    if not decoder.at_end:
        raise CodingError("ends too early")


def _deflate_bits(start: bytes) -> int:
    """Tell zlib's header (RFC 1950 section 2.2) from raw deflate, as zlib's `wbits`."""
    is_zlib = start[0] & 0x0F == zlib.DEFLATED and int.from_bytes(start[:2], "big") % 31 == 0
    return zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS


class _ZstdFrame:
    """One frame (RFC 8878 section 3.1), decoded by the interface of zlib's objects."""

    def __init__(self) -> None:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
        options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _MAX_ZSTD_WINDOW_LOG}
        self._frame = zstd.ZstdDecompressor(options=options)
        self._error = zstd.ZstdError
        self.unconsumed_tail = b""

    @property
    def eof(self) -> bool:
        return self._frame.eof

    @property
    def unused_data(self) -> bytes:
        return self._frame.unused_data if not self.unconsumed_tail else self.unconsumed_tail

    def decompress(self, window: bytes, room: int) -> bytes:
        """Decode at most `room` bytes; what was taken before comes first."""
        self.unconsumed_tail = b"" if self._frame.needs_input else window
        try:
            return self._frame.decompress(b"" if self.unconsumed_tail else window, room)
        except self._error as error:
            raise CodingError("is damaged, or needs a window of more than 8 MiB") from error


def coding_of(content_encoding: bytes) -> str | None:
    """Return the one coding that a `Content-Encoding` names; None when the body is as it is.

    Raises:
        CodingError: it is coded twice, or in a way that cannot be decoded.
    """
    words = [word.strip() for word in content_encoding.decode("latin-1").lower().split(",")]
    codings = [word.removeprefix("x-") for word in words if word not in ("", "identity")]
    if not codings:
        return None
    if len(codings) == 1 and codings[0] in CODINGS:
        return codings[0]
    raise CodingError(", ".join(codings))
