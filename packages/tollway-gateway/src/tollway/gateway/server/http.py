"""Uvicorn's HTTP protocol, with what each request paid twice taken out.

It stays Uvicorn's: parsing, flow control, pipelining, `100-continue`, the end of an application that fails.
Different is (figures in docs/decisions/0070):

* an answer's head leaves together with the first bytes of its body, in one write;
* headers are checked for line breaks all at once;
* the keep-alive timer is one a connection, not one a request;
* an application may read when the first byte came, and be called when the caller hangs up, without awaiting
  `receive()`: the scope's extension `tollway` is the `Exchange`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from tollway.gateway.data.exchange import EXTENSION

_SERVERS_OWN = frozenset({b"content-length", b"transfer-encoding", b"connection"})

_NO_BODY = frozenset({204, 304})

_END_OF_CHUNKS = b"0\r\n\r\n"


class Exchange(RequestResponseCycle):
    """One request and its answer."""

    received_s: float
    """When its first byte was there, by `time.perf_counter`."""

    _head = b""
    _gone: Callable[[], None] | None = None

    def on_hang_up(self, gone: Callable[[], None] | None) -> None:
        """Have this called if the caller hangs up before the answer is complete; None for nothing more."""
        self._gone = gone
        if gone is not None and self.disconnected:
            gone()

    def hung_up(self) -> None:
        """Tell who wants to know."""
        if self._gone is not None and self.disconnected:
            self._gone()

    async def run_asgi(self, app: Any) -> None:
        """Run the application."""
        try:
            await super().run_asgi(app)
        finally:
            # The scope holds this, and this the scope: no cycle is left for Python's collector.
            self.scope["extensions"].pop(EXTENSION, None)

    async def send(self, message: Any) -> None:
        """Take one of ASGI's `http.response.*` messages."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if kind == "http.response.body" and self.response_started and not self.response_complete:
            self._body(message.get("body", b""), message.get("more_body", False))
        elif kind == "http.response.start" and not self.response_started:
            self.response_started = True
            self.waiting_for_100_continue = False
            self._head = self._head_of(message["status"], message.get("headers", ()))
        else:
            raise RuntimeError(f"unexpected ASGI message {kind!r}")

    def _head_of(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        headers = [*self.default_headers, *headers]
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

    def _body(self, body: bytes, more: bool) -> None:
        head, self._head = self._head, b""
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
            self.transport.write(data)
        if not more:
            self._complete()

    def _complete(self) -> None:
        if self.expected_content_length != 0:
            raise RuntimeError("the answer is shorter than its content-length")
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


class HTTPProtocol(HttpToolsProtocol):
    """One connection from a caller."""

    _received_s = 0.0
    _idle_since_s: float | None = None

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._received_s = time.perf_counter()

    def on_headers_complete(self) -> None:
        """Hand the request to the application, or let it wait for the answer before it."""
        parser, scope = self.parser, self.scope
        http_version = parser.get_http_version()
        scope["method"] = parser.get_method().decode("ascii")
        if http_version != "1.1":
            scope["http_version"] = http_version
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope["path"] = self.root_path + (unquote(path) if "%" in path else path)
        scope["raw_path"] = self.root_path.encode("ascii") + url.path
        scope["query_string"] = url.query or b""
        before = self.cycle
        self.cycle = exchange = Exchange(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=http_version != "1.0" and parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        exchange.received_s = self._received_s
        scope["extensions"] = {EXTENSION: exchange}  # type: ignore[dict-item]  # not one of ASGI's own
        if before is None or before.response_complete:
            self._start_asgi_task(exchange, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))

    def on_response_complete(self) -> None:
        """Start the next request that is already there, or wait for one."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since_s = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._set_keep_alive_timer(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Hang up on a connection that was idle for so long; look again later at another."""
        self.timeout_keep_alive_task = None
        if self._idle_since_s is None or self.transport.is_closing():
            return
        left_s = self._idle_since_s + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self._set_keep_alive_timer(left_s)
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the application."""
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        if isinstance(self.cycle, Exchange):
            self.cycle.hung_up()

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since_s = None

    def _set_keep_alive_timer(self, after_s: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(after_s, self.timeout_keep_alive_handler)
