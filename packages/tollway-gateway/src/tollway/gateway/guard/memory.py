"""One budget for the memory of all requests in flight: their bodies, and what is parsed of them.

Large requests may use three quarters of the budget together, and a quarter is always there for small ones. A
large request that is the only one is admitted whatever it needs: other settings bound each body. Used by one
event loop alone.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, MutableMapping, MutableSequence
from typing import Any

from tollway.tracing.compiled import accept_proxies

from .json_size import BYTES_PER_NODE, nodes_and_depth, text_bytes

_STATE_KEY = "tollway.memory"
"""Where a lifespan's state has the budget, for the server."""

_LARGE_BYTES = 1024 * 1024
"""A request that needs more memory than this is a large one."""

SMALL_BODY_BYTES = 64 * 1024
"""Up to this size a body's memory is estimated by its length alone while most of the budget is free."""

_COPIES = 2
"""The body itself, and the one that is sent to the model."""


class MemoryBudget:
    """Bytes that may be held at once; how many are is kept in `cells[at]`, a gauge of the metrics.

    `cells` is a buffer of doubles.
    """

    def __init__(self, max_bytes: int, cells: MutableSequence[float] | None = None, at: int = 0) -> None:
        self._max = max_bytes
        self._max_large = max_bytes * 3 // 4
        self._for_small = max_bytes - self._max_large
        self._max_unmeasured = max_bytes // 8
        self._large = 0
        self._unread = 0
        self._cells: MutableSequence[float] = array("d", [0.0]) if cells is None else cells
        self._at = at

    @property
    def held(self) -> int:
        """Bytes held now."""
        cells = self._cells
        return int(cells[self._at])

    def has_plenty(self) -> bool:
        """Say whether so little is held that a rough estimate is good enough."""
        cells = self._cells
        return cells[self._at] < self._max_unmeasured

    def take(self, count: int, already: int) -> bool:
        """Hold `count` bytes more for a request that holds `already`; False if there is no room for them."""
        cells = self._cells
        held = cells[self._at]
        if already + count <= _LARGE_BYTES:
            if count > self._max - held and count > self._for_small - (held - self._large - self._unread):
                return False
        else:
            was_large = already > _LARGE_BYTES
            others = self._large - already if was_large else self._large
            if others and (count > self._max - held or others + already + count > self._max_large):
                return False
            self._large = others + already + count
        cells[self._at] = held + count
        return True

    def count_unread(self, more: int) -> bool:
        """Count bytes that connections hold and no request has read yet (less of them, where it is negative).

        They are held already; False if there was no room for them: not in what large requests may use.
        """
        cells = self._cells
        self._unread += more
        cells[self._at] += more
        return self._unread + self._large <= self._max_large and cells[self._at] <= self._max

    def give_back(self, count: int) -> None:
        """Hold no longer what one request held in all."""
        cells = self._cells
        cells[self._at] -= count
        if count > _LARGE_BYTES:
            self._large -= count


def share_with_server(scope: MutableMapping[str, Any], current: Callable[[], MemoryBudget]) -> None:
    """Have our own server count what its connections hold; `scope` is the lifespan's."""
    state = scope.get("state")
    if state is not None:
        state[_STATE_KEY] = current


def shared_budget(app_state: MutableMapping[str, Any]) -> Callable[[], MemoryBudget]:
    """Return what gives the budget that an application shares; one without a bound if it has none."""
    unbounded = MemoryBudget(2**62)
    return app_state.get(_STATE_KEY) or (lambda: unbounded)


class Hold:
    """What one request holds of the budget."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self._bytes = 0

    def grow_to(self, count: int) -> bool:
        """Hold `count` bytes if it is less so far; False if there is no room."""
        budget, more = self._budget, count - self._bytes
        if more <= 0:
            return True
        if not budget.take(more, self._bytes):
            return False
        self._bytes = count
        return True

    def measure(self, body: bytes, payload: object) -> int:
        """Return the memory that a body and its parsed form take, in bytes."""
        budget = self._budget
        if len(body) <= SMALL_BODY_BYTES and budget.has_plenty():
            return 2 * _COPIES * len(body)
        nodes, _ = nodes_and_depth(payload)
        return _COPIES * len(body) + text_bytes(body) + BYTES_PER_NODE * nodes

    def release(self) -> None:
        """Give everything back."""
        budget, count = self._budget, self._bytes
        self._bytes = 0
        if count:
            budget.give_back(count)


accept_proxies(MemoryBudget, Hold)
