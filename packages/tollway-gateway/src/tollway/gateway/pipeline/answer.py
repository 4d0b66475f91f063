"""Stage five: the answer on its way to the caller, or the error in its place."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from .exchange import Exchange
from .failure import Failure, Shape
from .lines import pairs_of

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_EVENT_STREAM = (
    b"content-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\n"
    b"x-accel-buffering: no\r\n"  # nginx in between must not hold events back
)

_LAST_WORDS_S = 5.0
"""How long a caller that has stopped reading gets to take the error event of its stream."""


class Known(Protocol):
    """What an answer tells of its request, as header lines."""

    trace_lines: bytes
    """By which ids it is found; none without a tracer."""

    def timing_line(self) -> bytes:
        """Return `Server-Timing`."""


class Reply:
    """One answer. It knows whether it has begun, and so in which form an error can still be told."""

    __slots__ = ("_exchange", "_known", "_lines", "_send", "_shape", "status")

    def __init__(self, send: Send, shape: Shape, known: Known, exchange: Exchange | None = None) -> None:
        self._send = send
        self._shape = shape
        self._known = known
        self._exchange = exchange
        self._lines = known.trace_lines
        self.status: int | None = None

    def add(self, lines: bytes) -> None:
        """Have these headers on the answer, whatever it will be."""
        self._lines += lines

    def hang_up_after(self) -> None:
        """End the connection with this answer: what else comes on it cannot be understood."""
        if self._exchange is None:
            self._lines += b"connection: close\r\n"
        else:
            self._exchange.hang_up_after()

    async def whole(self, status: int, body: bytes) -> None:
        """Send a whole answer: in one call to our own server, in ASGI's two messages to another."""
        self.status = status
        lines = b"content-type: application/json\r\n%b%b" % (self._lines, self._known.timing_line())
        if self._exchange is not None:
            await self._exchange.respond(status, lines, body)
            return
        await self._start(lines + b"content-length: %d\r\n" % len(body))
        await self._send({"type": "http.response.body", "body": body})

    async def begin_stream(self) -> None:
        """Promise a stream: from here on the status is 200."""
        self.status = 200
        await self._start(_EVENT_STREAM + self._lines + self._known.timing_line())

    async def events(self, events: bytes) -> None:
        """Send events; waits while the caller does not take them."""
        await self._send({"type": "http.response.body", "body": events, "more_body": True})

    async def end(self) -> None:
        """End a stream."""
        await self._send({"type": "http.response.body", "body": b""})

    async def fail(self, failure: Failure) -> None:
        """Tell an error: as the answer, or in the stream that has begun, which then ends without `[DONE]`."""
        if self.status is None:
            await self.whole(failure.status, self._shape(failure))
            return
        try:
            async with asyncio.timeout(_LAST_WORDS_S):
                await self.events(b"data: " + self._shape(failure) + b"\n\n")
                await self.end()
        except TimeoutError:
            return

    async def _start(self, lines: bytes) -> None:
        await self._send({"type": "http.response.start", "status": self.status, "headers": pairs_of(lines)})
