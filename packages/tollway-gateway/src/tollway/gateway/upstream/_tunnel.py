"""Proxies, as the environment names them (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`), and TLS through them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from functools import lru_cache

from tollway.provider import UpstreamConnectionError

from ._connection import Connection
from ._request import Origin, basic_credentials, target_of


def proxy_of(origin: Origin, environ: Mapping[str, str]) -> Origin | None:
    """Return the proxy on the way to an origin, or None."""
    scheme = "https" if origin.tls else "http"
    names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    url = next((environ[name] for name in names if environ.get(name)), None)
    if url is None:
        return None
    no_proxy = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    return _parse_proxy(url, origin, no_proxy)


@lru_cache(maxsize=1024)
def _parse_proxy(url: str, origin: Origin, no_proxy: str) -> Origin | None:
    if any(_covers(entry.strip(), origin) for entry in no_proxy.split(",")):
        return None
    url = url if "://" in url else f"http://{url}"
    proxy = target_of(url).origin
    return Origin(proxy.tls, proxy.host, proxy.port, basic_credentials(url))


def _covers(entry: str, origin: Origin) -> bool:
    """Say whether an entry of `NO_PROXY` (a name, a domain, an address, with a port or without) means it."""
    name = entry.lstrip("*").lstrip(".").lower()
    if not name:
        return entry == "*"
    return any(host == name or host.endswith(f".{name}") for host in (origin.host, origin.authority))


async def open_tunnel(
    loop: asyncio.AbstractEventLoop, proxy: Origin, origin: Origin, tls: ssl.SSLContext
) -> Connection:
    """Ask a proxy to connect (RFC 9110 section 9.3.6), then speak TLS with the origin through it."""
    transport, outer = await loop.create_connection(lambda: Connection(loop), proxy.host, proxy.port)
    try:
        lines = [f"CONNECT {origin.authority} HTTP/1.1", f"host: {origin.authority}"]
        if proxy.authorization:
            lines.append(f"proxy-authorization: {proxy.authorization}")
        await outer.ask(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        if not 200 <= outer.status < 300:
            raise UpstreamConnectionError(f"the proxy refused the connection with status {outer.status}")
        inner = Connection(loop)
        secured = await loop.start_tls(transport, inner, tls, server_hostname=origin.host)
        assert secured is not None
        inner.connection_made(secured)
    except BaseException:
        outer.abort()
        raise
    return inner
