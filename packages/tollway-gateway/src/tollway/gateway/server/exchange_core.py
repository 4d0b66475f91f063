"""One request and its answer: all but the waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from tollway.gateway.errors import Failure, RequestRejected
from tollway.gateway.pipeline.exchange import EXTENSION
from tollway.tracing.compiled import accept_proxies

from .connection import Connection
from .head import RequestHead

_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}

STATUS_LINE = {
    status: b"HTTP/1.1 %d %b\r\n" % (status, _PHRASES.get(status, b"")) for status in range(100, 600)
}

CLOSE = b"connection: close\r\n"

_KEEP_ALIVE = b"connection: keep-alive\r\n"

_NO_LENGTH = frozenset((204, *range(100, 200)))
"""Statuses whose answers have neither a body nor a content-length (RFC 9110, section 8.6)."""

_NO_BODY = _NO_LENGTH | {304}

_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"connection"})

_END_OF_CHUNKS = b"0\r\n\r\n"

_UNKNOWN = -1

_ASGI = {"version": "3.0", "spec_version": "2.3"}


class ExchangeCore:
    """What an exchange knows, and what it does without waiting."""

    def __init__(self, connection: Connection, head: RequestHead, received_s: float) -> None:
        self.connection = connection
        self.scope = self._scope_of(head)
        self.received_s = received_s
        self.keep_alive = head.keep_alive
        self.expects_continue = head.expects_continue
        self.is_http10 = head.http_version == "1.0"
        self.is_head = head.method == "HEAD"
        self.status: int | None = None
        self.body_bytes = 0
        self.trace_id: str | None = None
        self.caller: str | None = None
        self.task: asyncio.Task[None] | None = None
        self.body_complete = False
        self.untaken = 0
        """Bytes of the request's body that nobody has taken yet."""
        self.disconnected = False
        self.response_started = False
        self.response_complete = False
        self._pieces: list[bytes] = []
        self._body_error: Failure | None = None
        self._has_news = False
        self._waiter: asyncio.Future[None] | None = None
        self._head = b""
        self._has_body = True
        self._is_chunked = False
        self._length_left = _UNKNOWN
        self.on_hang_up: Callable[[], None] | None = None

    def _scope_of(self, head: RequestHead) -> dict[str, Any]:
        connection = self.connection
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": head.http_version,
            "server": connection.server,
            "client": connection.client,
            "scheme": connection.scheme,
            "method": head.method,
            "root_path": "",
            "path": head.path,
            "raw_path": head.raw_path,
            "query_string": head.query,
            "headers": head.headers,
            "extensions": {EXTENSION: self},
        }

    # The request's body

    def arrived_with_head(self, body: bytes) -> None:
        """Take the whole body of a request, which came with its head: nobody waits for it yet."""
        self.expects_continue = False
        self._pieces.append(body)
        self.untaken = len(body)
        self.body_complete = self._has_news = True

    def arrived(self, piece: bytes) -> int:
        """Take a piece of the request's body; return how many bytes nobody has taken yet."""
        self.expects_continue = False  # it comes unasked
        self._pieces.append(piece)
        self.untaken += len(piece)
        self.news()
        return self.untaken

    def arrived_whole(self) -> None:
        """Note that the last piece has come."""
        self.body_complete = True
        self.news()

    def body_failed(self, error: RequestRejected) -> None:
        """Note that the rest of the body will not come; whoever waits for it is told why."""
        self._body_error = error.failure  # not the error: its traceback holds this
        self.keep_alive = False
        self.news()

    def whole_body(self) -> bytes | None:
        """Take the request's body if all of it is here already."""
        if not self.body_complete or self.disconnected or self.response_complete:
            return None
        return self.take_body()

    def take_body(self) -> bytes:
        """Take what is here of the request's body."""
        connection = self.connection
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces = []
        self._has_news = False
        if self.untaken:
            self.untaken = 0
            if connection.read_paused or connection.counted_bytes:
                connection.resume_reading()
        return body

    # Whoever waits

    def news(self) -> None:
        """Wake whoever waits for something to come from the caller."""
        self._has_news = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def hung_up(self) -> None:
        """Note that the caller is gone, and tell whoever wants to know."""
        self.disconnected = True
        self.news()
        if self.on_hang_up is not None:
            self.on_hang_up()

    def when_sent(self, call: Callable[[], None]) -> None:
        """Have this called when what was answered so far is written."""
        connection = self.connection
        if connection.unwritten:
            connection.outbox.afterwards(call)
        else:
            call()

    # The answer

    def hang_up_after(self) -> None:
        """End the connection when this is answered."""
        self.keep_alive = False

    def answer(self, status: int, fields: bytes, body: bytes) -> None:
        """Answer whole, if somebody is left to read it; see `pipeline.exchange.Exchange.respond`."""
        connection = self.connection
        if self.disconnected:
            return
        self._start(status)
        length = b"" if status in _NO_LENGTH else b"content-length: %d\r\n" % len(body)
        if self.is_head or status in _NO_BODY:
            body = b""
        self.body_bytes = len(body)
        connection_line = self._connection_line()
        data = b"%b%b%b%b%b\r\n%b" % (
            STATUS_LINE[status],
            connection.default_lines(),
            fields,
            length,
            connection_line,
            body,
        )
        connection.write(data)
        self._complete()

    def take_message(self, message: Any) -> None:
        """Take one of ASGI's `http.response.*` messages, if somebody is left to read it."""
        if self.disconnected:
            return
        kind = message["type"]
        if kind == "http.response.body" and self.response_started and not self.response_complete:
            self._send_body(message.get("body", b""), message.get("more_body", False))
        elif kind == "http.response.start" and not self.response_started:
            self._start(message["status"])
            self._head = self._head_of(message["status"], message.get("headers", ()))
        else:
            raise RuntimeError(f"unexpected ASGI message {kind!r}")

    def _start(self, status: int) -> None:
        connection = self.connection
        if self.response_started:
            raise RuntimeError("the answer has begun already")
        self.response_started = True
        self.status = status
        if not self.body_complete and (self.expects_continue or not connection.can_skip_body()):
            self.keep_alive = False

    def _connection_line(self) -> bytes:
        if not self.keep_alive:
            return CLOSE
        return _KEEP_ALIVE if self.is_http10 else b""

    def _head_of(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        connection = self.connection
        lines = []
        for name, value in headers:
            if name in _FRAMING:
                self._heed(name, value)
            else:
                lines.append(b"%b: %b\r\n" % (name, value))
        fields = b"".join(lines)
        if fields.count(b"\n") != len(lines) or fields.count(b"\r") != len(lines) or b"\0" in fields:
            raise RuntimeError("a header of the answer has a line break in it")
        framing = self._framing_line(status)
        default_lines = connection.default_lines()
        return b"".join(
            (STATUS_LINE[status], default_lines, fields, framing, self._connection_line(), b"\r\n")
        )

    def _heed(self, name: bytes, value: bytes) -> None:
        """Follow a header that is about the connection: its line is written anew."""
        if name == b"content-length":
            self._length_left = int(value)
        elif name == b"connection" and b"close" in value.lower():
            self.keep_alive = False

    def _framing_line(self, status: int) -> bytes:
        """Decide how the answer ends, and return the header that says so."""
        length = self._length_left
        if self.is_head or status in _NO_BODY:
            self._has_body = False
        elif length < 0 and self.is_http10:  # which knows no chunks: the answer ends with the connection
            self.keep_alive = False
        elif length < 0:
            self._is_chunked = True
            return b"transfer-encoding: chunked\r\n"
        return b"" if length < 0 or status in _NO_LENGTH else b"content-length: %d\r\n" % length

    def _send_body(self, body: bytes, more: bool) -> None:
        connection = self.connection
        data, self._head = self._head, b""
        if self._has_body:
            self.body_bytes += len(body)
            data += self._framed(body, more)
        if data:
            connection.write(data)
        if not more:
            self._complete()

    def _framed(self, body: bytes, more: bool) -> bytes:
        if self._is_chunked:
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            return chunk if more else chunk + _END_OF_CHUNKS
        if self._length_left >= 0:
            self._length_left -= len(body)
            if self._length_left < 0:
                raise RuntimeError("the answer is longer than its content-length")
            if self._length_left and not more:
                raise RuntimeError("the answer is shorter than its content-length")
        return body

    def _complete(self) -> None:
        connection = self.connection
        self.response_complete = True
        self.news()
        connection.on_answered(self)


accept_proxies(ExchangeCore)
