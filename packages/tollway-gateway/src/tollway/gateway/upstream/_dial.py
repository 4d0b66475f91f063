"""Opening connections: straight to an origin, to a proxy in between, or through one that connects."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable

from tollway.provider import ProviderError, UpstreamConnectionError

from ._connection import Connection
from ._request import Origin

TLS = Callable[[], ssl.SSLContext]
"""Makes or returns the context of TLS, to origins and to proxies; not called where no TLS is spoken."""


async def dial(origin: Origin, proxy: Origin | None, tls: TLS, clock: Callable[[], float]) -> Connection:
    """Open a connection on which requests for `origin` can be sent.

    Raises:
        UpstreamConnectionError: it could not be opened.
    """
    loop = asyncio.get_running_loop()

    def made() -> Connection:
        return Connection(loop, clock)

    if proxy is None:
        return await _connect(loop, made, origin, tls, "the model's service")
    outer = await _connect(loop, made, proxy, tls, "the proxy in front of the model's service")
    if not origin.tls:
        return outer
    try:
        await _ask_to_connect(outer, proxy, origin)
        return await _start_tls(loop, outer, made(), origin, tls())
    except BaseException:
        outer.abort()
        raise


async def _connect(
    loop: asyncio.AbstractEventLoop, made: Callable[[], Connection], to: Origin, tls: TLS, whom: str
) -> Connection:
    try:
        transport, connection = await loop.create_connection(
            made, to.host, to.port, ssl=tls() if to.tls else None
        )
    except TimeoutError:
        raise
    except (OSError, ssl.CertificateError) as error:
        raise _unreachable(whom, error) from error
    # asyncio and uvloop set TCP_NODELAY themselves.
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return connection


async def _ask_to_connect(outer: Connection, proxy: Origin, origin: Origin) -> None:
    """Make a tunnel of a connection to a proxy (RFC 9110 section 9.3.6)."""
    lines = [f"CONNECT {origin.authority} HTTP/1.1", f"host: {origin.authority}"]
    if proxy.authorization:
        lines.append(f"proxy-authorization: {proxy.authorization}")
    await outer.ask(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    if not 200 <= outer.status < 300:
        raise UpstreamConnectionError(f"the proxy refused the connection with status {outer.status}")
    if outer.closed or outer.read_nowait():
        raise UpstreamConnectionError("the proxy sent bytes of its own into the connection")


async def _start_tls(
    loop: asyncio.AbstractEventLoop,
    outer: Connection,
    inner: Connection,
    origin: Origin,
    tls: ssl.SSLContext,
) -> Connection:
    """Speak TLS with the origin; inside of the TLS with the proxy, if that is spoken."""
    assert outer.transport is not None
    try:
        secured = await loop.start_tls(outer.transport, inner, tls, server_hostname=origin.host)
    except (OSError, ssl.CertificateError) as error:
        raise _unreachable("the model's service", error) from error
    assert secured is not None
    inner.connection_made(secured)
    return inner


def _unreachable(whom: str, error: Exception) -> ProviderError:
    return UpstreamConnectionError(f"{whom} could not be reached: {_reason(error)}")


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
