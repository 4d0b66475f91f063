"""How many calls of `predict` run at the same time, by endpoint: those that hang stop no other endpoint."""

from __future__ import annotations

from collections.abc import MutableSequence
from typing import Protocol
from weakref import WeakSet


class Counters(Protocol):
    """Where calls are counted; see `telemetry.Metrics`."""

    cells: MutableSequence[float]

    def predict_calls(self, endpoint: str) -> tuple[int, int]:
        """Return the cells for the calls of an endpoint that run, and for those refused."""


class CallLimits:
    """The places of all endpoints that need some, those of earlier configurations among them."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._slots: WeakSet[CallSlots] = WeakSet()

    def slots_of(self, endpoint: str, count: int) -> CallSlots:
        """Return `count` new places for an endpoint."""
        slots = CallSlots(count, self._counters.cells, *self._counters.predict_calls(endpoint))
        self._slots.add(slots)
        return slots

    @property
    def taken(self) -> int:
        """How many calls run now."""
        return sum(slots.taken for slots in self._slots)


class CallSlots:
    """The places of one endpoint; used by one event loop alone.

    `cells[taken_at]` says how many are taken, `cells[refused_at]` how many calls found none free.
    """

    def __init__(self, count: int, cells: MutableSequence[float], taken_at: int, refused_at: int) -> None:
        self.count = count
        self._free = count
        self._cells = cells
        self._taken_at = taken_at
        self._refused_at = refused_at

    @property
    def taken(self) -> int:
        """How many calls run now."""
        return self.count - self._free

    def take(self) -> Slot | None:
        """Take a place for a call; None if all are taken."""
        if not self._free:
            self._cells[self._refused_at] += 1
            return None
        self._free -= 1
        self._cells[self._taken_at] += 1
        return Slot(self)

    def give_back(self) -> None:
        """Free a place; for `Slot`."""
        self._free += 1
        self._cells[self._taken_at] -= 1


class Slot:
    """The place of one call: its caller holds it, and so does everything of the call that still runs."""

    __slots__ = ("_holders", "_slots")

    def __init__(self, slots: CallSlots) -> None:
        self._slots = slots
        self._holders = 1

    def hold(self) -> None:
        """Note that one thing more runs."""
        self._holders += 1

    def leave(self) -> None:
        """Note that one thing has ended; the last one frees the place."""
        self._holders -= 1
        if not self._holders:
            self._slots.give_back()
