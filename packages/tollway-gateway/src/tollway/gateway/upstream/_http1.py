"""An HTTP/1.1 client: pooled connections, nothing followed, nothing decoded, everything cancellable."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Mapping
from functools import cached_property

from tollway.provider import (
    UpstreamConnectionError,
    UpstreamRequest,
    UpstreamResponse,
    UpstreamTimeoutError,
)

from ._connection import Connection
from ._request import Origin, request_bytes, target_of
from ._tunnel import open_tunnel, proxy_of

_IDLE_S = 30.0
"""How long an unused connection is kept: below the idle time-outs of the usual servers and balancers."""

_MAX_IDLE = 256
"""Unused connections kept for each origin."""


class HTTP1Client:
    """Connections by origin, last used first; see `UpstreamClient`."""

    def __init__(self, environ: Mapping[str, str] = os.environ, tls: ssl.SSLContext | None = None) -> None:
        self._environ = environ
        self._given_tls = tls
        self._idle: dict[Origin, list[Connection]] = {}
        self._closed = False

    async def send(self, request: UpstreamRequest, connect_s: float) -> UpstreamResponse:
        """See `UpstreamClient.send`."""
        stream = await self.open(request, connect_s)
        try:
            body = await stream.read_all()
        finally:
            stream.close()
        return UpstreamResponse(stream.status, stream.headers, body)

    async def open(self, request: UpstreamRequest, connect_s: float) -> HTTP1Stream:
        """See `UpstreamClient.open`.

        A kept connection may be closed by the upstream at the moment it is used. Then, and only when not a
        byte was answered, the request goes out once more on a new connection (RFC 9112 section 9.3.1).
        """
        target = target_of(request.url)
        data = request_bytes(request, target, self._proxy(target.origin))
        connection = self._kept(target.origin)
        if connection is not None:
            try:
                return await self._exchange(connection, target.origin, data)
            except UpstreamConnectionError:
                if connection.answering:
                    raise
        connection = await self._connect(target.origin, connect_s)
        return await self._exchange(connection, target.origin, data)

    async def close(self) -> None:
        """See `UpstreamClient.close`."""
        self._closed = True
        for connections in self._idle.values():
            for connection in connections:
                connection.abort()
        self._idle.clear()

    def give_back(self, origin: Origin, connection: Connection) -> None:
        """Keep a connection whose answer was read to its end; hang up on any other."""
        idle = self._idle.setdefault(origin, [])
        if self._closed or not connection.reusable or len(idle) >= _MAX_IDLE:
            connection.abort()
            return
        connection.idle_since_s = asyncio.get_running_loop().time()
        idle.append(connection)

    async def _exchange(self, connection: Connection, origin: Origin, data: bytes) -> HTTP1Stream:
        try:
            connection.write(data)
            await connection.wait_for_head()
        except BaseException:
            connection.abort()
            raise
        return HTTP1Stream(self, origin, connection)

    def _kept(self, origin: Origin) -> Connection | None:
        idle = self._idle.get(origin)
        oldest_s = asyncio.get_running_loop().time() - _IDLE_S
        while idle:
            connection = idle.pop()
            if not connection.closed and connection.idle_since_s > oldest_s:
                return connection
            connection.abort()
        return None

    async def _connect(self, origin: Origin, connect_s: float) -> Connection:
        try:
            async with asyncio.timeout(connect_s):
                return await self._dial(origin)
        except TimeoutError as error:
            raise UpstreamTimeoutError("the model's service could not be reached in time") from error
        except (OSError, ssl.CertificateError) as error:
            raise UpstreamConnectionError(
                f"the model's service could not be reached: {_reason(error)}"
            ) from error

    async def _dial(self, origin: Origin) -> Connection:
        loop = asyncio.get_running_loop()
        proxy = self._proxy(origin)
        if proxy is not None and origin.tls:
            return await open_tunnel(loop, proxy, origin, self._tls)
        host, port = (origin.host, origin.port) if proxy is None else (proxy.host, proxy.port)
        transport, connection = await loop.create_connection(
            lambda: Connection(loop), host, port, ssl=self._tls if origin.tls else None
        )
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return connection

    def _proxy(self, origin: Origin) -> Origin | None:
        return proxy_of(origin, self._environ)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        if self._given_tls is not None:
            return self._given_tls
        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
        return context


class HTTP1Stream:
    """See `UpstreamStream`."""

    def __init__(self, client: HTTP1Client, origin: Origin, connection: Connection) -> None:
        self._client = client
        self._origin = origin
        self._connection: Connection | None = connection
        self.status = connection.status
        self.headers: Mapping[str, str] = connection.headers

    async def read(self) -> bytes:
        """See `UpstreamStream.read`."""
        return b"" if self._connection is None else await self._connection.read()

    async def read_all(self) -> bytes:
        """Wait for the rest of the body."""
        return b"" if self._connection is None else await self._connection.read_all()

    def close(self) -> None:
        """See `UpstreamStream.close`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._client.give_back(self._origin, connection)


def _reason(error: Exception) -> str:
    """Say why in the words of the system, which name no address."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return "TLS failed"
    if isinstance(error, socket.gaierror):
        return "its name does not resolve"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "no connection"
