"""A bound on the requests of one endpoint that are in flight, and on those that wait for their turn.

What is beyond the bound is refused at once: a queue that only grows serves everybody too late.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import Protocol

from tollway.gateway.config.values import ConcurrencyConfig

_FIRST_GUESS_S = 1.0
_SMOOTHING = 0.1


class Shed(Exception):  # noqa: N818 - an answer to the caller, not a fault of the gateway
    """A request that is not served because too many others are; `reason` is `queue_full` or `queue_timeout`.

    `retry_after_s` is a guess, in whole seconds, of when there may be room.
    """

    def __init__(self, reason: str, retry_after_s: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = retry_after_s


class Gate(Protocol):
    """Lets requests of one endpoint in."""

    in_flight: int

    @property
    def queued(self) -> int:
        """Requests that wait for their turn."""

    def enter_nowait(self) -> bool:
        """Let a request in if there is room and nobody waits; `leave` is to follow."""

    async def enter(self) -> None:
        """Wait for the turn of a request; raises `Shed`. `leave` is to follow."""

    def leave(self, held_s: float) -> None:
        """Note that a request has ended, which was in flight for so many seconds."""


class ConcurrencyLimit:
    """At most `max_in_flight` requests, and `max_queue` that wait, first come first served; see `Gate`.

    A request that leaves gives its place to the one that waits longest, so nobody can take it in between.
    """

    __slots__ = ("_held_s", "_limit", "_max_queue", "_max_wait_s", "_waiting", "in_flight")

    def __init__(self, config: ConcurrencyConfig) -> None:
        self._limit = config.max_in_flight
        self._max_queue = config.max_queue
        self._max_wait_s = config.max_wait_s
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._held_s = _FIRST_GUESS_S
        self.in_flight = 0

    @property
    def queued(self) -> int:
        """See `Gate.queued`."""
        return len(self._waiting)

    def enter_nowait(self) -> bool:
        """See `Gate.enter_nowait`."""
        if self.in_flight >= self._limit:  # who waits is let in by `leave`: no place is free meanwhile
            return False
        self.in_flight += 1
        return True

    async def enter(self) -> None:
        """See `Gate.enter`."""
        if self.enter_nowait():
            return
        if len(self._waiting) >= self._max_queue:
            raise Shed("queue_full", self._retry_after_s())
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self._max_wait_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # the turn came in the same instant
                self._pass_on()
            elif turn in self._waiting:  # else `_pass_on` has met it, and passed it over
                self._waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise Shed("queue_timeout", self._retry_after_s()) from None
            raise

    def leave(self, held_s: float) -> None:
        """See `Gate.leave`."""
        self._held_s += (held_s - self._held_s) * _SMOOTHING
        self._pass_on()

    def _pass_on(self) -> None:
        """Give a place that became free to the request that waits longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.in_flight -= 1

    def _retry_after_s(self) -> int:
        """Return about how long it takes until those who wait have been let in."""
        return max(1, math.ceil((len(self._waiting) + 1) * self._held_s / self._limit))


class _Open:
    """Lets everybody in; see `Gate`."""

    __slots__ = ()

    in_flight = 0
    queued = 0

    def enter_nowait(self) -> bool:
        """See `Gate.enter_nowait`."""
        return True

    async def enter(self) -> None:
        """See `Gate.enter`."""

    def leave(self, held_s: float) -> None:
        """See `Gate.leave`."""


OPEN: Gate = _Open()


def gate_of(config: ConcurrencyConfig | None) -> Gate:
    """Return the gate of an endpoint; without a section it is open."""
    return OPEN if config is None else ConcurrencyLimit(config)
