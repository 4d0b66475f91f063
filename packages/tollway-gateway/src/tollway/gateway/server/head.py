"""The head of a request, from its bytes: whole or not at all.

httptools (llhttp in its strict mode) checks the grammar. What it lets through and RFC 9110 and 9112 do not is
checked here: the version, the target, `Host`, and everything that says where the request ends. Whoever reads
a head in a different way than the proxy in front of it can be made to take a body for a request.
"""

from __future__ import annotations

import re
from typing import Any

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

from tollway.gateway.errors import RequestRejected
from tollway.tracing.compiled import accept_proxies

from .target import check_host, parts_of, split_absolute

MAX_HEAD_BYTES = 65_536
"""From the first byte of the request line to the empty line."""

MAX_FIELDS = 100
"""Header lines of a request."""

_MAX_EMPTY_BYTES = 32
"""Of empty lines before a request, in what comes at once."""

_MAX_LENGTH_DIGITS = 18

_VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]")

_CODINGS = re.compile(rb"\r\ntransfer-encoding:([^\r\n]*)", re.IGNORECASE)

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

_WHITE_SPACE = b" \t"

_BLANKS = (b" ", b"\t")

MAX_KNOWN = 1024
_MAX_KNOWN_BYTES = 256

_lines: dict[bytes, tuple[str, bytes, str, str, bytes, bytes]] = {}
"""What request lines say: callers send the same few again and again."""

_hosts: dict[bytes, bool] = {}
"""Hosts that are good."""


class RequestHead:
    """What a head says. Empty until it is parsed; after a refusal it holds what was understood before."""

    def __init__(self) -> None:
        self.method = ""
        self.target = b""
        self.http_version = ""
        self.path = ""
        self.raw_path = b""
        self.query = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.content_length = -1
        """-1 without one."""
        self.chunked = False
        self.keep_alive = True
        self.expects_continue = False
        self._complete = False
        self._line = b""
        self._asks_to_close = False
        self._host_at = -1
        self._codings: list[bytes] = []

    def parse(self, data: bytes) -> None:
        """Read a head, up to the empty line. Raises RequestRejected (400, 431, 501, 505)."""
        self.read_request_line(data)
        try:
            HttpRequestParser(self).feed_data(data)
        except HttpParserUpgrade:  # an offer to change the protocol, which a server may ignore: RFC 9110, 7.8
            pass
        except HttpParserCallbackError as error:
            if isinstance(error.__context__, RequestRejected):
                raise error.__context__ from None
            raise
        except HttpParserError as error:
            raise _why(data, error) from None
        if not self._complete:
            raise malformed("the request's head ends too early")
        self._check_framing()
        self._check_target()

    def read_request_line(self, data: bytes) -> None:
        """Read the first line of these bytes. Raises RequestRejected (400, 505)."""
        self._line = line = data[: data.find(b"\r\n")]
        known = _lines.get(line)
        if known is not None:
            self.method, self.target, self.http_version, self.path, self.raw_path, self.query = known
        else:
            self._parse_request_line(line)
        self.keep_alive = self.http_version != "1.0"

    def _parse_request_line(self, line: bytes) -> None:
        parts = line.split(b" ")
        if len(parts) != 3:
            raise malformed(
                "the first line must be a method, a path and 'HTTP/1.1', with one space in between"
            )
        self.method = parts[0].decode("latin-1")
        self.target = parts[1]
        if parts[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
            if _VERSION.fullmatch(parts[2]):
                raise RequestRejected(505, "unsupported_http_version", "use HTTP/1.1 or HTTP/1.0")
            raise malformed("the first line must end with 'HTTP/1.1'")
        self.http_version = parts[2][5:].decode("ascii")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header line from the parser."""
        if len(self.headers) >= MAX_FIELDS:
            raise RequestRejected(
                431, "head_too_large", f"the request has more than {MAX_FIELDS} header lines"
            )
        name = name.lower()
        if value.endswith(_BLANKS):
            value = value.rstrip(_WHITE_SPACE)
        if name == b"content-length":
            self._read_length(value)
        elif name == b"host":
            self._read_host(value)
        elif name == b"connection":
            self._read_connection(value)
        elif name == b"transfer-encoding":
            self._codings.append(value)
        elif name == b"expect":
            self.expects_continue = self.expects_continue or b"100-continue" in _members(value)
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Hear from the parser that it has come to the empty line."""
        self._complete = True

    def _read_length(self, value: bytes) -> None:
        digits = value.lstrip(b"0") or b"0"
        if self.content_length >= 0 or not value.isdigit() or len(digits) > _MAX_LENGTH_DIGITS:
            raise _framing("Content-Length must be one number")
        self.content_length = int(digits)

    def _read_host(self, value: bytes) -> None:
        if self._host_at >= 0:
            raise RequestRejected(400, "invalid_host", "there must be one Host header, not more")
        if value not in _hosts:
            check_host(value)
            _remember(_hosts, value, True)
        self._host_at = len(self.headers)

    def _read_connection(self, value: bytes) -> None:
        options = _members(value)
        if b"close" in options:
            self._asks_to_close = True
        if self._asks_to_close:
            self.keep_alive = False
        elif b"keep-alive" in options:
            self.keep_alive = True

    def _check_framing(self) -> None:
        """Say how long the body is (RFC 9112, 6.3), and refuse where that can be read in two ways."""
        if self._codings:
            if self.content_length >= 0:
                raise _framing("a request has a Content-Length or a Transfer-Encoding, not both")
            if self.http_version == "1.0":
                raise _framing("an HTTP/1.0 request cannot have a Transfer-Encoding")
            check_codings(self._codings)
            self.chunked = True
        if self.http_version == "1.0" or not (self.chunked or self.content_length > 0):
            self.expects_continue = False

    def _check_target(self) -> None:
        if self._host_at < 0 and self.http_version != "1.0":
            raise RequestRejected(400, "invalid_host", "an HTTP/1.1 request needs a Host header")
        if not self.path:
            self._read_target()

    def _read_target(self) -> None:
        target = self.target
        if self.method == "CONNECT":
            raise RequestRejected(501, "unsupported_method", "CONNECT is not supported: this is not a proxy")
        is_absolute = not target.startswith((b"/", b"*"))
        if is_absolute:
            authority, target = split_absolute(self.method, target)
            if self._host_at >= 0:  # the target's host is the one that counts: RFC 9112, 3.2.2
                headers = self.headers
                headers[self._host_at] = (b"host", authority)
            else:
                self.headers.append((b"host", authority))
        self.path, self.raw_path, self.query = parts = parts_of(self.method, target)
        if not is_absolute:
            _remember(_lines, self._line, (self.method, target, self.http_version, *parts))


def _remember(known: dict[bytes, Any], key: bytes, value: Any) -> None:
    if len(key) <= _MAX_KNOWN_BYTES:
        if len(known) >= MAX_KNOWN:
            known.clear()
        known[key] = value


def check_codings(values: list[bytes]) -> None:
    """Refuse all transfer codings but `chunked` once. Raises RequestRejected (400, 501)."""
    codings = [coding for value in values for coding in _members(value)]
    if not codings or not all(_TOKEN.fullmatch(coding) for coding in codings):
        raise _framing("Transfer-Encoding must be 'chunked'")
    if b"chunked" in codings[:-1]:  # what comes then has no end that can be known: RFC 9112, 6.3
        raise _framing("Transfer-Encoding must end with 'chunked', and have it once")
    if codings != [b"chunked"]:
        raise RequestRejected(
            501, "unsupported_transfer_coding", "no Transfer-Encoding but 'chunked' is supported"
        )


def begin_of_head(data: bytes | bytearray) -> int:
    """Return where empty lines end, of which a server ignores a few (RFC 9112, section 2.2)."""
    at = 0
    while at < _MAX_EMPTY_BYTES and data.startswith(b"\r\n", at):
        at += 2
    return at


def malformed(message: str) -> RequestRejected:
    """Return the refusal of what is not HTTP."""
    return RequestRejected(400, "malformed_request", message)


def _framing(message: str) -> RequestRejected:
    return RequestRejected(400, "invalid_framing", message)


def _members(value: bytes) -> list[bytes]:
    """Return the members of a list (RFC 9110, 5.6.1) in lower case."""
    return [member.strip(_WHITE_SPACE) for member in value.lower().split(b",")]


def _why(data: bytes, error: HttpParserError) -> RequestRejected:
    """Return the refusal of a head that the parser does not take."""
    codings = _CODINGS.findall(data)
    try:
        if codings and not re.search(rb"\r\ncontent-length[ \t]*:", data, re.IGNORECASE):
            check_codings([value.strip(_WHITE_SPACE) for value in codings])
    except RequestRejected as refusal:
        return refusal
    return malformed(f"the request is not valid HTTP: {error}")


accept_proxies(RequestHead)
