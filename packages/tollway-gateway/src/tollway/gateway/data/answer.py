"""Stage five: the answer on its way to the caller, or the error in its place."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from .failure import Failure, Shape

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

_JSON = (b"content-type", b"application/json")

_EVENT_STREAM: Headers = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx in between must not hold events back
)

_LAST_WORDS_S = 5.0
"""How long a caller that has stopped reading gets to take the error event of its stream."""


class Known(Protocol):
    """What an answer tells of its request."""

    @property
    def trace_id(self) -> str | None:
        """In hex; None without a tracer."""

    def timing(self) -> tuple[bytes, bytes]:
        """Return the `Server-Timing` header."""


class Reply:
    """One answer. It knows whether it has begun, and so in which form an error can still be told."""

    def __init__(self, send: Send, shape: Shape, known: Known) -> None:
        self._send = send
        self._shape = shape
        self._known = known
        self._headers: list[tuple[bytes, bytes]] = []
        if known.trace_id is not None:
            trace_id = known.trace_id.encode()
            self._headers += (b"x-tollway-trace-id", trace_id), (b"x-request-id", trace_id)
        self.status: int | None = None

    def add_headers(self, headers: Headers) -> None:
        """Have these on the answer, whatever it will be."""
        self._headers += headers

    async def whole(self, status: int, body: bytes) -> None:
        """Send a whole answer."""
        await self._begin(status, _JSON, (b"content-length", b"%d" % len(body)))
        await self._send({"type": "http.response.body", "body": body})

    async def begin_stream(self) -> None:
        """Promise a stream: from here on the status is 200."""
        await self._begin(200, *_EVENT_STREAM)

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

    async def _begin(self, status: int, *headers: tuple[bytes, bytes]) -> None:
        self.status = status
        all_headers = [*headers, *self._headers, self._known.timing()]
        await self._send({"type": "http.response.start", "status": status, "headers": all_headers})
