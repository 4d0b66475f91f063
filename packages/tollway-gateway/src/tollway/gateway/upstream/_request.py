"""What goes on the wire for an `UpstreamRequest`."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from tollway.provider import ProviderError, UpstreamRequest

_USER_AGENT = "tollway-gateway/0.1"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a connection leads: scheme, host and port (RFC 6454); for a proxy, also how to be let in."""

    tls: bool
    host: str
    port: int
    authorization: str | None = None

    @property
    def authority(self) -> str:
        """`host:port`, an IPv6 address in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, taken apart once."""

    origin: Origin
    host: str
    path: str


class UnsendableError(ProviderError):
    """A provider made a request that HTTP cannot carry: a line break in a header, a URL without a host."""

    status = 500
    code = "provider_error"


@lru_cache(maxsize=1024)
def target_of(url: str) -> Target:
    """Take an absolute URL apart; user and password in it become no part of the target."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UnsendableError("the provider's address is not a URL") from None
    tls = parts.scheme == "https"
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isascii() or " " in url:
        raise UnsendableError("the provider's address is not an http or https URL")
    default = 443 if tls else 80
    origin = Origin(tls, parts.hostname, port or default)
    host = origin.authority if origin.port != default else origin.authority.rpartition(":")[0]
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(origin, host, path)


def request_bytes(request: UpstreamRequest, target: Target, proxy: Origin | None = None) -> bytes:
    """Write a request; through a plain proxy the target is the whole URL (RFC 9112 section 3.2.2)."""
    path = target.path
    lines = [f"host: {target.host}", f"content-length: {len(request.body)}"]
    if proxy is not None and not target.origin.tls:
        path = f"http://{target.host}{path}"
        if proxy.authorization:
            lines.append(f"proxy-authorization: {proxy.authorization}")
    lines += [f"{name}: {value}" for name, value in request.headers]
    if not any(name.lower() == "user-agent" for name, _ in request.headers):
        lines.append(f"user-agent: {_USER_AGENT}")
    head = f"{request.method} {path} HTTP/1.1\r\n" + "\r\n".join(lines)
    if head.count("\n") != len(lines) or head.count("\r") != len(lines) or "\0" in head:
        raise UnsendableError("the provider made a header with a line break in it")
    try:
        return head.encode("latin-1") + b"\r\n\r\n" + request.body
    except UnicodeEncodeError:
        raise UnsendableError("the provider made a header that is not Latin-1") from None


def basic_credentials(url: str) -> str | None:
    """Return the `Basic` credentials in a proxy's URL, or None."""
    parts = urlsplit(url)
    if parts.username is None:
        return None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + b64encode(pair.encode()).decode()
