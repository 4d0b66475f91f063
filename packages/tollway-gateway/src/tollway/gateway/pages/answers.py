"""What the pages ask of a store, each a method that returns an object for JSON. All of it may block."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import orjson

from tollway.tracing.readers import Query, Trace, TraceReader, formats
from tollway.tracing.readers.views import time_of
from tollway.tracing.readers.words import parse, seconds_of
from tollway.tracing.store import FileStore
from tollway.tracing.summary import Summary

from . import aggregates, compare
from .facts import RowCache
from .listing import MAX_OPENED, MAX_S, Listing
from .news import News
from .reasons import Policy
from .spans import trace_object, whole_span

MAX_ROWS = 500
MAX_POINTS = 10_000
MAX_SUMMED = 1_000
"""Traces that a map or a flame graph is made of."""

MAX_SESSION = 200
"""Traces of a session that are shown."""


class NotFoundError(Exception):
    """There is no such thing, or not any more."""


class Answers:
    """Answers from one reader. For any number of threads."""

    def __init__(self, reader: TraceReader, policy: Policy, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._reader = reader
        self._policy = policy
        self._now_ns = now_ns
        self._listing = Listing(reader)
        self._rows = RowCache()
        self._news = News(reader) if isinstance(reader, FileStore) else None

    def ask(self, what: str, arguments: Mapping[str, Any]) -> bytes:
        """Return the JSON of an answer, by the name of its method. Raises NotFoundError and ValueError."""
        found = getattr(self, what)(**arguments)
        return orjson.dumps(found, default=plain, option=orjson.OPT_NON_STR_KEYS)

    def traces(
        self, q: str = "", limit: int = 100, cursor: str | None = None, order: str = "newest"
    ) -> dict[str, Any]:
        """Return a page of the list."""
        query = self._query(q, order_by=order)
        page = self._listing.page(query, max(1, min(limit, MAX_ROWS)), cursor)
        problems = []
        if page.looked_back_ns is not None:
            back = time_of(page.looked_back_ns).isoformat(sep=" ", timespec="seconds")
            problems = [f"looked back to {back}; the next page goes on from there"]
        is_all = cursor is None and page.cursor is None
        return {
            "traces": [self._rows.row(trace) for trace in page.traces],
            "next": page.cursor,
            "counted": {"matched": len(page.traces), "exact": is_all},
            "problems": problems,
        }

    def points(self, q: str = "", limit: int = MAX_POINTS) -> dict[str, Any]:
        """Return the dots of the plot, as columns."""
        found = [one.summary for one in self._some(q, min(limit, MAX_POINTS))]
        return points_of(found)

    def trace(self, trace_id: str) -> dict[str, Any]:
        """Return a whole trace. Raises NotFoundError."""
        return trace_object(self._trace(trace_id), self._policy)

    def span(self, trace_id: str, span_id: str) -> dict[str, Any]:
        """Return what the panel shows of one span. Raises NotFoundError."""
        trace = self._trace(trace_id)
        span = next((one for one in trace.spans if one.span_id == span_id), None)
        if span is None:
            raise NotFoundError(f"the trace has no span {span_id[:32]}")
        return whole_span(trace, span)

    def download(self, trace_id: str, form: str) -> dict[str, Any]:
        """Return a trace in a form that other tools read: `otlp` or `jaeger`. Raises NotFoundError."""
        trace = self._trace(trace_id)
        if form == "jaeger":
            return formats.jaeger_of(trace)
        if not isinstance(self._reader, FileStore):
            return formats.otlp_of(trace)
        lines = map(orjson.loads, self._reader.lines(trace.trace_id))
        return {"resourceSpans": [block for line in lines for block in line["resourceSpans"]]}

    def compare(self, a: str, b: str) -> dict[str, Any]:
        """Return two traces beside each other. Raises NotFoundError."""
        left, right = self._trace(a), self._trace(b)
        return {
            "a": trace_object(left, self._policy, details=False),
            "b": trace_object(right, self._policy, details=False),
            "pairs": compare.pairs_of(left, right),
            "text": compare.text_diff(left, right),
        }

    def sessions(self, q: str = "") -> dict[str, Any]:
        """Return the sessions of the newest traces."""
        return {"sessions": aggregates.sessions_of(self._few(q))}

    def session(self, session: str) -> dict[str, Any]:
        """Return one session as a thread. Raises NotFoundError."""
        query = Query(session=session, order_by="newest", limit=MAX_SESSION)
        found = self._reader.find(query)
        if not found:
            raise NotFoundError(f"no trace belongs to the session {session[:100]!r}")
        return aggregates.session_of(session, sorted(found, key=lambda trace: trace.summary.start_ns))

    def services(self, q: str = "", window: str = "1h") -> dict[str, Any]:
        """Return the map of services, of the last `15m`, `1h` or so. Raises ValueError."""
        window_s = seconds_of(window)
        if not window_s:
            raise ValueError(f"{window[:50]!r} is not a length of time: write 15m, 1h or 1d")
        since_ns = max(0, self._now_ns() - round(window_s * 1e9))
        return aggregates.services_of(self._few(q, since_ns=since_ns), window_s)

    def flame(self, q: str = "") -> dict[str, Any]:
        """Return the newest traces merged by the paths of their spans."""
        return aggregates.flame_of(self._few(q))

    def facets(self) -> dict[str, list[str]]:
        """Return names to complete filters with, as the newest traces have them."""
        traces = self._some("", MAX_SUMMED)
        rows = self._rows.known()
        return {
            "service": _names(trace.service for trace in traces),
            "kept": _names(trace.kept_because for trace in traces),
            "endpoint": _names(row["endpoint"] for row in rows),
            "model": _names(row["model"] for row in rows),
        }

    def news(self, q: str = "", after: int | None = None) -> dict[str, Any]:
        """Return the traces that came after a number, and the number to go on from (None: from now)."""
        if self._news is None:
            return {"traces": [], "last": 0}
        query = self._query(q)
        items, last = self._news.after(self._news.last if after is None else after, query)
        return {"traces": [[one.number, self._rows.row(one.trace)] for one in items], "last": last}

    def _query(self, q: str, **more: Any) -> Query:
        return parse(q, now_ns=self._now_ns(), query=Query(**more))

    def _trace(self, trace_id: str) -> Trace:
        trace = self._reader.get(trace_id)
        if trace is None:
            raise NotFoundError(
                f"there is no trace {trace_id[:64]} here: it was never kept, or was pruned since"
            )
        return trace

    def _some(self, q: str, limit: int, since_ns: int = 0) -> list[Trace]:
        """Return the newest traces that match, as far as they are found in a moment."""
        query = self._query(q)
        query = replace(query, since_ns=max(query.since_ns, since_ns))
        return list(islice(_matching(self._reader, query), limit))

    def _few(self, q: str, since_ns: int = 0) -> list[Trace]:
        return aggregates.limited(self._some(q, MAX_SUMMED, since_ns))


def points_of(found: Sequence[Summary]) -> dict[str, Any]:
    """Return the dots of a plot, as columns."""
    names = sorted({one.kept_because or "" for one in found})
    number = {name: at for at, name in enumerate(names)}
    return {
        "trace_id": [one.trace_id for one in found],
        "start_ms": [one.start_ns / 1e6 for one in found],
        "duration_ms": [one.duration_ns / 1e6 for one in found],
        "status": [int(one.status == "ERROR") for one in found],
        "kept": [number[one.kept_because or ""] for one in found],
        "kept_names": names,
    }


def _matching(reader: TraceReader, query: Query) -> Iterator[Trace]:
    """Yield what matches, until too much was opened, or it took too long."""
    ends_s = time.monotonic() + MAX_S
    for looked, (trace, matches) in enumerate(reader.scan(query), 1):
        if matches:
            yield trace
        if (query.reads_spans and looked >= MAX_OPENED) or time.monotonic() > ends_s:
            return


def _names(found: Iterable[str | None]) -> list[str]:
    return sorted({one for one in found if one})


def plain(value: Any) -> Any:
    """Return what JSON can say of an attribute's value."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, bytes):
        return {"bytes": len(value)}
    return str(value)
