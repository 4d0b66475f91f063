"""Sealing a day: from its files and journals into segments, a part of the day after the other.

A part is a transaction: its segment is written beside its place and reaches the disk, the day's list names
it, and only then its files go. Wherever that ends, the next seal goes on: a trace whose every line a segment
has only loses its file. Writers of other processes are kept out, for moments, while files and rows are
removed, and a file that has grown since it was read stays (docs/decisions/0190).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from operator import itemgetter
from secrets import token_hex
from typing import NamedTuple

from tollway.tracing.summary import Summary

from ._files import whole_lines
from ._index import BY_DURATION, BY_STATUS, TRACE_ID, bucket_file, buckets_in
from ._journal import JournalView, Place, adopt
from ._layout import INDEXES, is_trace_id
from ._lines import missing_lines, summary_of_file
from ._reader import StoreReader
from ._sealed import LIST, SEALED
from ._segment import MAX_TRACES, Segment
from ._segment_writer import DICTIONARY_FROM, SegmentWriter, dictionary_of

STEP = 64
"""Traces between two steps."""

PART = 57_344
"""Traces of a part, about: ids are not spread evenly, and a segment has its bound."""

SMALL = 4_096
"""A segment with fewer takes in what is sealed later."""

SAMPLES = 1_500
"""Traces that a dictionary is trained on, at most `SAMPLE_BYTES` of each."""

SAMPLE_BYTES = 16_384

Steps = Generator[tuple[int, int], None, None]
"""Yields (traces done, of how many), between short steps."""


class SealError(RuntimeError):
    """A day cannot be sealed or unsealed now; the message says why."""


@dataclass
class Sealed:
    """What a seal did."""

    traces: int = 0
    """Of the segments that it wrote."""
    spans: int = 0
    bytes_before: int = 0
    bytes: int = 0


class _Beside(NamedTuple):
    """What lies beside the segments of a trace: the size of its file (-1 for none), its lines in journals."""

    size: int
    places: Sequence[tuple[JournalView, Place]]


class _Piece(NamedTuple):
    """A trace to write; `row` is its number in the segment that is written anew, if it is there."""

    start_ns: int
    trace_id: str
    row: int | None = None


@dataclass
class _Part:
    """A part of a day's traces: what is to do with each of them."""

    beside: dict[str, _Beside] = field(default_factory=dict)
    new: list[_Piece] = field(default_factory=list)
    """Traces that are in no segment."""
    grown: dict[str, set[str]] = field(default_factory=dict)
    """Traces that a segment, by its name, has, and that have more lines since."""


def damaged_error(day: str, names: Sequence[str]) -> SealError:
    """Return what is to be said of segments that cannot be read."""
    return SealError(f"{day} has a damaged segment: {', '.join(names)}; move it out of the store first")


class SealLock:
    """One process at a time seals a day. Raises SealError where another one does."""

    def __init__(self, store: StoreReader, day: str) -> None:
        folder = f"{store.layout.root}/{day}/{SEALED}"
        store.layout.files.make_folder(f"{folder}/{LIST}")
        self._folder = store.layout.files.open_folder(folder)
        try:
            fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._folder)
            if isinstance(error, BlockingIOError):
                raise SealError(f"another process seals {day}: wait until it is done") from None
            raise SealError(f"{day} cannot be sealed: its file system has no locks ({error})") from None
        if os.fstat(self._folder).st_ino != os.stat(folder, follow_symlinks=False).st_ino:
            os.close(self._folder)  # whoever had it removed it just now
            raise SealError(f"another process seals {day}: wait until it is done")

    def close(self) -> None:
        """Let others."""
        os.close(self._folder)


def locked(store: StoreReader, day: str, work: Callable[[], Steps]) -> Steps:
    """Do work on a day's segments as the only process; an empty folder is not left behind."""
    lock = SealLock(store, day)
    try:
        yield from work()
    finally:
        with suppress(OSError):  # there are segments
            os.rmdir(f"{store.layout.root}/{day}/{SEALED}")
        lock.close()


def seal_steps(store: StoreReader, day: str, result: Sealed) -> Steps:
    """Seal a day in short steps; `result` is told what was done. Raises SealError, and OSError."""
    if not store.layout.may_be_sealed(day):
        raise SealError(f"{day} is not over: a day can be sealed from an hour after its end (UTC)")
    return locked(store, day, _DaySeal(store, day, result).steps)


class _DaySeal:
    """A day on its way into segments."""

    def __init__(self, store: StoreReader, day: str, result: Sealed) -> None:
        self._store = store
        self._layout = store.layout
        self._sealed = store.sealed
        self._day = day
        self._result = result
        self._journals: list[tuple[JournalView, int]] = []
        self._odd: set[JournalView] = set()
        self._done = self._total = 0

    def steps(self) -> Steps:
        if damaged := self._sealed.day(self._day).damaged:
            raise damaged_error(self._day, damaged)
        self._sweep()
        try:
            self._adopt_journals()
            ids = len(self._layout.trace_ids(self._day))
            self._total = ids + sum(1 for view, _ in self._journals for _ in view.all_places())
            if self._total:
                parts = -(-self._total // PART)
                for number in range(parts):
                    yield from self._seal_part(parts, number)
            for view, _ in self._journals:
                if view not in self._odd:
                    view.remove()
        finally:
            for _, lock in self._journals:
                os.close(lock)
        if self._sealed.day(self._day).segments:
            yield from self._clear_rows()

    def _sweep(self) -> None:
        """Remove what a process left that died here."""
        known = {LIST, *self._sealed.names(self._day)}
        for entry in self._layout.entries(self._day, SEALED):
            if entry.name not in known:
                os.unlink(entry.path)

    def _adopt_journals(self) -> None:
        """Take over the journals whose writers are gone; those of others stay beside the segments."""
        for path in self._layout.journals(self._day):
            if (lock := adopt(path)) is not None:
                self._journals.append((JournalView(self._layout.files, path), lock))

    # --- a part ---

    def _seal_part(self, parts: int, number: int) -> Steps:
        part = _Part()
        yield from self._sort_out(part, self._ids(parts, number))
        replaced = self._to_replace(part)
        names = [name for name in self._sealed.names(self._day) if name not in {one.name for one in replaced}]
        written: list[str] = []
        for segment in [*replaced, None] if not _joins(replaced, part) else replaced:
            yield from self._write(part, segment, written)
        if written:
            self._sealed.sync(self._day)
            self._sealed.write_list(self._day, names + written)
            for one in replaced:
                os.unlink(self._sealed.segment_file(self._day, one.name))
        yield from self._remove_files(part.beside)

    def _ids(self, parts: int, number: int) -> dict[str, list[tuple[JournalView, Place]]]:
        """Return the ids of a part, each with where journals have it."""
        found: dict[str, list[tuple[JournalView, Place]]] = {
            one: [] for one in self._layout.trace_ids(self._day) if int(one, 16) % parts == number
        }
        for view, _ in self._journals:
            for trace_id, place in view.all_places():
                if not is_trace_id(trace_id):
                    self._odd.add(view)  # a line of something else: it stays where it is
                elif int(trace_id, 16) % parts == number:
                    found.setdefault(trace_id, []).append((view, place))
        return found

    def _sort_out(self, part: _Part, ids: Mapping[str, list[tuple[JournalView, Place]]]) -> Steps:
        """Look at each trace: is it new, has it grown, or is all of it sealed already?"""
        known = self._sealed.day(self._day)
        for trace_id, places in ids.items():
            data, part.beside[trace_id] = self._read_beside(trace_id, places)
            place = known.find(trace_id)
            if place is None:
                part.new.append(_Piece(_start_of(summary_of_file(data)), trace_id))
            elif missing_lines(place[0].data(place[1]), whole_lines(data)[0]):
                part.grown.setdefault(place[0].name, set()).add(trace_id)
            self._result.bytes_before += len(data)
            self._done += max(1, len(places))
            if self._done % STEP == 0:
                yield self._done, self._total

    def _read_beside(
        self, trace_id: str, places: Sequence[tuple[JournalView, Place]], size: int | None = None
    ) -> tuple[bytes, _Beside]:
        """Return a trace's bytes as its file would have them, and what they are of. size: of its file."""
        data, own = b"", -1
        if size != -1 and (file := self._layout.files.open(self._layout.trace_file(self._day, trace_id))):
            with file:
                data = file.read(-1 if size is None else size)
            own = len(data)
        lines = [line for view, place in places if (line := view.line(place)) is not None]
        return data + missing_lines(data, lines), _Beside(own, places)

    def _to_replace(self, part: _Part) -> list[Segment]:
        """Return the segments to write anew: those with traces that grew, and a small one for what is new."""
        segments = self._sealed.day(self._day).segments
        found = [one for one in segments if one.name in part.grown]
        if part.new and not _joins(found, part):
            small = [one for one in segments if one not in found and _has_room(one, len(part.new))]
            found += small[:1]
        return found

    def _write(self, part: _Part, segment: Segment | None, written: list[str]) -> Steps:
        """Write a segment: what another one has, the lines that its traces got, and perhaps what is new."""
        takes_new = segment is None or _has_room(segment, len(part.new))
        new = part.new if takes_new else []
        if takes_new:
            part.new = []
        pieces = sorted([*new, *self._old(part, segment)], key=itemgetter(0))
        for at in range(0, len(pieces), MAX_TRACES):
            yield from self._write_pieces(part, segment, pieces[at : at + MAX_TRACES], written)

    def _write_pieces(
        self, part: _Part, segment: Segment | None, pieces: Sequence[_Piece], written: list[str]
    ) -> Steps:
        dictionary = None
        if len(pieces) >= DICTIONARY_FROM:
            samples = pieces[:: len(pieces) // SAMPLES]
            dictionary = dictionary_of([self._whole(part, segment, one)[:SAMPLE_BYTES] for one in samples])
            yield self._done, self._total
        name = f"{token_hex(8)}.seg"
        writer = SegmentWriter(self._layout.files, self._sealed.segment_file(self._day, name), dictionary)
        try:
            for at, piece in enumerate(pieces):
                data = self._whole(part, segment, piece)
                writer.add(piece.trace_id, data, summary_of_file(data))
                if at % STEP == 0:
                    yield self._done, self._total
            self._result.bytes += writer.finish()
        finally:
            writer.close()
        self._result.traces += writer.count
        self._result.spans += writer.spans
        written.append(name)

    def _old(self, part: _Part, segment: Segment | None) -> Iterator[_Piece]:
        """Yield what a segment has, as it is by now."""
        if segment is None:
            return
        grown = part.grown.get(segment.name, set())
        for row, (trace_id, summary) in enumerate(segment.rows()):
            piece = _Piece(_start_of(summary), trace_id, row)
            if trace_id in grown:
                start_ns = _start_of(summary_of_file(self._whole(part, segment, piece)))
                piece = piece._replace(start_ns=start_ns)
            yield piece

    def _whole(self, part: _Part, segment: Segment | None, piece: _Piece) -> bytes:
        """Return all of a trace: what a segment has, then what lies beside it."""
        data = b"" if piece.row is None or segment is None else segment.data(piece.row)
        beside = part.beside.get(piece.trace_id)
        if beside is None:
            return data
        added, _ = self._read_beside(piece.trace_id, beside.places, beside.size)
        return added if piece.row is None else data + missing_lines(data, whole_lines(added)[0])

    # --- when it is sealed ---

    def _remove_files(self, beside: Mapping[str, _Beside]) -> Steps:
        """Remove the files of sealed traces, unless they have grown since."""
        files = [(trace_id, one.size) for trace_id, one in beside.items() if one.size >= 0]
        for at in range(0, len(files), STEP):
            with self._layout.exclusive(self._day):
                for trace_id, size in files[at : at + STEP]:
                    path = self._layout.trace_file(self._day, trace_id)
                    with suppress(FileNotFoundError):
                        if os.lstat(path).st_size == size:
                            os.unlink(path)
            yield self._done, self._total

    def _clear_rows(self) -> Steps:
        """Remove the rows of what is sealed; what has files or journals keeps its rows."""
        for index in (BY_STATUS, BY_DURATION):
            for bucket in buckets_in(self._layout, index, self._day):
                with self._layout.exclusive(self._day):
                    self._clear_bucket(index, bucket, self._store.ids_beside(self._day))
                yield self._total, self._total
            with suppress(OSError):  # there are rows, or none ever
                os.rmdir(self._layout.indexes / index / self._day)

    def _clear_bucket(self, index: str, bucket: str, beside: set[str]) -> None:
        path = bucket_file(self._layout, index, self._day, bucket)
        if self._layout.folder(INDEXES, index, self._day) is None:
            return
        kept = b""
        if beside:
            lines = whole_lines(self._layout.files.read(path))[0]
            kept = b"".join(
                [b"%b\n" % line for line in lines if line[TRACE_ID].decode(errors="replace") in beside]
            )
        if kept:
            self._layout.files.replace(path, kept)
        else:
            os.unlink(path)


def _joins(replaced: Sequence[Segment], part: _Part) -> bool:
    """Return whether what is new goes into one of the segments that are written anew."""
    return not part.new or any(_has_room(one, len(part.new)) for one in replaced)


def _has_room(segment: Segment, traces: int) -> bool:
    return min(segment.count, traces) < SMALL and segment.count + traces <= MAX_TRACES


def _start_of(summary: Summary | None) -> int:
    return 0 if summary is None else summary.start_ns
