"""The body of an answer, read as it comes, or whole, in the coding that its head names."""

from __future__ import annotations

from collections.abc import Mapping

from tollway.provider import ResponseError, UpstreamConnectionError

from ._connection import Connection
from ._decoding import Decoder, UnknownCodingError, decoder_of
from ._fields import Fields
from ._limits import MAX_ERROR_BYTES, too_large
from ._pool import Pool

_MAX_PIECE_BYTES = 64 * 1024
"""What a piece of a compressed stream is decoded to at most, before the next is."""


class HTTP1Stream:
    """See `UpstreamStream`.

    Raises:
        UnknownCodingError: the body is in a coding that cannot be decoded. An error is then without a body.
    """

    def __init__(self, pool: Pool, connection: Connection) -> None:
        self._pool = pool
        self._connection: Connection | None = connection
        self.status = connection.status
        self.headers: Mapping[str, str] = Fields(connection.raw_headers)
        self.waited_s = 0.0
        self._waited_before_s = connection.waited_s
        self._decoder: Decoder | None = None
        if connection.content_encoding:
            self._decode(connection.content_encoding)

    async def read(self) -> bytes:
        """See `UpstreamStream.read`."""
        connection = self._connection
        if connection is None:
            return b""
        try:
            if self._decoder is None:
                return await connection.read()
            return await _read_decoded(connection, self._decoder)
        finally:
            self.waited_s = connection.waited_s - self._waited_before_s

    def close(self) -> None:
        """See `UpstreamStream.close`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.give_back(connection)

    def _decode(self, content_encoding: bytes) -> None:
        try:
            self._decoder = decoder_of(content_encoding)
        except UnknownCodingError:
            self.close()
            if self.status < 300:
                raise


async def _read_decoded(connection: Connection, decoder: Decoder) -> bytes:
    while True:
        data = b"" if decoder.pending else await connection.read()
        if not data and not decoder.pending:
            if decoder.at_end:
                return b""
            raise UpstreamConnectionError("the model's service ended its compressed answer too early")
        if piece := decoder.decode(data, _MAX_PIECE_BYTES):
            return piece


def decoded(body: bytes, content_encoding: bytes, status: int, max_bytes: int) -> bytes:
    """Decode a whole body; of an error only its beginning, or what can be read of that.

    Raises:
        ResponseError: it cannot be decoded, or has more than `max_bytes` decoded.
    """
    if status >= 300:
        return _beginning(body, content_encoding, min(max_bytes, MAX_ERROR_BYTES))
    decoder = decoder_of(content_encoding)
    if decoder is None:
        return body
    whole = decoder.decode(body, max_bytes + 1)
    if len(whole) > max_bytes:
        raise too_large(max_bytes)
    if not decoder.at_end:
        raise ResponseError("the model's service ended its compressed answer too early")
    return whole


def _beginning(body: bytes, content_encoding: bytes, max_bytes: int) -> bytes:
    """Decode as much of an error's body as can be: its status says more than that it cannot."""
    try:
        decoder = decoder_of(content_encoding)
        return body if decoder is None else decoder.decode(body, max_bytes)
    except ResponseError:
        return b""
