"""What is new in a store, for pages that are open: one follower for all of them, and the last rows it saw."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

from tollway.tracing.readers import Query, Trace
from tollway.tracing.store import FileStore, Follower

MAX_KEPT = 1_000
"""Traces that a page which was away for a moment can still get."""

EVERY_S = 0.3
"""How often the store is looked at, at most."""


class Item(NamedTuple):
    """A trace that came, or grew, and its number."""

    number: int
    trace: Trace


class News:
    """Numbers what comes. For any number of threads."""

    def __init__(self, store: FileStore, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._follower = Follower(store)
        self._clock_s = clock_s
        self._looked_s = float("-inf")
        self._lock = Lock()
        self._items: deque[Item] = deque(maxlen=MAX_KEPT)
        self.last = 0
        """The number of what came last."""

    def after(self, number: int, query: Query) -> tuple[list[Item], int]:
        """Return what came after a number and matches, and the number to go on from."""
        with self._lock:
            if self._clock_s() - self._looked_s >= EVERY_S:
                self._looked_s = self._clock_s()
                for trace in self._follower.new(_ALL):
                    self.last += 1
                    self._items.append(Item(self.last, trace))
            items, last = list(self._items), self.last
        if number > last:  # of an earlier process: what came since is not known
            return [], last
        found = [one for one in items if one.number > number and _matches(query, one.trace)]
        return found, last


_ALL = Query()


def _matches(query: Query, trace: Trace) -> bool:
    return query.admits(trace.summary) and (not query.reads_spans or query.matches(trace.spans))
