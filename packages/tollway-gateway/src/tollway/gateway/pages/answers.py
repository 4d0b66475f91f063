"""What the pages ask of a store, each a method that returns an object for JSON. All of it may block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from tollway.tracing.readers import Query, TraceReader

from .facts import row_of
from .spans import trace_object

MAX_ROWS = 500
MAX_POINTS = 10_000


class NotFoundError(Exception):
    """There is no such thing, or not any more."""


class Answers:
    """Answers from one reader."""

    def __init__(self, reader: TraceReader) -> None:
        self._reader = reader

    def ask(self, what: str, arguments: Mapping[str, Any]) -> bytes:
        """Return the JSON of an answer, by the name of its method. Raises NotFoundError and ValueError."""
        found = getattr(self, what)(**arguments)
        return orjson.dumps(found, default=_plain, option=orjson.OPT_NON_STR_KEYS)

    def traces(self, limit: int = 100) -> dict[str, Any]:
        """Return a page of the list."""
        found = self._reader.find(Query(limit=min(limit, MAX_ROWS)))
        rows = [row_of(trace) for trace in found]
        return {"traces": rows, "next": None, "counted": None, "problems": []}

    def points(self, limit: int = MAX_POINTS) -> dict[str, Any]:
        """Return the dots of the plot, as columns."""
        found = [one.summary for one in self._reader.find(Query(limit=min(limit, MAX_POINTS)))]
        names = sorted({one.kept_because or "" for one in found})
        return {
            "trace_id": [one.trace_id for one in found],
            "start_ms": [one.start_ns / 1e6 for one in found],
            "duration_ms": [one.duration_ns / 1e6 for one in found],
            "status": [int(one.status == "ERROR") for one in found],
            "kept": [names.index(one.kept_because or "") for one in found],
            "kept_names": names,
        }

    def trace(self, trace_id: str) -> dict[str, Any]:
        """Return a whole trace. Raises NotFoundError."""
        trace = self._reader.get(trace_id)
        if trace is None:
            raise NotFoundError(f"there is no trace {trace_id} here")
        return trace_object(trace)


def _plain(value: Any) -> Any:
    """Return what JSON can say of an attribute's value."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, bytes):
        return {"bytes": len(value)}
    return str(value)
