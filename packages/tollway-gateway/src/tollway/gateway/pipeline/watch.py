"""What may interrupt a request while it waits: its caller hangs up, or a time limit passes.

ASGI tells of a hang-up only to who awaits `receive()`, and the request's own task awaits the model. A task
beside it would cost every request its creation and two switches. Our own server tells of it by a call. Of any
other the `receive()` coroutine is driven by hand: each future it waits for gets a callback that drives it on.
Both kinds of interruption cancel the
request's task, and `__exit__` turns that cancellation into the reason for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from types import TracebackType
from typing import Any, Self

from .exchange import Exchange
from .timers import Timer, Timers

_log = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class CallerGone(Exception):  # noqa: N818 - it is news, not an error
    """The caller hung up: nobody is left to answer."""


class Watch:
    """Interrupts the task that entered it, by raising the reason at the end of the `with` statement."""

    __slots__ = (
        "_awaited",
        "_deadline_s",
        "_exchange",
        "_late",
        "_loop",
        "_reason",
        "_receive",
        "_receiving",
        "_task",
        "_timer",
        "_timers",
    )

    def __init__(
        self, receive: Receive, timers: Timers | None = None, exchange: Exchange | None = None
    ) -> None:
        self._receive = receive
        self._exchange = exchange
        self._timers = timers or Timers()
        self._loop = self._timers.loop
        self._task: asyncio.Task[Any] | None = None
        self._reason: Exception | None = None
        self._receiving: Generator[Any, None, Any] | None = None
        self._awaited: asyncio.Future[Any] | None = None
        self._timer: Timer | None = None
        self._deadline_s = 0.0
        self._late: Callable[[], Exception] | None = None

    def __enter__(self) -> Self:
        self._task = asyncio.current_task(self._loop)
        if self._exchange is None:
            self._listen()
        else:
            self._exchange.on_hang_up(self._gone)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_back: TracebackType | None
    ) -> None:
        self._stop()
        reason, self._reason = self._reason, None
        if reason is None or self._task is None:
            return
        try:
            if self._task.uncancel() == 0 and kind is asyncio.CancelledError:
                raise reason from None
        finally:
            del reason  # its traceback holds this frame

    def now_s(self) -> float:
        """Return the time of the clock that limits are measured by."""
        return self._loop.time()

    def expect(self, within_s: float, late: Callable[[], Exception]) -> None:
        """Interrupt with `late()` unless the next call of this comes within `within_s` seconds.

        Cheap to call for every event of a stream: a timer that rings early is set anew only then.
        """
        self._late = late
        self._deadline_s = self._loop.time() + within_s
        if self._timer is None:
            self._timer = self._timers.set(within_s, self._deadline_s, self._ring)
        elif self._timer.when() > self._deadline_s:
            self._set_anew()

    def _set_anew(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline_s, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._loop.time() < self._deadline_s:
            self._set_anew()
        elif self._late is not None:
            self._interrupt(self._late())

    def _listen(self) -> None:
        self._receiving = self._receive().__await__()
        self._drive()

    def _drive(self, _: object = None) -> None:
        """Run `receive()` up to its next wait, as a task's step would."""
        self._awaited = None
        if self._receiving is None:
            return
        try:
            future = next(self._receiving)
        except StopIteration as message:
            self._heard(message.value)
        except Exception:  # a server's `receive` that wants a task: its callers are not watched
            self._receiving = None
            _log.debug("cannot watch for the caller's hang-up", exc_info=True)
        else:
            if future is None:  # a bare `yield`, as of `asyncio.sleep(0)`
                self._loop.call_soon(self._drive)
                return
            future._asyncio_future_blocking = False  # what a task's step does: "I have seen that you wait"
            future.add_done_callback(self._drive)
            self._awaited = future

    def _heard(self, message: MutableMapping[str, Any]) -> None:
        self._receiving = None
        if message["type"] == "http.disconnect":
            self._gone()
        else:
            self._listen()

    def _gone(self) -> None:
        self._interrupt(CallerGone())

    def _interrupt(self, reason: Exception) -> None:
        if self._reason is None and self._task is not None:
            self._reason = reason
            self._task.cancel()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None  # it holds this: no cycle is left for Python's collector
        if self._exchange is not None:
            self._exchange.on_hang_up(None)
            return
        if self._awaited is not None:
            self._awaited.remove_done_callback(self._drive)
        receiving, self._receiving = self._receiving, None
        if receiving is not None:
            receiving.close()
