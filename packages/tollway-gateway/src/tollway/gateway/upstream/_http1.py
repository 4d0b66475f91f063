"""An HTTP/1.1 client: pooled connections, nothing followed, nothing decoded, everything cancellable."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from functools import cache
from time import perf_counter

from tollway.provider import UpstreamConnectionError, UpstreamRequest, UpstreamResponse

from ._connection import Connection
from ._pool import MAX_OPEN, Pool
from ._request import Origin, Way, target_of
from ._tunnel import proxy_of
from .client import Waited

_MAX_WAYS = 1024
"""Addresses whose ways are remembered; a provider that makes more of them makes us forget all at times."""


def _no_matter(_: float) -> None:
    """Take note of nothing."""


class HTTP1Client:
    """Connections by origin; see `UpstreamClient`. Proxies are read from `environ` once for each origin."""

    def __init__(
        self,
        environ: Mapping[str, str] = os.environ,
        tls: ssl.SSLContext | None = None,
        max_connections: int = MAX_OPEN,
    ) -> None:
        self._environ = environ
        self._tls = (lambda: tls) if tls is not None else cache(_default_tls)
        self._max_connections = max_connections
        self._pools: dict[Origin, Pool] = {}
        self._ways: dict[str, tuple[Way, Pool]] = {}

    async def send(
        self, request: UpstreamRequest, connect_s: float, fields: bytes = b"", waited: Waited = _no_matter
    ) -> UpstreamResponse:
        """See `UpstreamClient.send`."""
        way, pool = self._ways.get(request.url) or self._find(request.url)
        connection = await _asked(pool, way.bytes_of(request, fields), connect_s, waited, whole=True)
        response = UpstreamResponse(connection.status, connection.headers, connection.take())
        pool.give_back(connection)
        return response

    async def open(
        self, request: UpstreamRequest, connect_s: float, fields: bytes = b"", waited: Waited = _no_matter
    ) -> HTTP1Stream:
        """See `UpstreamClient.open`."""
        way, pool = self._ways.get(request.url) or self._find(request.url)
        connection = await _asked(pool, way.bytes_of(request, fields), connect_s, waited, whole=False)
        return HTTP1Stream(pool, connection)

    async def close(self) -> None:
        """See `UpstreamClient.close`."""
        for pool in self._pools.values():
            pool.close()

    def _find(self, url: str) -> tuple[Way, Pool]:
        target = target_of(url)
        origin = target.origin
        proxy = proxy_of(origin, self._environ)
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = Pool(origin, proxy, self._tls, self._max_connections)
        if len(self._ways) >= _MAX_WAYS:
            self._ways.clear()
        self._ways[url] = found = Way(target, proxy), pool
        return found


async def _asked(pool: Pool, data: bytes, connect_s: float, waited: Waited, *, whole: bool) -> Connection:
    """Send a request and wait for the answer's head, or for all of it; return the connection that has it.

    A kept connection may be closed by the upstream at the moment it is used. Then, and only when not a byte
    was answered, the request goes out once more on a new connection (RFC 9112 section 9.3.1).
    """
    connection = pool.kept()
    if connection is not None:
        try:
            await connection.ask(data, whole=whole)
        except BaseException as error:
            pool.drop(connection)
            if connection.answering or not isinstance(error, UpstreamConnectionError):
                raise
        else:
            return connection
        finally:
            waited(connection.waited_s)
    began_s = perf_counter()
    try:
        connection = await pool.connect(connect_s)
    finally:
        waited(perf_counter() - began_s)
    try:
        await connection.ask(data, whole=whole)
    except BaseException:
        pool.drop(connection)
        raise
    finally:
        waited(connection.waited_s)
    return connection


class HTTP1Stream:
    """See `UpstreamStream`."""

    def __init__(self, pool: Pool, connection: Connection) -> None:
        self._pool = pool
        self._connection: Connection | None = connection
        self.status = connection.status
        self.headers: Mapping[str, str] = connection.headers
        self.waited_s = 0.0
        self._waited_before_s = connection.waited_s

    async def read(self) -> bytes:
        """See `UpstreamStream.read`."""
        connection = self._connection
        if connection is None:
            return b""
        try:
            return await connection.read()
        finally:
            self.waited_s = connection.waited_s - self._waited_before_s

    def close(self) -> None:
        """See `UpstreamStream.close`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.give_back(connection)


def _default_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
