"""Time limits of many requests at the price of few timers.

Requests with the same time limit reach it in the order in which they began, so one timer of the event loop,
set for the oldest, serves them all. Nearly every request ends before its limit: it then leaves a dictionary,
where else a timer would be made and cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

Ring = Callable[[], None]


class Timer(Protocol):
    """What was set; asyncio's own handles are such timers too."""

    def when(self) -> float:
        """Return the time at which it rings, by the loop's clock."""

    def cancel(self) -> None:
        """Do not ring."""


class Timers:
    """Sets timers on the running event loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._lanes: dict[float, _Lane] = {}

    def set(self, within_s: float, when_s: float, ring: Ring) -> Timer:
        """Call `ring` at `when_s`, which is `within_s` seconds from now; give few different `within_s`."""
        lane = self._lanes.get(within_s)
        if lane is None:
            lane = self._lanes[within_s] = _Lane(self.loop)
        return _Entry(lane, when_s, ring)


class _Lane:
    """Timers of one length, the oldest first."""

    __slots__ = ("_handle", "_loop", "entries")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.entries: dict[_Entry, None] = {}
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None

    def wake_at(self, when_s: float) -> None:
        """See to it that the loop's timer rings no later than the oldest entry."""
        if self._handle is None:
            self._handle = self._loop.call_at(when_s, self._ring)

    def _ring(self) -> None:
        self._handle = None
        now_s = self._loop.time()
        due = []
        for entry in self.entries:
            if entry.when() > now_s:
                self.wake_at(entry.when())
                break
            due.append(entry)
        for entry in due:
            if self.entries.pop(entry, entry) is None:
                entry.ring()


class _Entry:
    """One timer in its lane."""

    __slots__ = ("_lane", "_when_s", "ring")

    def __init__(self, lane: _Lane, when_s: float, ring: Ring) -> None:
        self._lane = lane
        self._when_s = when_s
        self.ring = ring
        lane.entries[self] = None
        lane.wake_at(when_s)

    def when(self) -> float:
        """See `Timer.when`."""
        return self._when_s

    def cancel(self) -> None:
        """See `Timer.cancel`."""
        self._lane.entries.pop(self, None)
