"""Keeping a store in order: rebuild its indexes, check it, and remove what is too old or too much."""

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Set
from contextlib import suppress
from dataclasses import dataclass

from tollway.tracing.readers import Progress
from tollway.tracing.summary import Summary, day_of, merged

from ._files import whole_lines
from ._index import BY_DURATION, BY_STATUS, Entry, Row, bucket_file, buckets_in, buckets_of, grouped, row_of
from ._layout import INDEXES, JOURNAL
from ._lines import spans_of, summary_of
from ._reader import StoreReader
from ._sealed import SEALED, SealedDay
from ._segment import DamagedSegmentError


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found."""

    traces: int
    torn_lines: int
    unindexed: tuple[str, ...]
    """Traces with a file and no row, or an outdated one: `reindex` fixes it."""
    missing: tuple[str, ...]
    """Traces with a row and no file."""
    damaged: tuple[str, ...] = ()
    """Segments that cannot be read, each `<day>/<name>`."""

    @property
    def ok(self) -> bool:
        """Whether traces and indexes agree. A torn line is harmless: readers skip it."""
        return not self.unindexed and not self.missing and not self.damaged


@dataclass(frozen=True, slots=True)
class Pruned:
    """What `prune` removed."""

    traces: int
    bytes: int


def _no_progress(done: int, total: int) -> None:
    """Tell nobody."""


def _summary_in(
    store: StoreReader, day: str, trace_id: str, *, whole: bool = False
) -> tuple[Summary | None, int]:
    """Return a trace's summary and its torn lines; `whole` reads the spans of each line too."""
    before = store.counts.torn_lines
    lines = store.lines_of_day(day, trace_id)
    torn = store.counts.torn_lines - before
    summary, torn_lines = _summary_of(lines, whole=whole)
    return summary, torn + torn_lines


def _summary_of(lines: Iterable[bytes], *, whole: bool = False) -> tuple[Summary | None, int]:
    parts, torn = [], 0
    for line in lines:
        try:
            parts.append(summary_of(line))
            if whole:
                spans_of(line)
        except ValueError:
            torn += 1
    return (merged(parts) if parts else None), torn


def _indexed(store: StoreReader, day: str) -> dict[str, Row]:
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


def reindex(store: StoreReader, *, progress: Progress = _no_progress) -> int:
    """Rebuild the indexes from files and journals; return how many traces they, and segments, now name.

    Segments have their own, of which nothing is rebuilt. Each bucket is replaced whole. Rows that another
    process adds meanwhile to a day that is being rebuilt may be lost: stop the writers, or reindex again.
    Raises OSError.
    """
    days = store.layout.days()
    total = 0
    for done, day in enumerate(days, 1):
        total += reindex_day(store, day)
        progress(done, len(days))
    for index in (BY_STATUS, BY_DURATION):
        for day in set(store.layout.indexed_days(index)) - set(days):
            shutil.rmtree(store.layout.indexes / index / day)
    return total


def reindex_day(store: StoreReader, day: str, trace_ids: Set[str] | None = None) -> int:
    """Rebuild a day's rows of these traces: of those beside segments, unless said otherwise.

    Returns how many traces the day has rows of, in whichever form. Raises OSError.
    """
    sealed = store.sealed.day(day)
    entries = []
    only_sealed = sum(segment.count for segment in sealed.segments)
    for trace_id in store.ids_beside(day) if trace_ids is None else trace_ids:
        summary, _ = _summary_in(store, day, trace_id)
        before = _sealed_summary(sealed, trace_id)
        only_sealed -= before is not None
        if summary is not None:
            left = () if before is None else buckets_of(before)
            entries.append(Entry(Row(summary, summary.end_ns, day), frozenset(one[:2] for one in left)))
    # Rows lie in the order of writing, which is about that of ending: the newest-first search counts on it.
    entries.sort(key=lambda entry: entry.row.written_ns)
    places = grouped(entries)
    for index in (BY_STATUS, BY_DURATION):
        for bucket in buckets_in(store.layout, index, day):
            if (index, day, bucket) not in places:
                os.unlink(bucket_file(store.layout, index, day, bucket))
    for (index, _, bucket), lines in places.items():
        path = bucket_file(store.layout, index, day, bucket)
        store.layout.files.make_folder(path)
        store.layout.files.replace(path, lines)
    return len(entries) + only_sealed


def _sealed_summary(sealed: SealedDay, trace_id: str) -> Summary | None:
    place = sealed.find(trace_id)
    return None if place is None else place[0].row(place[1]).summary


def verify(store: StoreReader, *, progress: Progress = _no_progress) -> Verification:
    """Read every line of every form, and compare the traces with the indexes. Changes nothing."""
    days = sorted({*store.layout.days(), *store.layout.indexed_days(BY_STATUS)})
    found = [_verify_day(store, day) for day in _counted(days, progress)]
    return Verification(
        sum(one.traces for one in found),
        sum(one.torn_lines for one in found),
        *(
            tuple(sorted(name for one in found for name in getattr(one, names)))
            for names in ("unindexed", "missing", "damaged")
        ),
    )


def _counted(days: list[str], progress: Progress) -> Iterator[str]:
    for done, day in enumerate(days, 1):
        yield day
        progress(done, len(days))


def _verify_day(store: StoreReader, day: str) -> Verification:
    rows, (beside, sealed) = _indexed(store, day), store.sealed.together(day, lambda: store.ids_beside(day))
    traces, torn = 0, sum(view.torn() for view in store.journals(day))
    unindexed, damaged = [], [f"{day}/{name}" for name in sealed.damaged]
    for trace_id in beside:
        summary, torn_here = _summary_in(store, day, trace_id, whole=True)
        torn += torn_here
        traces += summary is not None
        row = rows.pop(trace_id, None)
        known = _sealed_summary(sealed, trace_id) if row is None else row.summary
        if summary is not None and known != summary:
            unindexed.append(trace_id)
    for segment in sealed.segments:
        try:
            for number, (trace_id, known) in enumerate(segment.rows()):
                if trace_id in beside:
                    continue
                lines, torn_here = whole_lines(segment.data(number))
                summary, torn_lines = _summary_of(dict.fromkeys(lines), whole=True)
                torn += torn_here + torn_lines
                traces += summary is not None
                row = rows.pop(trace_id, None)
                if (known if row is None else row.summary) != summary or segment.find(trace_id) != number:
                    unindexed.append(trace_id)
        except DamagedSegmentError:
            damaged.append(f"{day}/{segment.name}")
    return Verification(traces, torn, tuple(unindexed), tuple(rows), tuple(damaged))


def prune(
    store: StoreReader,
    *,
    max_age_s: float | None = None,
    max_bytes: int | None = None,
    now_s: float | None = None,
    progress: Progress = _no_progress,
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
    removed = [_remove_day(store, day) for day in _counted(gone, progress)]
    _sweep(store, now_s)
    return Pruned(sum(pruned.traces for pruned in removed), sum(pruned.bytes for pruned in removed))


def _beyond(store: StoreReader, days: list[str], today: str, max_bytes: int) -> list[str]:
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
    return (INDEXES, BY_STATUS, day), (INDEXES, BY_DURATION, day), (day, JOURNAL), (day, SEALED), (day,)


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0  # a file half-made a moment ago has its name now


def _day_bytes(store: StoreReader, day: str) -> int:
    return sum(_size(entry) for folder in _folders(day) for entry in store.layout.entries(*folder))


def _remove_day(store: StoreReader, day: str) -> Pruned:
    pruned = Pruned(_traces_of(store, day), _day_bytes(store, day))
    for parts in _folders(day):
        if (folder := store.layout.folder(*parts)) is not None:
            shutil.rmtree(folder, ignore_errors=True)
    return pruned


def _traces_of(store: StoreReader, day: str) -> int:
    beside, sealed = store.sealed.together(day, lambda: store.ids_beside(day))
    both = sum(sealed.find(trace_id) is not None for trace_id in beside) if sealed.segments else 0
    return len(beside) - both + sum(segment.count for segment in sealed.segments)


ABANDONED_AFTER_S = 3600.0
"""A file still half-made after this long has lost its writer."""


def _sweep(store: StoreReader, now_s: float) -> None:
    for day in store.layout.days():
        for entry in store.layout.entries(day):
            if entry.name.endswith(".tmp"):
                with suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime < now_s - ABANDONED_AFTER_S:
                        os.unlink(entry.path)
