"""One request and its answer, as our own server has them: Uvicorn's cycle, and what it offers beside ASGI."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from tollway.gateway.data.exchange import EXTENSION

from .flag import Flag

if TYPE_CHECKING:
    from .http import HTTPProtocol

_uvicorns_log = logging.getLogger("uvicorn.error")

_SERVERS_OWN = frozenset({b"content-length", b"transfer-encoding", b"connection"})

_NO_BODY = frozenset({204, 304})

_END_OF_CHUNKS = b"0\r\n\r\n"

_CLOSE = b"connection: close\r\n"


class Exchange(RequestResponseCycle):
    """One request and its answer; what is the same for each at first is the class's."""

    logger = access_logger = _uvicorns_log
    access_log = False
    disconnected = response_started = response_complete = False
    more_body = True
    chunked_encoding: bool | None = None
    expected_content_length = 0
    status: int | None = None
    body_bytes = 0
    trace_id: str | None = None
    task: asyncio.Task[None]

    _head = b""
    _gone: Callable[[], None] | None = None

    def __init__(self, protocol: HTTPProtocol, scope: Any, *, keep_alive: bool, received_s: float) -> None:
        self.protocol = protocol
        self.scope = scope
        self.transport = protocol.transport
        self.flow = protocol.flow
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = protocol.expect_100_continue
        self.message_event: Any = Flag(protocol.loop)  # all of asyncio.Event that is used
        self.body = bytearray()
        self.received_s = received_s

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:  # type: ignore[override]
        """The server's own: its date."""
        return self.protocol.server_state.default_headers

    def on_response(self) -> None:
        """Let the next request of the connection have its turn."""
        self.protocol.on_response_complete()

    def whole_body(self) -> bytes | None:
        """Take the request's body if all of it is here already."""
        if self.more_body or self.disconnected or self.response_complete:
            return None
        self.waiting_for_100_continue = False
        self.message_event.clear()
        body, self.body = self.body, bytearray()
        self.flow.resume_reading()
        return bytes(body)

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

    async def respond(self, status: int, fields: bytes, body: bytes) -> None:
        """Answer whole. The lines of `fields` are the caller's care: nothing in them is looked at."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
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

    async def run_asgi(self, app: Any) -> None:
        """Run the application; one that fails or does not finish its answer keeps no caller waiting."""
        protocol = self.protocol
        protocol.outbox.requests += 1
        try:
            await app(self.scope, self.receive, self.send)
            if not (self.response_complete or self.disconnected):
                await self._fail("an application left its answer unfinished")
        except BaseException as error:  # as Uvicorn: its task ends well, even when it was cancelled
            await self._fail("an application failed", error)
        finally:
            protocol.outbox.requests -= 1
            protocol.tasks.discard(self.task)
            # The scope holds this, and this the scope: no cycle is left for Python's collector.
            del self.scope["extensions"][EXTENSION]

    async def _fail(self, message: str, error: BaseException | None = None) -> None:
        self.logger.error(message, exc_info=error)
        if self.response_started:
            self.protocol.close()
        else:
            await self.send_500_response()

    async def receive(self) -> Any:
        """Wait for one of ASGI's messages."""
        if self.waiting_for_100_continue and not self.transport.is_closing():
            self.protocol.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.waiting_for_100_continue = False
        return await super().receive()

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
            self.status = message["status"]
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
        self.message_event.set()
        if not self.keep_alive:
            self.protocol.close()
        self.on_response()
