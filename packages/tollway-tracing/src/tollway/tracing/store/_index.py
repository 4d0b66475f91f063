"""The indexes: append-only rows, bucketed by day and by status, and by day and duration octave.

A row is a JSON array. Its first element is the sort key of its index in fixed-width hex, so that raw lines
sort as their keys do, and only the rows that a query returns are parsed. A trace that grew (late spans,
another process) gets a newer row in its buckets, and one in each that it leaves: the row written last is the
true one, and shows there that the trace has left.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import orjson

from tollway.tracing.summary import Summary, trace_status

from ._layout import INDEXES, Layout

BY_STATUS = "by_status"
BY_DURATION = "by_duration"

TRACE_ID = slice(40, 72)
"""Where a line has its trace id."""

_WRITTEN = slice(21, 37)


class Row(NamedTuple):
    """A summary as an index knows it, and when it was written."""

    summary: Summary
    written_ns: int
    day: str
    """The folder that its file was written to."""


def octave_of(duration_ns: int) -> int:
    """Return the duration's octave: 0 below a microsecond, then one more for each doubling."""
    return (duration_ns // 1000).bit_length()


def key_line(key: int) -> bytes:
    """Return the beginning of a line with this key: it sorts before that line and after all smaller keys."""
    return b'["%016x' % max(0, key)


def written_of(line: bytes) -> int:
    """Return when a row was written; the far future for a line that is torn, so that nobody stops there."""
    try:
        return int(line[_WRITTEN], 16)
    except ValueError:
        return 2**62


def row_of(line: bytes, day: str) -> Row | None:
    """Return the row of a line; None for a line that is torn."""
    try:
        _, written, *fields = orjson.loads(line)
        summary = Summary(*fields)
        row = Row(summary._replace(status=trace_status(summary.status)), int(written, 16), day)
        return row if row.summary.is_sound else None
    except (ValueError, TypeError):
        return None


def buckets_of(summary: Summary) -> tuple[tuple[str, str, int], tuple[str, str, int]]:
    """Return the (index, bucket, key) pair of places of a summary."""
    return (
        (BY_STATUS, summary.status, summary.start_ns),
        (BY_DURATION, f"{octave_of(summary.duration_ns):02d}", summary.duration_ns),
    )


def bucket_file(layout: Layout, index: str, day: str, bucket: str) -> str:
    """Return the file of a bucket."""
    return f"{layout.indexes}/{index}/{day}/{bucket}.jsonl"


def status_buckets(status: str) -> list[str]:
    """Return the names of the buckets that may hold traces of a status: earlier versions wrote `UNSET`."""
    return ["OK", "UNSET"] if status == "OK" else [status]


def buckets_in(layout: Layout, index: str, day: str) -> list[str]:
    """Return the names of a day's buckets; none where the day has none, or was pruned just now."""
    names = (entry.name for entry in layout.entries(INDEXES, index, day))
    return sorted(name[:-6] for name in names if name.endswith(".jsonl"))


class Entry(NamedTuple):
    """A row to write; `left` are the (index, bucket) in which the trace was before: they must hear of it."""

    row: Row
    left: frozenset[tuple[str, str]] = frozenset()

    def lines(self) -> dict[tuple[str, str, str], bytes]:
        """Return the line for each (index, day, bucket) that must have one."""
        summary, written_ns, day = self.row
        rest = b'"%016x",%b\n' % (written_ns, summary.to_row())
        places = buckets_of(summary)
        by_index = {index: b'["%016x",%b' % (max(0, key), rest) for index, _, key in places}
        buckets = {(index, bucket) for index, bucket, _ in places} | self.left
        return {(index, day, bucket): by_index[index] for index, bucket in buckets}


class Rows(NamedTuple):
    """The rows of several traces, as they are written."""

    by_place: dict[tuple[str, str, str], bytes]

    def lines(self) -> dict[tuple[str, str, str], bytes]:
        """Return the lines for each (index, day, bucket)."""
        return self.by_place


def grouped(entries: Iterable[Entry | Rows]) -> dict[tuple[str, str, str], bytes]:
    """Return what each bucket gets, each in one piece; of several rows of one trace only the last."""
    found: defaultdict[tuple[str, str, str], list[bytes]] = defaultdict(list)
    for entry in _last_of_each(entries):
        for place, line in entry.lines().items():
            found[place].append(line)
    return {place: b"".join(lines) for place, lines in found.items()}


def _last_of_each(entries: Iterable[Entry | Rows]) -> Iterable[Entry | Rows]:
    """Return the entries in their order; a trace's last one speaks for all of them."""
    found: dict[object, Entry | Rows] = {}
    for entry in entries:
        if isinstance(entry, Rows):
            found[id(entry)] = entry
            continue
        key = entry.row.summary.trace_id, entry.row.day
        earlier = found.pop(key, None)
        if isinstance(earlier, Entry):
            buckets = {(index, bucket) for index, bucket, _ in buckets_of(earlier.row.summary)}
            found[key] = Entry(entry.row, entry.left | earlier.left | buckets)
        else:
            found[key] = entry
    return found.values()


def append_to(layout: Layout, place: tuple[str, str, str], lines: bytes) -> None:
    """Add lines to a bucket in one write. Raises OSError."""
    index, day, bucket = place
    path = bucket_file(layout, index, day, bucket)
    with layout.shared(day):
        try:
            layout.files.append(path, lines)
        except FileNotFoundError:
            layout.files.make_folder(path)
            layout.files.append(path, lines)
