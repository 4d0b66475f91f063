"""Searching the indexes: rows in the asked order, read from the buckets that can hold them and no others."""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from heapq import nlargest

from tollway.tracing.readers.query import FOREVER_NS, Query
from tollway.tracing.summary import NS_PER_DAY, day_of

from . import _sealed_search
from ._files import Files, whole_lines
from ._index import (
    BY_DURATION,
    BY_STATUS,
    TRACE_ID,
    Row,
    bucket_file,
    buckets_in,
    key_line,
    octave_of,
    row_of,
    status_buckets,
    written_of,
)
from ._layout import Layout
from ._sealed import SealedDay, SealedDays

BLOCK_BYTES = 65_536
"""The first bite from the end of a bucket when the newest are wanted; later bites double."""

SLACK_NS = 5_000_000_000
"""How far rows of several processes may lie out of order of writing."""

FIRST_RANKED = 256
"""How many of a duration bucket are ranked at first: ranking a few beats sorting all."""


def rows(layout: Layout, sealed: SealedDays, query: Query) -> Iterator[Row]:
    """Yield each admitted trace's row once, in the asked order."""
    seen: set[str] = set()
    ordered = _by_duration if query.order_by in ("slowest", "fastest") else _by_start
    for found in ordered(layout, sealed, query):
        trace_id = found.summary.trace_id
        if trace_id not in seen:
            seen.add(trace_id)
            if query.admits(found.summary):
                yield found


def _days(layout: Layout, sealed: SealedDays, index: str, query: Query) -> list[str]:
    """Return the days to look at. A merged trace may start the day before the day of its file."""
    first = day_of(query.since_ns) if query.since_ns > 0 else ""
    last = day_of(query.until_ns + NS_PER_DAY) if query.until_ns < FOREVER_NS else "9999-99-99"
    # The indexes first: rows that go into a segment meanwhile are then found there.
    days = {*layout.indexed_days(index), *sealed.days()}
    return sorted(day for day in days if first <= day <= last)


def _by_start(layout: Layout, sealed: SealedDays, query: Query) -> Iterator[Row]:
    days = _days(layout, sealed, BY_STATUS, query)
    newest = query.order_by == "newest"
    for day in reversed(days) if newest else days:
        tails, segments = sealed.together(day, lambda day=day: _Tails(layout, day, query))  # type: ignore[misc]  # its default
        with tails:
            if segments.segments:
                late = _latest(tails.lines(), day)
                yield from _sealed_search.by_start(segments, day, late, query)
            elif (smaller := _few_by_duration(layout, day, query, tails.files)) is not None:
                found = _latest(_lines(layout, smaller), day).values()
                yield from sorted(found, key=_start_of, reverse=newest)
            elif newest:
                yield from _newest(tails.tails, day)
            else:
                yield from sorted(_latest(tails.lines(), day).values(), key=_start_of)


def _start_of(row: Row) -> int:
    return row.summary.start_ns


def _few_by_duration(layout: Layout, day: str, query: Query, files: Sequence[str]) -> list[str] | None:
    """Return a day's duration buckets, where they are so much smaller that sorting them is cheaper."""
    if query.min_duration_ns <= 0 and query.max_duration_ns >= FOREVER_NS:
        return None
    buckets = [bucket for bucket in buckets_in(layout, BY_DURATION, day) if _may_hold(bucket, query)]
    smaller = [bucket_file(layout, BY_DURATION, day, bucket) for bucket in buckets]
    return smaller if _bytes_of(smaller) * 8 < _bytes_of(files) else None


def _bytes_of(files: Sequence[str]) -> int:
    return sum(os.path.getsize(file) for file in files if os.path.exists(file))


def _lines(layout: Layout, files: Iterable[str]) -> list[bytes]:
    return [line for file in files for line in whole_lines(layout.files.read(file))[0]]


def _latest(lines: Iterable[bytes], day: str) -> dict[str, Row]:
    """Return of each trace the row written last."""
    last: dict[str, Row] = {}
    for line in lines:
        if (row := row_of(line, day)) is not None:
            known = last.get(row.summary.trace_id)
            if known is None or row.written_ns >= known.written_ns:
                last[row.summary.trace_id] = row
    return last


class _Tails:
    """A day's buckets by status as they are now, open: nothing that is removed later is missed."""

    def __init__(self, layout: Layout, day: str, query: Query) -> None:
        buckets = status_buckets(query.status) if query.status else buckets_in(layout, BY_STATUS, day)
        self.files = [bucket_file(layout, BY_STATUS, day, bucket) for bucket in buckets]
        self.tails = [_Tail(layout.files, file) for file in self.files]

    def lines(self) -> list[bytes]:
        """Return all lines, each bucket's from its start."""
        return [line for tail in self.tails for line in tail.all()]

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        for tail in self.tails:
            tail.close()


class _Tail:
    """Reads a file backwards, bite by bite, in whole lines."""

    def __init__(self, files: Files, path: str) -> None:
        self._file = files.open(path)
        self._left = 0 if self._file is None else os.fstat(self._file.fileno()).st_size
        self._bite = BLOCK_BYTES
        self._broken = b""
        self.bound_ns = 0 if self._left == 0 else 2**63
        """No row that is still unread starts after this."""

    def more(self) -> list[bytes]:
        """Return the next lines, those nearest the end."""
        if self._left == 0:
            return []
        start = max(0, self._left - self._bite)
        data = self._read(start, self._left - start) + self._broken
        self._left, self._bite = start, self._bite * 2
        self._broken = b""
        if start:
            self._broken, found, data = data.partition(b"\n")
            self._broken += found
        lines = [line for line in data.split(b"\n") if line]
        self.bound_ns = written_of(lines[0]) + SLACK_NS if start and lines else 2**63 if start else 0
        return lines

    def all(self) -> list[bytes]:
        """Return all whole lines, from the start."""
        return whole_lines(self._read(0, self._left))[0]

    def _read(self, start: int, size: int) -> bytes:
        return b"" if self._file is None else os.pread(self._file.fileno(), size, start)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()


def _newest(tails: Sequence[_Tail], day: str) -> Iterator[Row]:
    """Yield rows by start, latest first, reading no further back than asked.

    Rows lie in the order of writing, and a trace starts before it is written: once the last row of a bite was
    written at T, no row before it starts after T.
    """
    pending: dict[str, tuple[int, bytes]] = {}
    while True:
        behind = max(tails, key=lambda tail: tail.bound_ns, default=None)
        bound_ns = behind.bound_ns if behind else 0
        ready = sorted((line for _, line in pending.values() if line >= key_line(bound_ns)), reverse=True)
        for line in ready:
            if (row := row_of(line, day)) is not None:
                yield row
        if behind is None or bound_ns == 0:
            return
        pending = {key: item for key, item in pending.items() if item[1] < key_line(bound_ns)}
        for line in behind.more():
            trace_id, written_ns = line[TRACE_ID].decode(errors="replace"), written_of(line)
            if written_ns >= pending.get(trace_id, (0, b""))[0]:
                pending[trace_id] = (written_ns, line)


def _by_duration(layout: Layout, sealed: SealedDays, query: Query) -> Iterator[Row]:
    """Yield rows by duration. A trace only ever grows, so its longest row is its latest."""
    days = _days(layout, sealed, BY_DURATION, query)
    slowest = query.order_by == "slowest"
    octaves: defaultdict[str, list[str]] = defaultdict(list)
    for day in days:
        # The indexes first: rows that go into a segment meanwhile are then found there.
        buckets = set(buckets_in(layout, BY_DURATION, day))
        buckets.update(f"{octave:02d}" for one in sealed.day(day).segments for octave in one.octaves)
        for bucket in buckets:
            octaves[bucket].append(day)
    for bucket in sorted((bucket for bucket in octaves if _may_hold(bucket, query)), reverse=slowest):
        yield from _of_octave(layout, sealed, octaves[bucket], bucket, slowest=slowest)


def _of_octave(
    layout: Layout, sealed: SealedDays, days: Sequence[str], bucket: str, *, slowest: bool
) -> Iterator[Row]:
    lines: list[tuple[bytes, str]] = []
    segments: dict[str, SealedDay] = {}
    late: set[str] = set()
    for day in days:
        path = bucket_file(layout, BY_DURATION, day, bucket)
        found, parts = sealed.together(day, lambda path=path: _lines(layout, [path]))  # type: ignore[misc]  # its default
        lines += [(line, day) for line in found]
        if parts.segments:
            segments[day] = parts
            late.update(line[TRACE_ID].decode(errors="replace") for line in found)
    ordered = _slowest(lines) if slowest else _fastest(lines, int(bucket))
    streams = _sealed_search.by_duration(segments, _bounds_ns(int(bucket)), slowest=slowest)
    yield from _sealed_search.merged(ordered, streams, late, slowest=slowest)


def _bounds_ns(octave: int) -> tuple[int, int]:
    """Return the shortest and the longest duration of an octave."""
    return (1000 << octave - 1 if octave else 0), (1000 << octave) - 1


def _may_hold(bucket: str, query: Query) -> bool:
    if not (bucket.isascii() and bucket.isdigit()):
        return False
    return octave_of(query.min_duration_ns) <= int(bucket) <= octave_of(query.max_duration_ns)


def _slowest(lines: list[tuple[bytes, str]]) -> Iterator[Row]:
    ranked = nlargest(FIRST_RANKED, lines)
    for line, day in ranked:
        if (row := row_of(line, day)) is not None:
            yield row
    if len(lines) > FIRST_RANKED:
        lines.sort(reverse=True)
        yield from (row for line, day in lines[FIRST_RANKED:] if (row := row_of(line, day)) is not None)


def _fastest(lines: list[tuple[bytes, str]], bucket: int) -> Iterator[Row]:
    lines.sort()
    last = {line[TRACE_ID]: line for line, _ in lines}  # the longest is the latest
    for line, day in lines:
        row = row_of(line, day) if last[line[TRACE_ID]] is line else None
        if (
            row is not None and octave_of(row.summary.duration_ns) == bucket
        ):  # else it grew out of this bucket
            yield row
