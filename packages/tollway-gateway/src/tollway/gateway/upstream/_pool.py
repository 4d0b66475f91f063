"""The connections to one upstream: kept, opened, and never more than its limit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter

from tollway.provider import UpstreamTimeoutError

from ._connection import Connection
from ._dial import TLS, dial
from ._request import Origin

_IDLE_S = 30.0
"""How long an unused connection is kept: below the idle time-outs of the usual servers and balancers."""

_MAX_IDLE = 256
"""Unused connections kept."""

MAX_OPEN = 4096
"""Connections in use and unused together; who needs one more waits for its turn, within `connect`."""


class Pool:
    """Connections to one origin, directly or through a proxy, last used first."""

    def __init__(
        self,
        origin: Origin,
        proxy: Origin | None,
        tls: TLS,
        max_open: int = MAX_OPEN,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self.proxy = proxy
        self._origin = origin
        self._tls = tls
        self._max_open = max_open
        self._clock = clock
        self._open = 0
        self._idle: list[Connection] = []
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._closed = False

    def kept(self) -> Connection | None:
        """Take an unused connection, if there is one that is not too old."""
        idle = self._idle
        if not idle:
            return None
        while idle:
            connection = idle.pop()
            if not connection.closed and connection.idle_s() < _IDLE_S:
                return connection
            self.drop(connection)
        return None

    async def connect(self, connect_s: float) -> Connection:
        """Open a connection, or wait for one when there may be no more; every error is a `ProviderError`."""
        try:
            async with asyncio.timeout(connect_s):
                return await self._connect()
        except TimeoutError as error:
            message = "the model's service could not be reached in time"
            raise UpstreamTimeoutError(message, code="upstream_connect_timeout") from error

    def give_back(self, connection: Connection) -> None:
        """Keep a connection whose answer was read to its end; hang up on any other."""
        if self._closed or not connection.reusable or len(self._idle) >= _MAX_IDLE:
            self.drop(connection)
            return
        if self._waiting and self._pass_on(connection):
            return
        self._idle.append(connection)

    def drop(self, connection: Connection) -> None:
        """Hang up, and let another connection take its place."""
        connection.abort()
        if not self._pass_on(None):
            self._open -= 1

    def close(self) -> None:
        """Hang up on everything unused, and on the rest as it is given back."""
        self._closed = True
        while self._idle:
            self.drop(self._idle.pop())

    def _pass_on(self, connection: Connection | None) -> bool:
        """Give a connection, or the place of one (None), to who waits longest."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return True
        return False

    async def _connect(self) -> Connection:
        if self._open < self._max_open:
            self._open += 1
        elif (connection := await self._turn()) is not None:
            return connection
        try:
            return await self._dial()
        except BaseException:
            if not self._pass_on(None):
                self._open -= 1
            raise

    async def _turn(self) -> Connection | None:
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            return await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled():  # it came, and its taker has gone
                connection = waiter.result()
                if connection is not None:
                    self.give_back(connection)
                elif not self._pass_on(None):
                    self._open -= 1
            raise

    async def _dial(self) -> Connection:
        began_s = self._clock()
        connection = await dial(self._origin, self.proxy, self._tls, self._clock)
        connection.connected_in_s = self._clock() - began_s
        return connection
