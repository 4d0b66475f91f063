"""Searching sealed days: rows in the asked order, and in their places those of the traces that grew since.

What was written to a day after it was sealed has rows in the indexes, as ever. Such a row is of the whole
trace, and stands in the buckets in which the sealed one is, so it is the one that counts.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from heapq import merge
from operator import itemgetter

from tollway.tracing.readers.query import FOREVER_NS, Query
from tollway.tracing.summary import Summary

from ._index import Row
from ._sealed import SealedDay
from ._segment import DamagedSegmentError, Segment

_logger = logging.getLogger(__name__)

Place = tuple[int, Row | tuple[str, Segment, int]]
"""A duration, and its row, or where that is: day, segment, number."""


def by_start(sealed: SealedDay, day: str, late: Mapping[str, Row], query: Query) -> Iterator[Row]:
    """Yield a sealed day's rows by start. late: those of the indexes, by trace."""
    newest = query.order_by == "newest"
    beside = sorted(late.values(), key=_start_of, reverse=newest)
    streams = [_rows(segment, day, late, query) for segment in sealed.segments]
    yield from merge(beside, *streams, key=_start_of, reverse=newest)


def _rows(segment: Segment, day: str, late: Collection[str], query: Query) -> Iterator[Row]:
    for number in _numbers(segment, query, newest=query.order_by == "newest"):
        if (row := _row(segment, number, day, late)) is not None:
            yield row


def _numbers(segment: Segment, query: Query, *, newest: bool) -> Iterable[int]:
    if query.min_duration_ns <= 0 and query.max_duration_ns >= FOREVER_NS:
        return segment.by_start(query.status, newest=newest)
    bounds_ns = query.min_duration_ns, query.max_duration_ns
    found = [row for _, row in segment.by_duration(*bounds_ns, slowest=False)]
    if query.status == "ERROR":
        found = [row for row in found if row in segment.failed]
    return sorted(found, reverse=newest)


def _start_of(row: Row) -> int:
    return row.summary.start_ns


def _row(segment: Segment, number: int, day: str, late: Collection[str]) -> Row | None:
    """Return a row; None for one of a trace that grew since, or that cannot be read."""
    try:
        trace_id, summary = segment.row(number)
    except DamagedSegmentError as error:
        _logger.error("cannot read a sealed row: %s", error)
        return None
    return None if summary is None or trace_id in late else _sealed_row(summary, day)


def _sealed_row(summary: Summary, day: str) -> Row:
    return Row(summary, 0, day)  # older than any row of the indexes


def by_duration(
    sealed: Mapping[str, SealedDay], bounds_ns: tuple[int, int], *, slowest: bool
) -> list[Iterator[Place]]:
    """Return, of each segment, the places of durations within bounds, in order."""
    return [
        _places(segment, day, bounds_ns, slowest=slowest)
        for day, found in sealed.items()
        for segment in found.segments
    ]


def _places(segment: Segment, day: str, bounds_ns: tuple[int, int], *, slowest: bool) -> Iterator[Place]:
    try:
        for duration_ns, number in segment.by_duration(*bounds_ns, slowest=slowest):
            yield duration_ns, (day, segment, number)
    except DamagedSegmentError as error:
        _logger.error("cannot read sealed durations: %s", error)


def merged(
    beside: Iterable[Row], streams: Iterable[Iterator[Place]], late: Collection[str], *, slowest: bool
) -> Iterator[Row]:
    """Yield rows of the indexes and of segments by duration; sealed ones are only read when it is their turn.

    late: traces that have rows in the indexes of sealed days.
    """
    rows: Iterator[Place] = ((row.summary.duration_ns, row) for row in beside)
    for _, found in merge(rows, *streams, key=itemgetter(0), reverse=slowest):
        if isinstance(found, Row):
            yield found
        elif (row := _row(found[1], found[2], found[0], late)) is not None:
            yield row
