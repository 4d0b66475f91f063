"""Keeping a store in order: rebuild its indexes, check it, and remove what is too old or too much."""

import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass

from tollway.tracing.readers import Progress
from tollway.tracing.summary import Summary, day_of, merged

from ._files import whole_lines
from ._index import BY_DURATION, BY_STATUS, Entry, Row, bucket_file, buckets_in, grouped, row_of
from ._layout import INDEXES
from ._lines import spans_of, summary_of
from ._store import FileStore


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found."""

    traces: int
    torn_lines: int
    unindexed: tuple[str, ...]
    """Traces with a file and no row, or an outdated one: `reindex` fixes it."""
    missing: tuple[str, ...]
    """Traces with a row and no file."""

    @property
    def ok(self) -> bool:
        """Whether files and indexes agree. A torn line is harmless: readers skip it."""
        return not self.unindexed and not self.missing


@dataclass(frozen=True, slots=True)
class Pruned:
    """What `prune` removed."""

    traces: int
    bytes: int


def _no_progress(done: int, total: int) -> None:
    """Tell nobody."""


def _summary_in(
    store: FileStore, day: str, trace_id: str, *, whole: bool = False
) -> tuple[Summary | None, int]:
    """Return a trace's summary and its torn lines; `whole` reads the spans of each line too."""
    before = store.counts.torn_lines
    lines, parts = store.lines_of_day(day, trace_id), []
    torn = store.counts.torn_lines - before
    for line in lines:
        try:
            parts.append(summary_of(line))
            if whole:
                spans_of(line)
        except ValueError:
            torn += 1
    return (merged(parts) if parts else None), torn


def _indexed(store: FileStore, day: str) -> dict[str, Row]:
    """Return the latest row of each trace of a day."""
    found: dict[str, Row] = {}
    for bucket in buckets_in(store.layout, BY_STATUS, day):
        data = store.layout.files.read(bucket_file(store.layout, BY_STATUS, day, bucket))
        for line in whole_lines(data)[0]:
            if row := row_of(line, day):
                trace_id = row.summary.trace_id
                found[trace_id] = max(row, found.get(trace_id, row), key=_written)
    return found


def _written(row: Row) -> int:
    return row.written_ns


def reindex(store: FileStore, *, progress: Progress = _no_progress) -> int:
    """Rebuild the indexes from the trace files; return how many traces they now name.

    Each bucket is replaced whole. Rows that another process adds meanwhile to a day that is being rebuilt may
    be lost: stop the writers, or reindex again. Raises OSError.
    """
    days = store.layout.days()
    total = 0
    for done, day in enumerate(days, 1):
        total += _reindex_day(store, day)
        progress(done, len(days))
    for index in (BY_STATUS, BY_DURATION):
        for day in set(store.layout.indexed_days(index)) - set(days):
            shutil.rmtree(store.layout.indexes / index / day)
    return total


def _reindex_day(store: FileStore, day: str) -> int:
    summaries = [
        summary
        for trace_id in store.trace_ids(day)
        if (summary := _summary_in(store, day, trace_id)[0]) is not None
    ]
    # Rows lie in the order of writing, which is about that of ending: the newest-first search counts on it.
    summaries.sort(key=lambda summary: summary.end_ns)
    places = grouped(Entry(Row(summary, summary.end_ns, day)) for summary in summaries)
    for index in (BY_STATUS, BY_DURATION):
        for bucket in buckets_in(store.layout, index, day):
            if (index, day, bucket) not in places:
                os.unlink(bucket_file(store.layout, index, day, bucket))
    for (index, _, bucket), lines in places.items():
        path = bucket_file(store.layout, index, day, bucket)
        store.layout.files.make_folder(path)
        store.layout.files.replace(path, lines)
    return len(summaries)


def verify(store: FileStore, *, progress: Progress = _no_progress) -> Verification:
    """Read every line of every file, and compare the files with the indexes. Changes nothing."""
    days = sorted({*store.layout.days(), *store.layout.indexed_days(BY_STATUS)})
    traces, torn = 0, 0
    unindexed: list[str] = []
    missing: list[str] = []
    for done, day in enumerate(days, 1):
        rows = _indexed(store, day)
        torn += sum(view.torn() for view in store.journals(day))
        for trace_id in store.trace_ids(day):
            summary, torn_here = _summary_in(store, day, trace_id, whole=True)
            torn += torn_here
            traces += summary is not None
            row = rows.pop(trace_id, None)
            if summary is not None and (row is None or row.summary != summary):
                unindexed.append(trace_id)
        missing.extend(rows)
        progress(done, len(days))
    return Verification(traces, torn, tuple(sorted(unindexed)), tuple(sorted(missing)))


def prune(
    store: FileStore,
    *,
    max_age_s: float | None = None,
    max_bytes: int | None = None,
    now_s: float | None = None,
) -> Pruned:
    """Remove days that ended more than `max_age_s` ago, then the oldest days until `max_bytes` hold the rest.

    Whole days go, so that no index has to be rewritten under its writers; today stays, whatever its size.
    Also removes files that a killed writer left half-made. What cannot be removed is left for the next time.
    Links are not followed: a day that is one is no day of this store.
    """
    now_s = time.time() if now_s is None else now_s
    today = day_of(int(now_s * 1e9))
    days = [day for day in store.layout.days() if day < today]
    gone = [day for day in days if max_age_s is not None and day < day_of(int((now_s - max_age_s) * 1e9))]
    if max_bytes is not None:
        gone += _beyond(store, [day for day in days if day not in gone], today, max_bytes)
    removed = [_remove_day(store, day) for day in gone]
    _sweep(store, now_s)
    return Pruned(sum(pruned.traces for pruned in removed), sum(pruned.bytes for pruned in removed))


def _beyond(store: FileStore, days: list[str], today: str, max_bytes: int) -> list[str]:
    sizes = {day: _day_bytes(store, day) for day in (*days, today)}
    total = sum(sizes.values())
    gone = []
    for day in days:
        if total <= max_bytes:
            break
        gone.append(day)
        total -= sizes[day]
    return gone


def _folders(day: str) -> tuple[tuple[str, ...], ...]:
    # The files last: a trace without a row is found by its id, a row without a trace is a lie.
    return (INDEXES, BY_STATUS, day), (INDEXES, BY_DURATION, day), (day,)


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0  # a file half-made a moment ago has its name now


def _day_bytes(store: FileStore, day: str) -> int:
    return sum(_size(entry) for folder in _folders(day) for entry in store.layout.entries(*folder))


def _remove_day(store: FileStore, day: str) -> Pruned:
    pruned = Pruned(len(store.trace_ids(day)), _day_bytes(store, day))
    for parts in _folders(day):
        if (folder := store.layout.folder(*parts)) is not None:
            shutil.rmtree(folder, ignore_errors=True)
    return pruned


ABANDONED_AFTER_S = 3600.0
"""A file still half-made after this long has lost its writer."""


def _sweep(store: FileStore, now_s: float) -> None:
    for day in store.layout.days():
        for entry in store.layout.entries(day):
            if entry.name.endswith(".tmp"):
                with suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime < now_s - ABANDONED_AFTER_S:
                        os.unlink(entry.path)
