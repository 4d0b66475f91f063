"""What every reader of traces can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Unpack

from .query import Progress, Query, SearchOptions
from .views import Trace

_SCANNED = 1_000
"""How many traces a reader that cannot go on where it stopped gives at most."""


class TraceReader(ABC):
    """Where traces are read from: the file store, or another backend with the same words."""

    @abstractmethod
    def get(self, trace_id: str) -> Trace | None:
        """Return a trace by its id (32 hex digits, any case), or None."""

    @abstractmethod
    def find(self, query: Query, progress: Progress | None = None) -> list[Trace]:
        """Return the traces that match a query, in its order, at most its limit.

        progress: told how far the reader is, where it has to open traces.
        """

    def scan(self, query: Query) -> Iterator[tuple[Trace, bool]]:
        """Yield traces in a query's order, whatever its limit, each with whether it matches.

        What does not match is told of only where the trace had to be opened to know. Nothing is read beyond
        what is taken, where the reader can do so.
        """
        for trace in self.find(replace(query, limit=_SCANNED)):
            yield trace, True

    def search(self, *, progress: Progress | None = None, **options: Unpack[SearchOptions]) -> list[Trace]:
        """Return the traces that match all that is given, in order; `SearchOptions` says what can be given.

        Raises ValueError for a status or order that is none.
        """
        return self.find(Query.of(**options), progress)
