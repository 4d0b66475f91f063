"""`NO_PROXY`: the hosts that are reached without a proxy.

Entries are separated by commas or spaces. The rules are those of curl (https://curl.se/docs/manpage.html,
"NO_PROXY") and of Go's `httpproxy`, where they go further: ports, and addresses compared as addresses, not
as text.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_Address = IPv4Address | IPv6Address


def is_covered(host: str, port: int, no_proxy: str) -> bool:
    """Say whether `host` (a name in lower case, or an address without brackets) is reached directly.

    An entry is `*`, a domain (`example.com` and `.example.com` also mean what is below it), an address
    (IPv6 with or without brackets, with or without a zone) or a CIDR block; all but the last may end in a
    port.
    """
    address, zone = _address_of(host)
    for entry in no_proxy.replace(",", " ").lower().split():
        if entry == "*":
            return True
        pattern, wanted_port = _split(entry)
        if wanted_port and wanted_port.lstrip("0") != str(port):
            continue
        if address is None:
            if _is_below(host.rstrip("."), pattern):
                return True
        elif _holds(pattern, address, zone):
            return True
    return False


def _split(entry: str) -> tuple[str, str]:
    """Take an entry apart into host and port; without a port the second is empty."""
    if entry.startswith("["):
        inner, _, rest = entry[1:].partition("]")
        return (inner, rest[1:]) if rest.startswith(":") else (inner + rest, "")
    if entry.count(":") == 1:
        pattern, _, port = entry.partition(":")
        return pattern, port
    return entry, ""


def _is_below(host: str, pattern: str) -> bool:
    domain = pattern.removeprefix("*").strip(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _holds(pattern: str, address: _Address, zone: str) -> bool:
    """Say whether a pattern means an address; a pattern without a zone means it in every zone."""
    if "/" in pattern:
        try:
            return address in ip_network(pattern, strict=False)
        except ValueError:
            return False
    wanted, wanted_zone = _address_of(pattern)
    return wanted == address and wanted_zone in ("", zone)


def _address_of(host: str) -> tuple[_Address | None, str]:
    """Read an address and its zone (RFC 4007 section 11); None for a name. IPv4 inside IPv6 is IPv4."""
    text, _, zone = host.replace("%25", "%").partition("%")
    try:
        address = ip_address(text)
    except ValueError:
        return None, ""
    return getattr(address, "ipv4_mapped", None) or address, zone
