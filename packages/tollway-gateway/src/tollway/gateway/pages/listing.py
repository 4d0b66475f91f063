"""Lists of traces a page at a time: a search goes on where the page before it stopped."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from threading import Lock
from typing import NamedTuple

from tollway.tracing.readers import Query, Trace, TraceReader
from tollway.tracing.summary import Summary

MAX_OPEN = 16
"""Searches that wait for somebody to turn the page."""

MAX_OPENED = 5_000
"""Traces that are opened for one page, if the query needs that."""

MAX_S = 1.5
"""How long one page may be looked for."""

Scan = Iterator[tuple[Trace, bool]]


class Page(NamedTuple):
    """Some of the traces that match."""

    traces: list[Trace]
    cursor: str | None
    """Where the next page begins; None where there is no more."""
    looked_back_ns: int | None
    """Where the search gave up for now, by the start of the trace that it looked at last."""


class Listing:
    """Pages of the traces of one reader. For any number of threads."""

    def __init__(self, reader: TraceReader, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._reader = reader
        self._clock_s = clock_s
        self._open: OrderedDict[tuple[Query, str], Scan] = OrderedDict()
        self._lock = Lock()

    def page(self, query: Query, limit: int, cursor: str | None = None) -> Page:
        """Return the next `limit` traces. Raises ValueError for a cursor that is none."""
        query = replace(query, limit=0)  # the same search, whatever its pages' size
        scan = self._first(query) if cursor is None else self._following(query, cursor)
        ends_s = self._clock_s() + MAX_S
        found: list[Trace] = []
        last: Summary | None = None
        for looked, (trace, matches) in enumerate(scan, 1):
            last = trace.summary
            if matches:
                found.append(trace)
            is_tired = (query.reads_spans and looked >= MAX_OPENED) or self._clock_s() > ends_s
            if len(found) >= limit or is_tired:
                following = _cursor_of(query, last)
                self._keep(query, following, scan)
                return Page(found, following, last.start_ns if len(found) < limit else None)
        return Page(found, None, None)

    def _first(self, query: Query) -> Scan:
        return self._reader.scan(query)

    def _following(self, query: Query, cursor: str) -> Scan:
        with self._lock:
            scan = self._open.pop((_key(query), cursor), None)
        return scan if scan is not None else _resumed(self._reader, query, cursor)

    def _keep(self, query: Query, cursor: str, scan: Scan) -> None:
        with self._lock:
            self._open[_key(query), cursor] = scan
            if len(self._open) > MAX_OPEN:
                self._open.popitem(last=False)


def _key(query: Query) -> Query:
    """Return a query that is equal for equal searches, and can be the key of a dict."""
    return replace(query, attribute=_Pairs(query.attribute), feedback=_Pairs(query.feedback))


class _Pairs(dict[str, object]):
    """Pairs that can be part of a key."""

    def __hash__(self) -> int:  # type: ignore[override]  # a dict has none, because it may change: these do not
        return hash(tuple(sorted(self)))


def _cursor_of(query: Query, last: Summary) -> str:
    by_start = query.order_by in ("newest", "oldest")
    return f"{last.start_ns if by_start else last.duration_ns}-{last.trace_id}"


def _resumed(reader: TraceReader, query: Query, cursor: str) -> Scan:
    """Search again from a cursor on, whose search is gone: in another process, or a while ago."""
    key, dash, trace_id = cursor.partition("-")
    if not (dash and key.isascii() and key.isdigit()):
        raise ValueError(f"{cursor[:100]!r} is not a cursor: use the one that a page gave as `next`")
    scan = reader.scan(_from(query, int(key)))
    same: list[tuple[Trace, bool]] = []
    for trace, matches in scan:
        if int(_cursor_of(query, trace.summary).partition("-")[0]) != int(key):
            return chain(same, [(trace, matches)], scan)
        same = [] if trace.trace_id == trace_id else [*same, (trace, matches)]
    return iter(same)


def _from(query: Query, key: int) -> Query:
    match query.order_by:
        case "newest":
            return replace(query, until_ns=min(query.until_ns, key))
        case "oldest":
            return replace(query, since_ns=max(query.since_ns, key))
        case "slowest":
            return replace(query, max_duration_ns=min(query.max_duration_ns, key))
        case "fastest":
            return replace(query, min_duration_ns=max(query.min_duration_ns, key))
