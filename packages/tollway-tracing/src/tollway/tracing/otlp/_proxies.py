"""Which proxy a request to a collector goes through: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY.

As curl reads them: https://everything.curl.dev/usingcurl/proxies/env.html
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """Return the proxy's URL; None where there is none for this URL."""
    try:
        parts = urlsplit(url)
    except ValueError:  # who connects says what is wrong with it
        return None
    found = _variable(environ, f"{parts.scheme}_proxy") or _variable(environ, "all_proxy")
    if not found or parts.hostname is None:
        return None
    default = 443 if parts.scheme == "https" else 80
    if any(
        _is_meant(part, parts.hostname, parts.port or default)
        for part in _variable(environ, "no_proxy").split(",")
    ):
        return None
    return found if "://" in found else f"http://{found}"


def _variable(environ: Mapping[str, str], name: str) -> str:
    return (environ.get(name) or environ.get(name.upper()) or "").strip()


def _is_meant(part: str, host: str, port: int) -> bool:
    """Return whether a part of NO_PROXY names a host: `*`, a name and all below it, an address, a network."""
    part = part.strip().lower()
    if not part:
        return False
    if part == "*":
        return True
    try:
        return ip_address(host) in ip_network(part.strip("[]"), strict=False)
    except ValueError:
        pass
    name, colon, wanted = part.rpartition(":")
    if colon and wanted.isdecimal():
        if int(wanted) != port:
            return False
        part = name
    part = part.removeprefix("*").removeprefix(".")
    return host == part or host.endswith(f".{part}")
