"""Request targets and hosts: what RFC 9112 section 3.2 and RFC 3986 allow, and the path and query in them."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import unquote_to_bytes

from tollway.gateway.errors import RequestRejected

Parts = tuple[str, bytes, bytes]
"""The decoded path, the raw path and the query of a target."""

_ABSOLUTE = re.compile(rb"(?:http|https)://([^/?#]*+)([^#]*+)", re.IGNORECASE)
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_HOST = re.compile(rb"(?:\[([^\]]*)\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::([0-9]{0,5}))?")
_FUTURE_ADDRESS = re.compile(rb"[vV][0-9A-Fa-f]+\.[A-Za-z0-9._~!$&'()*+,;=:-]+")
_MAX_PORT = 65_535


def parts_of(method: str, target: bytes) -> Parts:
    """Return the parts of a target in origin-form, or of `OPTIONS *`. Raises RequestRejected (400)."""
    if target == b"*" and method == "OPTIONS":
        return "*", b"*", b""
    if not target.startswith(b"/") or b"#" in target:
        raise RequestRejected(
            400, "invalid_target", "the request target must be a path, as in 'GET /health HTTP/1.1'"
        )
    raw_path, _, query = target.partition(b"?")
    return _decoded(raw_path), raw_path, query


def split_absolute(method: str, target: bytes) -> tuple[bytes, bytes]:
    """Return authority and origin-form of a target in absolute-form (RFC 9112 section 3.2.2).

    Raises RequestRejected (400).
    """
    found = _ABSOLUTE.fullmatch(target)
    if found is None or not found[1]:
        raise RequestRejected(
            400, "invalid_target", "the request target must be a path or an http URL with a host"
        )
    authority, rest = found[1], found[2]
    check_host(authority)
    if rest.startswith(b"/"):
        return authority, rest
    return authority, b"*" if not rest and method == "OPTIONS" else b"/" + rest


def check_host(value: bytes) -> None:
    """Refuse what is not `uri-host [ ":" port ]` (RFC 9110 section 7.2). Raises RequestRejected (400)."""
    if not _is_host(value):
        raise RequestRejected(
            400, "invalid_host", "the Host header must be a host name or address, with or without a port"
        )


def _is_host(value: bytes) -> bool:
    found = _HOST.fullmatch(value)
    if found is None or int(found[2] or 0) > _MAX_PORT:
        return False
    return found[1] is None or _is_ip_literal(found[1])


def _is_ip_literal(value: bytes) -> bool:
    if _FUTURE_ADDRESS.fullmatch(value):
        return True
    try:
        IPv6Address(value.decode("ascii"))
    except (AddressValueError, UnicodeDecodeError):
        return False
    return b"%" not in value  # a zone means something only on the caller's machine


def _decoded(raw_path: bytes) -> str:
    if b"%" not in raw_path:
        return raw_path.decode("ascii")  # the parser has let nothing else through
    if _BAD_ESCAPE.search(raw_path):
        raise RequestRejected(
            400, "invalid_target", "'%' in the path must be followed by two hexadecimal digits"
        )
    try:
        return unquote_to_bytes(raw_path).decode()
    except UnicodeDecodeError:
        raise RequestRejected(
            400, "invalid_target", "the path is not UTF-8 once its '%' escapes are decoded"
        ) from None
