"""Stage five: the answer on its way to the caller, or the error in its place."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tollway.gateway.apis import ErrorShape
from tollway.gateway.cost import usd_text
from tollway.gateway.errors import Failure
from tollway.provider import AnswerInfo

from .exchange import Exchange

if TYPE_CHECKING:
    from .record import Record

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_EVENT_STREAM = (
    b"content-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\n"
    b"x-accel-buffering: no\r\n"  # nginx in between must not hold events back
)

_MAX_NAME_CHARS = 64
"""Of each field that `x-tollway-dropped` names."""

_LAST_WORDS_S = 5.0
"""How long a caller that has stopped reading gets to take the error event of its stream."""


class Reply:
    r"""One answer. It knows whether it has begun, and so in which form an error can still be told.

    `header_lines` go with the answer, whatever it will be; each ends with `\r\n`. Our own server takes them
    as they are; pairs are made of them only for another server.
    """

    __slots__ = ("_is_raw", "_record", "_send", "_shape", "exchange", "header_lines", "info", "status")

    def __init__(
        self, send: Send, shape: ErrorShape, record: Record, exchange: Exchange | None = None
    ) -> None:
        self._send = send
        self._shape = shape
        self._record = record
        self.exchange = exchange
        self.header_lines = record.trace_lines
        self.status: int | None = None
        self._is_raw = False
        self.info: AnswerInfo | None = None
        """What is known of the model's answer, once there is one."""

    def hang_up_after(self) -> None:
        """End the connection with this answer: what else comes on it cannot be understood."""
        if self.exchange is None:
            self.header_lines += b"connection: close\r\n"
        else:
            self.exchange.hang_up_after()

    async def whole(self, status: int, body: bytes) -> None:
        """Send a whole answer: in one call to our own server, in ASGI's two messages to another."""
        self.status = status
        record = self._record
        lines = b"content-type: application/json\r\n%b%b" % (self.header_lines, _timing_line(record))
        if record.cost_picousd is not None and record.is_priced and status == 200:
            lines += b"x-tollway-cost: %b\r\n" % usd_text(record.cost_picousd).encode()
        if self.info is not None and self.info.dropped:
            lines += _dropped_line(self.info)
        if self.exchange is not None:
            await self.exchange.respond(status, lines, body)
            return
        await self._start(lines + b"content-length: %d\r\n" % len(body))
        await self._send({"type": "http.response.body", "body": body})

    async def begin_stream(self) -> None:
        """Promise a stream: from here on the status is 200."""
        self.status = 200
        dropped = b"" if self.info is None or not self.info.dropped else _dropped_line(self.info)
        await self._start(_EVENT_STREAM + self.header_lines + _timing_line(self._record) + dropped)

    async def begin_raw(self, status: int, lines: bytes) -> None:
        """Begin an answer that passes as it came: no error can be told in it from here on."""
        self.status = status
        self._is_raw = True
        await self._start(lines + self.header_lines + _timing_line(self._record))

    async def events(self, events: bytes) -> None:
        """Send events, or bytes of an answer that passes raw; waits while the caller does not take them."""
        await self._send({"type": "http.response.body", "body": events, "more_body": True})

    async def end(self) -> None:
        """End a stream."""
        await self._send({"type": "http.response.body", "body": b""})

    async def fail(self, failure: Failure) -> None:
        """Tell an error: as the answer, or in the stream that has begun, which then ends without `[DONE]`."""
        if self.status is None:
            self.header_lines += failure.header_lines
            await self.whole(failure.status, self._shape(failure))
            return
        if self._is_raw:
            if self.exchange is not None:  # any other server hangs up by itself where an answer is not ended
                self.exchange.cut_off()
            return
        try:
            async with asyncio.timeout(_LAST_WORDS_S):
                await self.events(self._shape.event(failure))
                await self.end()
        except TimeoutError:
            return

    async def _start(self, lines: bytes) -> None:
        await self._send({"type": "http.response.start", "status": self.status, "headers": pairs_of(lines)})


def _dropped_line(info: AnswerInfo) -> bytes:
    """Return the header that names the fields that were left out; callers choose what they are called."""
    names = ", ".join(quote(name[:_MAX_NAME_CHARS], ".[]", errors="replace") for name in info.dropped)
    return f"x-tollway-dropped: {names}\r\n".encode()


def _timing_line(record: Record) -> bytes:
    """Return the `Server-Timing` header: the wait for the model so far, and what we took beside it.

    https://www.w3.org/TR/server-timing/, in milliseconds.
    """
    waited_s = record.waited_s
    took_s = record.recorder.clock_s() - record.started_s - waited_s
    return b"server-timing: upstream;dur=%.3f, gateway;dur=%.3f\r\n" % (waited_s * 1e3, took_s * 1e3)


def pairs_of(lines: bytes) -> list[tuple[bytes, bytes]]:
    r"""Read header lines, each ended by `\r\n`, as pairs of names and values."""
    pairs = []
    for line in lines.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b": ")
        pairs.append((name, value))
    return pairs
