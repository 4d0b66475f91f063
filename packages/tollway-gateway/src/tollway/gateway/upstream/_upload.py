"""A request whose body comes in pieces, and its answer, which may begin before the body has ended."""

from __future__ import annotations

import asyncio

from ._connection import Connection
from ._pool import Pool
from ._stream import HTTP1Stream
from .client import Upload

END_OF_CHUNKS = b"0\r\n\r\n"


class UploadStream(HTTP1Stream):
    """The answer to a request whose body is still being sent by `sending`; see `UpstreamStream`."""

    def __init__(self, pool: Pool, connection: Connection, sending: asyncio.Task[None]) -> None:
        self._sending: asyncio.Task[None] | None = sending
        super().__init__(pool, connection)

    def close(self) -> None:
        """See `UpstreamStream.close`: a connection on which a request was not sent whole has ended."""
        sending, self._sending = self._sending, None
        if sending is not None and self._connection is not None:
            stop(sending, self._connection)
        super().close()


async def send_pieces(connection: Connection, body: Upload) -> None:
    """Send the body behind its head, as fast as the upstream takes it."""
    connection.write_rest(b"")
    while data := await body.read():
        if connection.closed:
            return
        await connection.write(data if body.length is not None else b"%x\r\n%b\r\n" % (len(data), data))
    if body.length is None:
        await connection.write(END_OF_CHUNKS)


async def answered(answer: asyncio.Future[None], sending: asyncio.Task[None]) -> None:
    """Wait for the head of the answer; a body that cannot be read to its end is raised first."""
    try:
        await asyncio.wait({answer, sending}, return_when=asyncio.FIRST_COMPLETED)
        if sending.done():
            sending.result()
        await answer
    finally:
        del answer, sending  # they hold the error, whose traceback holds this frame


def stop(sending: asyncio.Task[None], connection: Connection) -> None:
    """Send no more; the connection is of no use then, unless all was sent."""
    if not sending.done():
        sending.cancel()
        connection.abort()
    elif not sending.cancelled() and sending.exception() is not None:
        connection.abort()
