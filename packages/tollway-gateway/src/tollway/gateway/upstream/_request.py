"""What goes on the wire for an `UpstreamRequest`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from tollway.provider import ProviderError, UpstreamRequest

_DEFAULTS = (
    ("user-agent", "tollway-gateway/0.1"),
    ("accept-encoding", "identity"),  # without the field any coding is welcome (RFC 9110 section 12.5.3)
)
"""Sent where the provider does not say otherwise."""

_UNSUPPORTED_METHODS = frozenset({"CONNECT", "HEAD"})
"""Methods whose answers end where those of others do not (RFC 9112 section 6.3)."""

_MAX_HEADS = 64
"""Heads remembered for one address; a provider that signs each request makes us forget all at times."""

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a connection leads: scheme, host and port (RFC 6454); for a proxy, also its credentials.

    An IPv6 address has no brackets, and keeps its zone, which is for this machine alone (RFC 4007 section
    11).
    """

    tls: bool
    host: str
    port: int
    authorization: str | None = None

    @property
    def authority(self) -> str:
        """`host:port`, an IPv6 address in brackets and without its zone."""
        host = f"[{self.host.partition('%')[0]}]" if ":" in self.host else self.host
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
    origin = Origin(tls, parts.hostname.replace("%25", "%"), port or default)  # RFC 6874
    host = origin.authority if origin.port != default else origin.authority.rpartition(":")[0]
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(origin, host, path)


class Way:
    """A target and the proxy on its way, with the heads of requests that were sent there.

    A provider says nearly the same with every request: the part of the head that stays is written and checked
    once, and found again by the headers themselves.
    """

    __slots__ = ("_heads", "_proxy", "_target")

    def __init__(self, target: Target, proxy: Origin | None = None) -> None:
        self._target = target
        self._proxy = proxy
        self._heads: dict[tuple[str, Headers], bytes] = {}

    def bytes_of(self, request: UpstreamRequest, fields: bytes = b"") -> bytes:
        """Write a request, with the lines of `fields` after its own headers. Raises UnsendableError."""
        _, headers, body, method = request
        key = (method, headers)
        head = self._heads.get(key)
        if head is None:
            if len(self._heads) >= _MAX_HEADS:
                self._heads.clear()
            head = self._heads[key] = self.head_of(request)
        return b"%b%bcontent-length: %d\r\n\r\n%b" % (head, fields, len(body), body)

    def head_with_length(self, request: UpstreamRequest, fields: bytes) -> bytes:
        """Write the head of a request, with the length of its body."""
        return b"%b%bcontent-length: %d\r\n\r\n" % (self.head_of(request), fields, len(request.body))

    def head_of(self, request: UpstreamRequest) -> bytes:
        """Write what stays; through a plain proxy the target is the whole URL (RFC 9112 section 3.2.2)."""
        target, proxy = self._target, self._proxy
        path = target.path
        headers: Headers = (("host", target.host),)
        if proxy is not None and not target.origin.tls:
            path = f"http://{target.host}{path}"
            if proxy.authorization:
                headers += (("proxy-authorization", proxy.authorization),)
        headers += request.headers
        named = {name.lower() for name, _ in request.headers}
        headers += tuple((name, value) for name, value in _DEFAULTS if name not in named)
        if request.method in _UNSUPPORTED_METHODS:
            raise UnsendableError(f"the provider made a {request.method} request, which is not supported")
        start = f"{request.method} {path} HTTP/1.1"
        if "\n" in start or "\r" in start:
            raise UnsendableError("the provider made a request line with a line break in it")
        return start.encode("latin-1") + b"\r\n" + _lines(headers)


def _lines(headers: Headers) -> bytes:
    text = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if text.count("\n") != len(headers) or text.count("\r") != len(headers) or "\0" in text:
        raise UnsendableError("the provider made a header with a line break in it")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise UnsendableError("the provider made a header that is not Latin-1") from None
