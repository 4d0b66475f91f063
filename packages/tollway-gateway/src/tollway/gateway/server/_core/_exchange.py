"""One request and its answer: all but the waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

if TYPE_CHECKING:
    from tollway.gateway.server.flag import Flag

    from ._protocol import ProtocolCore

_SERVERS_OWN = frozenset({b"content-length", b"transfer-encoding", b"connection"})

_NO_BODY = frozenset({204, 304})

_END_OF_CHUNKS = b"0\r\n\r\n"

_CLOSE = b"connection: close\r\n"


class ExchangeCore:
    """What an exchange knows, and what it does without a wait; the names are those of Uvicorn's cycle."""

    def __init__(self, protocol: ProtocolCore, scope: Any, keep_alive: bool, received_s: float) -> None:
        self.protocol = protocol
        self.scope = scope
        self.transport = self.protocol.transport
        self.flow = self.protocol.flow
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = self.protocol.expect_100_continue
        self.received_s = received_s
        self.body = bytearray()
        self.more_body = True
        self.disconnected = False
        self.response_started = False
        self.response_complete = False
        self.chunked_encoding: bool | None = None
        self.expected_content_length = 0
        self.status: int | None = None
        self.body_bytes = 0
        self.trace_id: str | None = None
        self.task: asyncio.Task[None] | None = None
        self._has_news = False
        self._flag: Flag | None = None
        self._head = b""
        self._gone: Callable[[], None] | None = None

    def whole_body(self) -> bytes | None:
        """Take the request's body if all of it is here already."""
        if self.more_body or self.disconnected or self.response_complete:
            return None
        self.waiting_for_100_continue = False
        self.no_news()
        body, self.body = self.body, bytearray()
        self.flow.resume_reading()
        return bytes(body)

    def news(self) -> None:
        """Wake who waits for something to come from the caller, if anybody does."""
        self._has_news = True
        if self._flag is not None:
            self._flag.set()

    def no_news(self) -> None:
        """Note that all that came was taken."""
        self._has_news = False
        if self._flag is not None:
            self._flag.clear()

    def arrived(self, body: bytes) -> int:
        """Take a piece of the request's body; return how many bytes nobody has taken yet."""
        self.body += body
        self.news()
        return len(self.body)

    def arrived_whole(self) -> None:
        """Note that the request is here whole."""
        self.more_body = False
        self.news()

    def on_hang_up(self, gone: Callable[[], None] | None) -> None:
        """Have this called if the caller hangs up before the answer is complete; None for nothing more."""
        self._gone = gone
        if gone is not None and self.disconnected:
            gone()

    def hung_up(self) -> None:
        """Tell who wants to know."""
        if self._gone is not None and self.disconnected:
            self._gone()

    def hang_up_after(self) -> None:
        """End the connection when this is answered."""
        self.keep_alive = False

    def when_sent(self, call: Callable[[], None]) -> None:
        """Have this called when what was answered so far is written."""
        self.protocol.when_written(call)

    def answer(self, status: int, fields: bytes, body: bytes) -> None:
        """Answer whole, if somebody is left to read it; see `Exchange.respond`."""
        if self.disconnected:
            return
        if self.response_started:
            raise RuntimeError("the answer has begun already")
        self.response_started = True
        self.waiting_for_100_continue = False
        self.status = status
        data = b"%b%b%bcontent-length: %d\r\n%b\r\n%b" % (
            STATUS_LINE[status],
            self.protocol.default_lines(),
            fields,
            len(body),
            b"" if self.keep_alive else _CLOSE,
            b"" if self.scope["method"] == "HEAD" else body,
        )
        self.body_bytes = len(body)
        self.protocol.write(data)
        self._complete()

    def take_message(self, message: Any) -> None:
        """Take one of ASGI's `http.response.*` messages, if somebody is left to read it."""
        if self.disconnected:
            return
        kind = message["type"]
        if kind == "http.response.body" and self.response_started and not self.response_complete:
            self._send_body(message.get("body", b""), message.get("more_body", False))
        elif kind == "http.response.start" and not self.response_started:
            self.response_started = True
            self.waiting_for_100_continue = False
            self.status = message["status"]
            self._head = self._head_of(message["status"], message.get("headers", ()))
        else:
            raise RuntimeError(f"unexpected ASGI message {kind!r}")

    def _head_of(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        headers = [*self.protocol.server_state.default_headers, *headers]
        for name, value in headers:
            if name in _SERVERS_OWN:
                self._heed(name, value)
        if not self.keep_alive and not any(name == b"connection" for name, _ in headers):
            headers.append((b"connection", b"close"))
        if self.chunked_encoding is None and self.scope["method"] != "HEAD" and status not in _NO_BODY:
            self.chunked_encoding = True
            headers.append((b"transfer-encoding", b"chunked"))
        head = b"\r\n".join((STATUS_LINE[status][:-2], *map(b": ".join, headers), b"\r\n"))
        breaks = len(headers) + 2
        if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head:
            raise RuntimeError("a header of the answer has a line break in it")
        return head

    def _heed(self, name: bytes, value: bytes) -> None:
        """Follow a header that is about the connection."""
        if name == b"content-length" and self.chunked_encoding is None:
            self.chunked_encoding = False
            self.expected_content_length = int(value)
        elif name == b"transfer-encoding" and value.lower() == b"chunked":
            self.chunked_encoding = True
            self.expected_content_length = 0
        elif name == b"connection" and b"close" in value.lower():
            self.keep_alive = False

    def _send_body(self, body: bytes, more: bool) -> None:
        head, self._head = self._head, b""
        self.body_bytes += len(body)
        if self.scope["method"] == "HEAD":
            self.expected_content_length = 0
            data = head
        elif self.chunked_encoding:
            data = b"%b%x\r\n%b\r\n" % (head, len(body), body) if body else head
            if not more:
                data += _END_OF_CHUNKS
        else:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0:
                raise RuntimeError("the answer is longer than its content-length")
            data = head + body
        if data:
            self.protocol.write(data)
        if not more:
            if self.expected_content_length != 0:
                raise RuntimeError("the answer is shorter than its content-length")
            self._complete()

    def _complete(self) -> None:
        self.response_complete = True
        self.news()
        if not self.keep_alive:
            self.protocol.close()
        self.protocol.on_response_complete()
