"""Counting over the last seconds, in a ring of slots: exact to one slot, of constant size."""

from __future__ import annotations

from collections.abc import Callable

Clock = Callable[[], float]
"""Monotonic time in seconds."""

_SLOTS = 10


class SlidingCount:
    """How many of something there were in the last `window_s` seconds, the current tenth of them included."""

    __slots__ = ("_clock_s", "_counts", "_slot", "_slot_s", "_total")

    def __init__(self, window_s: float, clock_s: Clock) -> None:
        self._clock_s = clock_s
        self._slot_s = window_s / _SLOTS
        self._counts = [0] * _SLOTS
        self._slot = int(clock_s() / self._slot_s)
        self._total = 0

    def add(self) -> None:
        """Count one more."""
        slot = int(self._clock_s() / self._slot_s)
        if slot != self._slot:
            self._advance(slot)
        self._counts[slot % _SLOTS] += 1
        self._total += 1

    def total(self) -> int:
        """Return how many there were."""
        slot = int(self._clock_s() / self._slot_s)
        if slot != self._slot:
            self._advance(slot)
        return self._total

    def clear(self) -> None:
        """Forget them."""
        self._counts = [0] * _SLOTS
        self._total = 0

    def _advance(self, slot: int) -> None:
        """Forget the slots that have left the window."""
        for passed in range(max(self._slot + 1, slot - _SLOTS + 1), slot + 1):
            place = passed % _SLOTS
            self._total -= self._counts[place]
            self._counts[place] = 0
        self._slot = slot
