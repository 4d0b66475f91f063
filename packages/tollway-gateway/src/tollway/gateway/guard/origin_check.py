"""Web pages may not call the gateway: a page open in a browser on this machine would spend its owner's keys.

Without keys of callers, whoever reaches the gateway may use it; and every page in a browser reaches
127.0.0.1. A browser says where a request comes from by `Sec-Fetch-Site` (https://www.w3.org/TR/fetch-metadata/),
older ones by `Origin` (RFC 6454). A page can also have its own name resolve to 127.0.0.1, so that the browser
takes the gateway for its origin (DNS rebinding): then the name is in `Host`.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Collection, Iterable
from typing import NamedTuple

_OWN_SITES = frozenset({b"same-origin", b"none"})
"""Requests of the gateway's own pages, and of the user: an address typed, a bookmark."""

_LOOKED_AT = frozenset({b"host", b"origin", b"sec-fetch-site"})

_READING = frozenset({"GET", "HEAD"})

_HOST = re.compile(rb"(?P<name>\[[0-9A-Fa-f:.]+\]|[^\s:@/\[\]]*)(?::(?P<port>[0-9]*))?")

_ORIGIN = re.compile(rb"(?P<scheme>https?)://(?P<host>[^\s/]+)", re.IGNORECASE)

_PORTS = {b"http": b"80", b"https": b"443"}

_MAX_KNOWN = 256
_MAX_KNOWN_BYTES = 256

_SHOWN = 100

FOREIGN_HOST = "host_not_allowed"
"""The code of an objection to the name that the gateway is called by."""

Headers = Iterable[tuple[bytes, bytes]]


class Objection(NamedTuple):
    """Why a request is refused: a stable code, and a sentence that says how to allow it."""

    code: str
    message: str


class Permission(NamedTuple):
    r"""A page of another origin may call: the header lines that tell its browser so, each ended by `\r\n`."""

    header_lines: bytes
    is_preflight: bool
    """Whether the browser only asks whether it may send a request: https://fetch.spec.whatwg.org/#cors-preflight-fetch."""

    objection: Objection | None
    """What speaks against it on paths that no page of another origin may call."""


class OriginCheck:
    """Knows which requests come from foreign pages.

    `Host` is checked where only this machine reaches the gateway (`is_local`), and where `allowed_hosts` says
    by which other names it goes; elsewhere nobody knows its names.
    """

    def __init__(self, allowed_hosts: Collection[str] = (), *, is_local: bool) -> None:
        self._allowed = {host for host in allowed_hosts if not host.startswith("*.")}
        self._allowed_ends = tuple(host[1:] for host in allowed_hosts if host.startswith("*."))
        self._checks_hosts = is_local or bool(allowed_hosts)
        self._known_hosts: set[bytes] = set()
        """Values of `Host` that were found good: callers send the same few again and again."""

    def verdict(self, method: str, headers: Headers) -> Objection | Permission | None:
        """Return what speaks against a request, or None; permissions are those of `cors.CrossOriginCheck`."""
        from_page = False
        host = b""
        for name, value in headers:
            if name in _LOOKED_AT:
                if name == b"host":
                    host = value
                else:
                    from_page = True
        if host not in self._known_hosts and not self._knows(host):
            return _foreign_host(host)
        return _page_objection(method, headers, host) if from_page else None

    def _knows(self, host: bytes) -> bool:
        if self._checks_hosts:
            match = _HOST.fullmatch(host)
            if match is None or not self._is_allowed(match["name"].decode("latin-1").lower()):
                return False
        if len(self._known_hosts) < _MAX_KNOWN and len(host) <= _MAX_KNOWN_BYTES:
            self._known_hosts.add(host)
        return True

    def _is_allowed(self, name: str) -> bool:
        if name in self._allowed or "*" in self._allowed:
            return True
        return name.endswith(self._allowed_ends) or is_this_machine(name)


def is_this_machine(name: str) -> bool:
    """Say whether a host name can only stand for this machine, or for nothing in the DNS.

    That are loopback addresses, `localhost` and what is below it (RFC 6761, section 6.3), and names without a
    dot, such as those of containers: nobody can register one.
    """
    address = _address_of(name)
    if address is not None:
        return address.is_loopback
    return "." not in name or f".{name.removesuffix('.')}".endswith(".localhost")


def _address_of(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an address, also in the short forms that curl and other clients send as they are: `127.1`."""
    try:
        if name.startswith("["):
            address = ipaddress.IPv6Address(name.strip("[]"))
            return address.ipv4_mapped or address
        return ipaddress.IPv4Address(socket.inet_aton(name))
    except (ValueError, OSError):
        return None


def _page_objection(method: str, headers: Headers, host: bytes) -> Objection | None:
    """Return what speaks against a browser's request; the browser's own word counts before the origin."""
    sites = _values(headers, b"sec-fetch-site")
    if sites:
        if all(site.lower() in _OWN_SITES for site in sites) or _opens_a_page(method, headers):
            return None
        return _foreign_page(sites[0])
    origins = _values(headers, b"origin")
    return None if all(_is_same(origin, host) for origin in origins) else _foreign_page(origins[0])


def _opens_a_page(method: str, headers: Headers) -> bool:
    """Say whether a user follows a link to here: the page with the link sees nothing of the answer."""
    modes, targets = _values(headers, b"sec-fetch-mode"), _values(headers, b"sec-fetch-dest")
    return method in _READING and modes == [b"navigate"] and targets == [b"document"]


def _is_same(origin: bytes, host: bytes) -> bool:
    match = _ORIGIN.fullmatch(origin)
    if match is None:  # `null` is that of a page without an address
        return False
    default = _PORTS[match["scheme"].lower()]
    return _authority(match["host"], default) == _authority(host, default)


def _authority(host: bytes, default_port: bytes) -> tuple[bytes, bytes] | None:
    match = _HOST.fullmatch(host)
    return None if match is None else (match["name"].lower(), match["port"] or default_port)


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value for key, value in headers if key == name]


def _foreign_host(host: bytes) -> Objection:
    name = host[:_SHOWN].decode("latin-1")
    return Objection(
        FOREIGN_HOST,
        f"the gateway does not go by the name {name!r}: if callers reach it by that name, add it to "
        "server.allowed_hosts",
    )


def _foreign_page(origin: bytes) -> Objection:
    where = origin[:_SHOWN].decode("latin-1")
    return Objection(
        "cross_site_request", f"web pages of other sites ({where}) may not call the gateway from a browser"
    )
