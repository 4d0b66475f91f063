"""Following a store: the summaries that any process adds, by what its indexes got since the last look.

A look costs a `stat` of each bucket of two days; only those that grew are read, from where they ended.
"""

from __future__ import annotations

import os
from collections import OrderedDict

from tollway.tracing.readers import Query, Trace
from tollway.tracing.summary import Summary

from ._index import BY_STATUS, bucket_file, buckets_in, row_of
from ._reader import StoreReader

MAX_REMEMBERED = 4_096
"""Traces whose last summary is remembered: a row that says the same again is no news."""

_DAYS = 2
"""The newest days that are looked at: about midnight both get rows."""


class Follower:
    """Tells what is new in a store. What was there before it was made is not."""

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self._read = {path: state for path, _ in self._buckets() if (state := _state_of(path)) is not None}
        self._last: OrderedDict[str, Summary] = OrderedDict()

    def new(self, query: Query) -> list[Trace]:
        """Return the traces that are new or have grown since the last call, as they were written."""
        rows = [row for path, day in self._buckets() for row in self._added(path, day)]
        found = []
        for _, summary in sorted(rows):
            if self._last.get(summary.trace_id) == summary:
                continue
            self._last[summary.trace_id] = summary
            self._last.move_to_end(summary.trace_id)
            if len(self._last) > MAX_REMEMBERED:
                self._last.popitem(last=False)
            trace = self._reader.trace(summary)
            if query.admits(summary) and (not query.reads_spans or query.matches(trace.spans)):
                found.append(trace)
        return found

    def _buckets(self) -> list[tuple[str, str]]:
        layout = self._reader.layout
        return [
            (bucket_file(layout, BY_STATUS, day, bucket), day)
            for day in layout.days()[-_DAYS:]
            for bucket in buckets_in(layout, BY_STATUS, day)
        ]

    def _added(self, path: str, day: str) -> list[tuple[int, Summary]]:
        """Return what a bucket got, each with its stamp; a line that is not whole is left for later."""
        inode, known = self._read.get(path, (0, 0))
        if (state := _state_of(path)) is None:
            return []
        if state[0] != inode or state[1] < known:
            known = 0  # it was made anew, by `reindex` or a seal
        if state[1] == known:
            return []
        data = self._reader.layout.files.read(path, known)
        whole = data.rfind(b"\n") + 1
        self._read[path] = state[0], known + whole
        rows = [row_of(line, day) for line in data[:whole].split(b"\n") if line]
        return [(row.written_ns, row.summary) for row in rows if row is not None]


def _state_of(path: str) -> tuple[int, int] | None:
    """Return which file it is, and its size."""
    try:
        state = os.stat(path)
    except FileNotFoundError:
        return None
    return state.st_ino, state.st_size
