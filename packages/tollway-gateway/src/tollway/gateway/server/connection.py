"""A connection as its exchanges use it: what they write is gathered in a round of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from uvicorn.server import ServerState

from tollway.gateway.outbox import Outbox
from tollway.tracing.compiled import accept_proxies

if TYPE_CHECKING:
    from .exchange_core import ExchangeCore

NEVER = float("inf")


class Connection:
    """The writing half of a connection, and what the reading half does for an exchange."""

    def __init__(self, loop: asyncio.AbstractEventLoop, outbox: Outbox, state: ServerState) -> None:
        self.loop = loop
        self.outbox = outbox
        self.state = state
        self.transport: Any = None
        self.server: tuple[str, int | None] | None = None
        self.client: tuple[str, int | None] | None = None
        self.scheme = "http"
        self.read_paused = False
        self.counted_bytes = 0
        """What is held here of what the caller sent, as the budget of all connections knows it."""
        self.write_paused = False
        self.is_ending = False
        """Whether the connection ends with what was written so far."""
        self.unwritten: list[bytes] = []
        """What was gathered in this round."""
        self._writable: asyncio.Future[None] | None = None
        self._default_headers: Sequence[tuple[bytes, bytes]] = ()
        self._default_lines = b""

    def write(self, data: bytes) -> None:
        """Write: now, or at the end of this round of the event loop where others write too."""
        self.unwritten.append(data)
        if len(self.unwritten) > 1:
            return
        if self.outbox.requests > 1:
            self.outbox.post(self)
        else:
            self.flush()

    def flush(self) -> None:
        """Write all that was gathered."""
        data, self.unwritten = self.unwritten, []
        transport = self.transport
        if data and not transport.is_closing():
            transport.write(data[0] if len(data) == 1 else b"".join(data))
            if self.is_ending:
                self.hang_up()

    def end(self) -> None:
        """End the connection when what was gathered is written."""
        self.is_ending = True
        if not self.unwritten:
            self.hang_up()

    def hang_up(self) -> None:
        """End the connection; all is written."""
        self.transport.close()

    def writable(self) -> asyncio.Future[None]:
        """Return what is done once the caller reads on, or is gone."""
        if self._writable is None or self._writable.done():
            self._writable = self.loop.create_future()
        return self._writable

    def resume(self) -> None:
        """Let whoever waits write again."""
        self.write_paused = False
        waiter, self._writable = self._writable, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def can_skip_body(self) -> bool:
        """Say whether the rest of a request can be read and thrown away, to get at the next one."""
        raise NotImplementedError

    def resume_reading(self) -> None:
        """Count what is held, now that it is less, and read on if there is room for what comes."""
        raise NotImplementedError

    def on_answered(self, exchange: ExchangeCore) -> None:
        """Go on to the next request, or end."""
        raise NotImplementedError

    def default_lines(self) -> bytes:
        """Return the server's own headers (its date) as lines."""
        headers = self.state.default_headers
        if headers is not self._default_headers:
            self._default_headers = headers
            self._default_lines = b"".join([b"%b: %b\r\n" % pair for pair in headers])
        return self._default_lines


accept_proxies(Connection)
