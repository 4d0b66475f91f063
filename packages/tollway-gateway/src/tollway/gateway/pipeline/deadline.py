"""What may end a request early: its caller hangs up, or a time limit passes.

ASGI tells of a hang-up only to who awaits `receive()`, and the request's own task awaits the model. A task
beside it would cost every request its creation and two switches. Our own server tells of it by a call. Of any
other the `receive()` coroutine is driven by hand: each future it waits for gets a callback that drives it on.

Both kinds of interruption cancel the request's task, and `__exit__` turns that cancellation into the reason
for it.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from tollway.gateway.config.values import TimeoutConfig
from tollway.gateway.errors import CallerGone
from tollway.provider import UpstreamTimeoutError
from tollway.tracing.compiled import accept_proxies

from .exchange import Exchange

_log = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Ring = Callable[[], None]


class TimeLimit(NamedTuple):
    """Seconds within which something must come, and the error if it does not."""

    within_s: float
    error: Callable[[], Exception]


NEVER = TimeLimit(math.inf, TimeoutError)
"""No limit."""


class TimeLimits(NamedTuple):
    """The time limits of one endpoint: of whole answers only `whole` counts, of streams the others."""

    whole: TimeLimit
    half: TimeLimit
    """Of a whole answer, where another endpoint could be asked in the time that is left."""
    first: TimeLimit
    idle: TimeLimit
    total: TimeLimit


def time_limits(timeout: TimeoutConfig) -> TimeLimits:
    """Return the time limits that a config sets.

    A whole answer has one, on all of it: a model at work says nothing before it is done.
    """
    first_s, idle_s, total_s = timeout.first_token_s, timeout.idle_s, timeout.total_s
    return TimeLimits(
        _limit(total_s, "upstream_timeout", f"the model did not answer within {total_s:g} s"),
        _limit(total_s / 2, "upstream_timeout", f"the model did not answer within {total_s / 2:g} s"),
        _limit(first_s, "first_token_timeout", f"the model did not begin its answer within {first_s:g} s"),
        _limit(idle_s, "idle_timeout", f"the model fell silent for {idle_s:g} s"),
        _limit(total_s, "upstream_timeout", f"the model did not finish within {total_s:g} s"),
    )


def _limit(within_s: float, code: str, message: str) -> TimeLimit:
    return TimeLimit(within_s, lambda: UpstreamTimeoutError(message, code=code))


class Deadline:
    """The one deadline of a request, and within it the limit on what is awaited now.

    It begins when it is made. As a context manager it interrupts the task that entered it by raising the
    reason at the end of the `with` statement; it may be entered again, for the next attempt.
    """

    def __init__(
        self,
        receive: Receive,
        timers: Timers,
        exchange: Exchange | None = None,
        total: TimeLimit = NEVER,
    ) -> None:
        self._receive = receive
        self._exchange = exchange
        self._timers = timers
        self._total = total
        self._end_s = timers.now_s() + total.within_s
        self._task: asyncio.Task[Any] | None = None
        self.reason: Exception | None = None
        """Why the task that entered it is cancelled, until it leaves."""
        self._receiving: Generator[Any, None, Any] | None = None
        self._awaited: asyncio.Future[Any] | None = None
        self._timer: Timer | None = None
        self._when_s = 0.0
        self._error: Callable[[], Exception] | None = None

    def __enter__(self) -> Self:
        timers, exchange = self._timers, self._exchange
        self._task = asyncio.current_task(timers.loop)
        if exchange is None:
            self._listen()
        else:
            exchange.on_hang_up = self._gone
            if exchange.disconnected:
                self._gone()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_back: TracebackType | None
    ) -> None:
        timer, exchange = self._timer, self._exchange
        if timer is not None:
            timer.cancel()
            self._timer = None  # it holds this: no cycle is left for Python's collector
        if exchange is None:
            self._stop_listening()
        else:
            exchange.on_hang_up = None
        reason, self.reason = self.reason, None
        if reason is None or self._task is None:
            return
        try:
            if self._task.uncancel() == 0 and kind is asyncio.CancelledError:
                raise reason from None
        finally:
            del reason  # its traceback holds this frame

    def left_s(self) -> float:
        """Return the seconds until the deadline."""
        timers = self._timers
        return max(0.0, self._end_s - timers.now_s())

    def expect(self, limit: TimeLimit) -> Self:
        """Interrupt unless the next call of this comes within the limit and before the deadline.

        Returns itself, to be entered. Cheap to call for every event of a stream: a timer that rings early is
        set anew only then.
        """
        timers = self._timers
        within_s, error = limit
        when_s = timers.now_s() + within_s
        if when_s > self._end_s:
            within_s, error = self._total
            when_s = self._end_s
        self._error = error
        self._when_s = when_s
        if self._timer is None:
            self._timer = timers.set(within_s, when_s, self._ring)
        elif self._timer.when() > when_s:
            self._set_anew()
        return self

    def expect_caller(self) -> None:
        """Give the caller until the deadline to take what it has; one that never does is as good as gone."""
        self._error = CallerGone
        self._when_s = self._end_s

    def _set_anew(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        timers = self._timers
        self._timer = timers.loop.call_at(self._when_s, self._ring)

    def _ring(self) -> None:
        timers = self._timers
        self._timer = None
        if timers.now_s() < self._when_s:
            self._set_anew()
        elif self._error is not None:
            self._interrupt(self._error())

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
                timers = self._timers
                timers.loop.call_soon(self._drive)
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
        if self.reason is None and self._task is not None:
            self.reason = reason
            self._task.cancel()

    def _stop_listening(self) -> None:
        if self._awaited is not None:
            self._awaited.remove_done_callback(self._drive)
        receiving, self._receiving = self._receiving, None
        if receiving is not None:
            receiving.close()


class Timer(Protocol):
    """What was set; asyncio's own handles are such timers too."""

    def when(self) -> float:
        """Return the time at which it rings, by the loop's clock."""

    def cancel(self) -> None:
        """Do not ring."""


class Timers:
    """Sets timers on the running event loop: many time limits at the price of few of the loop's timers.

    Requests with the same time limit reach it in the order in which they began, so one timer of the loop, set
    for the oldest, serves them all: a lane. Nearly every request ends before its limit: it then leaves a
    dictionary, where else a timer would be made and cancelled. There is a lane for each limit of the config.
    A timer out of its lane's order (what is left to a second attempt) is one of the loop's own.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.lanes: dict[float, _Lane] = {}
        self._time = self.loop.time

    def now_s(self) -> float:
        """Return the time by the loop's clock."""
        return self._time()

    def set(self, within_s: float, when_s: float, ring: Ring) -> Timer:
        """Call `ring` at `when_s`, by the loop's clock, in the lane of the limit `within_s`."""
        lanes = self.lanes
        lane = lanes.get(within_s)
        if lane is None:
            lane = lanes[within_s] = _Lane(self.loop)
        if when_s < lane.last_s:
            return self.loop.call_at(when_s, ring)
        return _Entry(lane, when_s, ring)


class _Lane:
    """Timers in the order in which they ring."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.entries: dict[_Entry, None] = {}
        self.last_s = 0.0
        self._loop = loop
        self.handle: asyncio.TimerHandle | None = None

    def wake_at(self, when_s: float) -> None:
        """Set the loop's timer for the oldest entry."""
        self.handle = self._loop.call_at(when_s, self._ring)

    def _ring(self) -> None:
        self.handle = None
        entries, now_s = self.entries, self._loop.time()
        due = []
        for entry in entries:
            if entry.when() > now_s:
                self.wake_at(entry.when())
                break
            due.append(entry)
        for entry in due:
            if entries.pop(entry, entry) is None:
                entry.ring()


class _Entry:
    """One timer in its lane."""

    def __init__(self, lane: _Lane, when_s: float, ring: Ring) -> None:
        self._lane = lane
        self._when_s = when_s
        self.ring = ring
        entries = lane.entries
        entries[self] = None
        lane.last_s = when_s
        if lane.handle is None:
            lane.wake_at(when_s)

    def when(self) -> float:
        """See `Timer.when`."""
        return self._when_s

    def cancel(self) -> None:
        """See `Timer.cancel`."""
        lane = self._lane
        entries = lane.entries
        entries.pop(self, None)


accept_proxies(Deadline, Timers, _Lane, _Entry)
