"""An HTTP/1.1 client: pooled connections, nothing followed, every answer bounded, everything cancellable."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Mapping
from time import perf_counter

from tollway.provider import UpstreamConnectionError, UpstreamRequest, UpstreamResponse

from ._connection import Connection
from ._fields import Fields
from ._limits import MAX_ANSWER_BYTES
from ._pool import MAX_OPEN, Pool
from ._pools import Pools
from ._request import Origin, Way, target_of
from ._stream import HTTP1Stream, decoded
from ._upload import UploadStream, answered, send_pieces, stop
from .client import Upload, Waited

_MAX_WAYS = 1024
"""Addresses whose ways are remembered; a provider that makes more of them makes us forget all at times."""

_LARGE_BYTES = 64 * 1024
"""A larger body is written behind its head, and not put together with it."""


def _no_matter(_: float) -> None:
    """Take note of nothing."""


def _ignore() -> None:
    """Do nothing."""


class HTTP1Client:
    """Connections by origin; see `UpstreamClient`. Proxies are read from `environ` once for each origin.

    A whole answer has at most `max_answer_bytes`, decoded. `on_resend` is called when a request goes out a
    second time; `clock` is monotonic, in seconds. Given `pools`, it shares those with other clients.
    """

    def __init__(
        self,
        environ: Mapping[str, str] = os.environ,
        tls: ssl.SSLContext | None = None,
        max_connections: int = MAX_OPEN,
        *,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        on_resend: Callable[[], None] = _ignore,
        clock: Callable[[], float] = perf_counter,
        pools: Pools | None = None,
    ) -> None:
        self._shared = Pools(environ, tls, max_connections, clock) if pools is None else pools
        self.max_answer_bytes = max_answer_bytes
        self.on_resend = on_resend
        self._clock = self._shared.clock
        self._pools: dict[Origin, Pool] = {}
        self._ways: dict[str, tuple[Way, Pool]] = {}

    async def send(
        self, request: UpstreamRequest, connect_s: float, fields: bytes = b"", waited: Waited = _no_matter
    ) -> UpstreamResponse:
        """See `UpstreamClient.send`."""
        max_bytes = self.max_answer_bytes
        pool, connection = await self._ask(request, connect_s, fields, waited, max_bytes)
        status, headers, coding = connection.status, connection.raw_headers, connection.content_encoding
        body = connection.take()
        pool.give_back(connection)
        if coding:
            body = decoded(body, coding, status, max_bytes)
        return UpstreamResponse(status, Fields(headers), body)

    async def open(
        self, request: UpstreamRequest, connect_s: float, fields: bytes = b"", waited: Waited = _no_matter
    ) -> HTTP1Stream:
        """See `UpstreamClient.open`."""
        pool, connection = await self._ask(request, connect_s, fields, waited, 0)
        return HTTP1Stream(pool, connection)

    async def upload(
        self,
        request: UpstreamRequest,
        body: Upload,
        connect_s: float,
        fields: bytes = b"",
        waited: Waited = _no_matter,
    ) -> HTTP1Stream:
        """See `UpstreamClient.upload`. A kept connection may end when it is used, and no body comes twice."""
        way, pool = self._find(request.url)
        framing = (
            b"transfer-encoding: chunked" if body.length is None else b"content-length: %d" % body.length
        )
        head = b"%b%b%b\r\n\r\n" % (way.head_of(request), fields, framing)
        connection = await self._connected(pool, connect_s, waited)
        answer: asyncio.Future[None] | None = None
        sending: asyncio.Task[None] | None = None
        try:
            answer = connection.ask(head)
            sending = asyncio.create_task(send_pieces(connection, body))
            await answered(answer, sending)
        except BaseException:
            if sending is not None:
                stop(sending, connection)
            pool.drop(connection)
            answer = sending = None  # they hold the error, whose traceback holds this frame
            raise
        finally:
            waited(connection.waited_s)
        return UploadStream(pool, connection, sending)

    async def close(self) -> None:
        """See `UpstreamClient.close`: pools that other clients use stay open."""
        self._ways.clear()
        while self._pools:
            self._shared.give_back(self._pools.popitem()[0])

    def _find(self, url: str) -> tuple[Way, Pool]:
        target = target_of(url)
        origin = target.origin
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = self._shared.take(origin)
        if len(self._ways) >= _MAX_WAYS:
            self._ways.clear()
        self._ways[url] = found = Way(target, pool.proxy), pool
        return found

    async def _ask(
        self, request: UpstreamRequest, connect_s: float, fields: bytes, waited: Waited, max_bytes: int
    ) -> tuple[Pool, Connection]:
        """Send a request and wait for the answer, to its end with `max_bytes`; return the connection that
        has it, and its pool.

        A kept connection may be closed by the upstream at the moment it is used. Then the request goes out
        once more on another, if `may_resend` allows it.
        """
        way, pool = self._ways.get(request.url) or self._find(request.url)
        body = request.body
        is_large = len(body) > _LARGE_BYTES
        data = way.head_with_length(request, fields) if is_large else way.bytes_of(request, fields)
        connection = pool.kept()
        is_first = True
        while True:
            if connection is None:
                connection = await self._connected(pool, connect_s, waited)
            try:
                if is_large:
                    await connection.ask_in_two(data, body, max_bytes)
                else:
                    await connection.ask(data, max_bytes)
            except BaseException as error:
                pool.drop(connection)
                may_resend = is_first and isinstance(error, UpstreamConnectionError)
                if not (may_resend and connection.may_resend(request.method)):
                    raise
            else:
                return pool, connection
            finally:
                waited(connection.waited_s)
            connection, is_first = None, False
            self.on_resend()

    async def _connected(self, pool: Pool, connect_s: float, waited: Waited) -> Connection:
        began_s = self._clock()
        try:
            return await pool.connect(connect_s)
        finally:
            waited(self._clock() - began_s)
