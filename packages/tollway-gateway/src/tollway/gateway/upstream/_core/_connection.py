"""One HTTP/1.1 connection to an upstream: llhttp, and one exchange at a time."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Any, cast

import httptools

from tollway.gateway.outbox import outbox_of
from tollway.provider import ResponseError, UpstreamConnectionError

_HIGH_WATER_BYTES = 64 * 1024
"""What is held of an answer that nobody reads; the socket waits from there on, and so does the upstream."""

_MAX_HEAD_BYTES = 64 * 1024

_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
"""What tells where a body ends, other than the end of its connection."""


class ConnectionCore:
    """What a connection does without a wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._new_future = loop.create_future
        self._outbox = outbox_of(loop)
        self._unwritten = b""
        self._written_s = 0.0
        self._parser: Any = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._error: UpstreamConnectionError | ResponseError | None = None
        self.closed = False
        self._idle_since_s = 0.0
        self._began_s = self._woken_s = 0.0
        self._reset()

    def _reset(self) -> None:
        self.status = 0
        self.waited_s = 0.0  # until bytes arrived, not until somebody was there to take them
        self.raw_headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._keep_alive = False
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._unbounded = False
        self._paused = False
        self.answering = False
        self.head_complete = False
        self.complete = True

    # What the owner does

    def ask(self, data: bytes, *, whole: bool = False) -> asyncio.Future[None]:
        """Start an exchange; await what is returned for `status` and `headers`, or for all of the answer."""
        self._reset()
        self.complete = False
        self._unbounded = whole
        self._unwritten = data
        answer = self.next()
        self._outbox.post(self)
        return answer

    def leave(self) -> None:
        """Write the request: the wait for its answer begins here."""
        data, self._unwritten = self._unwritten, b""
        self._written_s = perf_counter()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def there(self) -> bytes | None:
        """Return what is there of the body, nothing at its end, and None when it must be waited for."""
        if self._body:
            return self.take()
        return b"" if self.complete else None

    @property
    def reusable(self) -> bool:
        """Whether another exchange may follow the one that was read to its end."""
        return self.complete and not self.closed and self._keep_alive

    def rest(self) -> None:
        """Note that it is unused from now on."""
        self._idle_since_s = self._woken_s or perf_counter()

    def idle_s(self) -> float:
        """Return for how long it has been unused."""
        return perf_counter() - self._idle_since_s

    def abort(self) -> None:
        """Hang up now, and be read no more."""
        if self._waiter is not None:  # who waited has given up
            self._stop_waiting()
        self._error = None  # where it was raised, frames hold this: no cycle is left for Python's collector
        self._hang_up()

    def _hang_up(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def take(self) -> bytes:
        """Return what is there of the body."""
        body = self._body
        data = body[0] if len(body) == 1 else b"".join(body)
        body.clear()
        self._body_bytes = 0
        self._resume()
        return data

    def _resume(self) -> None:
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def next(self) -> asyncio.Future[None]:
        """Return what comes true when something has come. Raises what went wrong before."""
        if self._error is not None:
            raise self._error
        self._began_s = perf_counter()
        self._waiter = waiter = self._new_future()
        return waiter

    def _stop_waiting(self) -> None:
        """Add the wait up to now: it began when it was asked, but not before the request was written."""
        self._waiter = None
        self._woken_s = now_s = perf_counter()
        self.waited_s += now_s - max(self._began_s, self._written_s)

    def _wake(self) -> None:
        """Tell who waits that something has come, or what went wrong."""
        waiter = self._waiter
        if waiter is None:
            return
        self._stop_waiting()
        if waiter.done():  # it has given up
            return
        if self._error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(self._error)

    def _fail(self, error: UpstreamConnectionError | ResponseError) -> None:
        if self._error is None:
            self._error = error
        self._wake()
        self._hang_up()

    # What the transport says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parse; bytes that nobody asked for end the connection."""
        if self.complete:
            self.abort()
            return
        self.answering = True
        try:
            self._parser.feed_data(data)
            if not self.head_complete:
                self._still_no_head(len(data))
        except httptools.HttpParserError:
            self._fail(ResponseError("the model's service did not answer in HTTP/1.1"))
        except httptools.HttpParserUpgrade:
            self._fail(ResponseError("the model's service switched to another protocol"))

    def _still_no_head(self, more_bytes: int) -> None:
        """Give up on a head that has no end, interim answers before it included."""
        self._head_bytes += more_bytes
        if self._head_bytes > _MAX_HEAD_BYTES:
            self._fail(ResponseError("the header of the model's service is too large"))

    def connection_lost(self, exc: Exception | None) -> None:
        """End a body that lasts until the connection does; every other one is cut off."""
        self.closed = True
        self._parser = None  # it holds this: no cycle is left for Python's collector
        if not self.complete:
            if self.head_complete and exc is None and not self._is_framed():
                self.complete = True
            elif self._error is None:
                self._error = UpstreamConnectionError(
                    "the model's service hung up before the end of its answer"
                )
        self._wake()

    # What the parser says

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header field; trailers (RFC 9110 section 6.5) are nobody's."""
        if not self.head_complete:
            self.raw_headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Take the head, unless it is an interim one (RFC 9110 section 15.2)."""
        status: int = self._parser.get_status_code()
        if status < 200:
            self.raw_headers.clear()
            return
        self.status = status
        self._keep_alive = self._parser.should_keep_alive()
        self.head_complete = True
        if not self._unbounded:
            self._wake()

    def _is_framed(self) -> bool:
        """Say whether the head tells where the body ends; else its end is that of the connection."""
        return any(name.lower() in _FRAMING for name, _ in self.raw_headers)

    def on_body(self, data: bytes) -> None:
        """Keep a piece of the body, and stop the socket when nobody takes it."""
        self._body.append(data)
        self._body_bytes += len(data)
        if self._unbounded:
            return
        if self._body_bytes > _HIGH_WATER_BYTES and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        """Note the end of the answer (interim answers end too, and do not count)."""
        if self.head_complete:
            self.complete = True
            self._wake()
