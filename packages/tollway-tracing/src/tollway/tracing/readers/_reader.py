"""What every reader of traces can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Unpack

from .query import Progress, Query, SearchOptions
from .views import Trace


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

    def search(self, *, progress: Progress | None = None, **options: Unpack[SearchOptions]) -> list[Trace]:
        """Return the traces that match all that is given, in order; `SearchOptions` says what can be given.

        Raises ValueError for a status or order that is none.
        """
        return self.find(Query.of(**options), progress)
