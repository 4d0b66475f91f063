"""One HTTP/1.1 connection to an upstream: the core's, as asyncio knows it."""

from __future__ import annotations

import asyncio

from .connection_core import ConnectionCore

_IDEMPOTENT = frozenset({"GET", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Methods that may be repeated whatever came of the first request (RFC 9110 section 9.2.2)."""

_ROUND_TRIP_S = (0.05, 0.5)
"""Least and most that is taken for a round trip: a near upstream's is less than what scheduling adds, and
the time to connect may be that of a slow resolver."""


class Connection(ConnectionCore, asyncio.Protocol):
    """Bytes out, a head and a body in. Its owner writes a request, then reads to the end, or aborts."""

    _unwritable: asyncio.Future[None] | None = None
    """Done when more may be written; None while it may."""

    def ask_in_two(self, head: bytes, body: bytes, max_bytes: int) -> asyncio.Future[None]:
        """Ask, and write a large body behind its head. The answer is waited for where no local name holds it:
        its error's traceback would hold the frame, and the frame the error.
        """
        answer = self.ask(head, max_bytes)
        self.write_rest(body)
        return answer

    def write_rest(self, data: bytes) -> None:
        """Write what follows the head that was just given to `ask`."""
        if self.is_unsent:  # it waits for the end of this round of the event loop
            self.flush()
        if self.transport is not None and not self.closed:
            self.transport.write(data)

    async def write(self, data: bytes) -> None:
        """Write more of the request; waits while the upstream does not take what was written."""
        transport = self.transport
        if transport is None or self.closed or transport.is_closing():  # `connection_lost` tells who waits
            return
        transport.write(data)
        if (unwritable := self._unwritable) is not None:
            await unwritable

    def pause_writing(self) -> None:
        """See `asyncio.BaseProtocol.pause_writing`."""
        self._unwritable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol.resume_writing`."""
        unwritable, self._unwritable = self._unwritable, None
        if unwritable is not None and not unwritable.done():
            unwritable.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol.connection_lost`."""
        ConnectionCore.connection_lost(self, exc)
        self.resume_writing()

    async def read(self) -> bytes:
        """Wait for bytes of the body; empty at its end."""
        while (data := self.read_nowait()) is None:
            await self.next()
        return data

    def may_resend(self, method: str) -> bool:
        """Say whether the request that this connection failed to carry may be sent again: on a kept one
        alone.

        An upstream may close an unused connection while a request is on its way to it (RFC 9112 section
        9.3.1). That shows within a round trip. One that closes later, or after it began to answer, may have
        done the work, and only a method that is idempotent may be repeated (RFC 9110 section 9.2.2).
        """
        if self.answering or self.exchanges < 2:
            return False
        least_s, most_s = _ROUND_TRIP_S
        round_trip_s = min(max(self.connected_in_s, least_s), most_s)
        return self.is_unsent or method in _IDEMPOTENT or self.waited_s <= round_trip_s
