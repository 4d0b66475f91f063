"""Where the body of a request ends: after so many bytes, or with its last chunk (RFC 9112, sections 6 and 7).

A body is fed what comes from the connection and returns what is the body's. Once it is `complete`, what came
behind it is in `rest`.

Small chunks cost much more time than their bytes: a body is read in turns of so many chunks (what is left
over then is in `rest` too), and one of nothing but tiny chunks is refused.
"""

from __future__ import annotations

import re

from tollway.gateway.errors import RequestRejected
from tollway.tracing.compiled import accept_proxies

from .head import MAX_FIELDS, MAX_HEAD_BYTES

_MAX_SIZE_LINE = 4096
"""Bytes of a chunk's size and extensions."""

_MAX_OVERHEAD = 16_384
"""Bytes of sizes and extensions, beyond what small chunks cost anyway; Go's net/http counts the same way."""

_USUAL_OVERHEAD = 16

_CHUNKS_A_TURN = 1024
"""About a millisecond's."""

_TINY_BYTES = 16
_MAX_TINY = 65_536
_TINY_A_TURN = 64
"""Chunks of less than `_TINY_BYTES` come from callers that write byte by byte: any number of them over time,
`_MAX_TINY` at once.
"""

_SIZE = re.compile(rb"0*([0-9A-Fa-f]{1,15})(?:[ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?")

_SIZES = {b"%x" % size: size for size in range(256)}
"""Sizes of small chunks, of which there may be many."""

_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*")

_SIZE_LINE, _AFTER_DATA, _TRAILERS = range(3)


class Body:
    """A body that is on its way."""

    def __init__(self) -> None:
        self.complete = False
        self.rest = b""
        """What `feed` did not take: what is behind the body, or what is to be fed again."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes, return those of the body. Raises RequestRejected (400, 431)."""
        raise NotImplementedError

    def left(self) -> int:
        """Return how many bytes are still to come; -1 where nobody knows."""
        raise NotImplementedError


class LengthBody(Body):
    """A body of a known length, of at least one byte."""

    def __init__(self, length: int) -> None:
        Body.__init__(self)
        self._left = length

    def feed(self, data: bytes) -> bytes:
        """See `Body.feed`."""
        size = len(data)
        if size < self._left:
            self._left -= size
            return data
        end = self._left
        self._left = 0
        self.complete = True
        if size == end:
            return data
        self.rest = data[end:]
        return data[:end]

    def left(self) -> int:
        """See `Body.left`."""
        return self._left


class ChunkedBody(Body):
    """A body in chunks. Their extensions and the trailers are checked and dropped."""

    def __init__(self) -> None:
        Body.__init__(self)
        self._left = 0  # bytes of the chunk
        self._expects = _SIZE_LINE
        self._line = bytearray()  # the line that has begun
        self._overhead = 0
        self._chunks_left = 0  # of this turn
        self._tiny = 0
        self._trailer_bytes = 0
        self._trailers = 0

    def feed(self, data: bytes) -> bytes:
        """See `Body.feed`."""
        pieces = []
        at = 0
        size = len(data)
        self._chunks_left = _CHUNKS_A_TURN
        self._tiny = max(0, self._tiny - _TINY_A_TURN)
        while at < size and not self.complete:
            if self._left:
                end = min(size, at + self._left)
                pieces.append(data[at:end])
                self._left -= end - at
                at = end
            elif self._chunks_left == 0 and self._expects == _SIZE_LINE:
                break
            else:
                at = self._read_line(data, at)
        self.rest = data[at:]
        return b"".join(pieces)

    def left(self) -> int:
        """See `Body.left`."""
        return -1

    def _read_line(self, data: bytes, at: int) -> int:
        """Read a line, or what there is of it; return where it ends."""
        end = data.find(b"\n", at)
        if end < 0:
            self._line += data[at:]
            self._check_length(len(self._line))
            return len(data)
        line = data[at:end]
        if self._line:
            line = bytes(self._line) + line
            self._line.clear()
        self._check_length(len(line))
        if not line.endswith(b"\r"):
            raise _bad_chunk("each line must end with CR and LF")
        self._take_line(line[:-1])
        return end + 1

    def _check_length(self, length: int) -> None:
        if self._expects == _AFTER_DATA and length > 1:
            raise _bad_chunk("a chunk is longer than its size")
        if self._expects == _SIZE_LINE and length > _MAX_SIZE_LINE:
            raise _bad_chunk(f"a chunk's size and extensions are longer than {_MAX_SIZE_LINE} bytes")
        if self._expects == _TRAILERS and self._trailer_bytes + length > MAX_HEAD_BYTES:
            raise _large_trailers(f"the trailers are longer than {MAX_HEAD_BYTES} bytes")

    def _take_line(self, line: bytes) -> None:
        if self._expects == _SIZE_LINE:
            self._take_size(line)
        elif self._expects == _AFTER_DATA:
            if line:
                raise _bad_chunk("a chunk is longer than its size")
            self._expects = _SIZE_LINE
        elif line:
            self._take_trailer(line)
        else:
            self.complete = True

    def _take_size(self, line: bytes) -> None:
        size = _SIZES.get(line)
        if size is None:
            found = _SIZE.fullmatch(line)
            if found is None:
                raise _bad_chunk("a chunk must begin with its size in hexadecimal digits")
            size = int(found[1], 16)
        self._left = size
        self._expects = _AFTER_DATA if self._left else _TRAILERS
        self._chunks_left -= 1
        if self._left < _TINY_BYTES:
            self._tiny += 1
            if self._tiny > _MAX_TINY:
                raise _bad_chunk("too many chunks are of a few bytes only")
        self._overhead = max(0, self._overhead + len(line) - _USUAL_OVERHEAD - 2 * self._left)
        if self._overhead > _MAX_OVERHEAD:
            raise _bad_chunk("the chunk extensions are too long")

    def _take_trailer(self, line: bytes) -> None:
        self._trailer_bytes += len(line) + 2
        self._trailers += 1
        if self._trailers > MAX_FIELDS:
            raise _large_trailers(f"there are more than {MAX_FIELDS} trailers")
        if not _TRAILER.fullmatch(line):
            raise _bad_chunk("a trailer must be a name, a colon and a value")


def _bad_chunk(message: str) -> RequestRejected:
    return RequestRejected(400, "invalid_chunk", f"the body is not chunked as HTTP asks: {message}")


def _large_trailers(message: str) -> RequestRejected:
    return RequestRejected(431, "trailers_too_large", message)


accept_proxies(Body, LengthBody, ChunkedBody)
