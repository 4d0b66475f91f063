"""Which headers go along with what passes raw: neither those of a connection nor anybody's credentials."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

Headers = tuple[tuple[str, str], ...]

_OF_CONNECTIONS = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
        *("te", "trailer", "transfer-encoding", "upgrade", "http2-settings"),
    }
)
"""RFC 9110, section 7.6.1; a `Connection` header names further ones."""

_OF_CALLERS = frozenset(
    {
        *("authorization", "x-api-key", "api-key", "x-goog-api-key", "ocp-apim-subscription-key", "cookie"),
        *("host", "content-length", "content-encoding", "accept-encoding", "expect"),
        *("traceparent", "tracestate", "baggage", "forwarded", "via", "x-real-ip", "origin", "referer"),
    }
)
"""Credentials, what is about the one message alone, and what tells of the caller's network and traces."""

_OF_SERVICES = frozenset(
    {
        *("set-cookie", "www-authenticate", "content-encoding", "content-length", "date", "server"),
        *("x-request-id", "server-timing", "alt-svc", "strict-transport-security", "via"),
    }
)
"""What is between the gateway and the service, and what the gateway says itself."""

_STARTS_OF_CALLERS = ("x-forwarded-", "x-tollway-", "sec-fetch-", "sec-ch-")
_STARTS_OF_SERVICES = ("x-tollway-", "access-control-")


def request_headers(headers: Iterable[tuple[bytes, bytes]], *, keeps_coding: bool) -> Headers:
    """Return what a service gets of the headers of a caller; `keeps_coding` where the body is as it came."""
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    kept = {"content-encoding"} if keeps_coding else set()
    named = _named(value for name, value in pairs if name == "connection")
    left_out = (_OF_CONNECTIONS | _OF_CALLERS | named) - kept
    return tuple(
        pair for pair in pairs if pair[0] not in left_out and not pair[0].startswith(_STARTS_OF_CALLERS)
    )


def answer_lines(headers: Mapping[str, str]) -> bytes:
    r"""Return what a caller gets of the headers of an answer, as lines, each ended by `\r\n`.

    The length is among them where the body's bytes are the service's own.
    """
    left_out = _OF_CONNECTIONS | _OF_SERVICES | _named((headers.get("connection", ""),))
    lines = [
        line
        for name, value in headers.items()
        if name not in left_out and not name.startswith(_STARTS_OF_SERVICES)
        for line in _line(name, value)
    ]
    length = headers.get("content-length", "")
    if length.isdecimal() and headers.get("content-encoding", "identity").lower() == "identity":
        lines += _line("content-length", length)
    return b"".join(lines)


def _named(values: Iterable[str]) -> set[str]:
    """Return the headers that `Connection` names: they are the connection's too."""
    return {name.strip().lower() for value in values for name in value.split(",")}


def _line(name: str, value: str) -> Iterator[bytes]:
    if not any(sign in value for sign in "\r\n\0"):
        yield f"{name}: {value}\r\n".encode("latin-1")
