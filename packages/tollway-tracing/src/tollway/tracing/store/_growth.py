"""Traces that got more lines after their first: what they amount to, without reading all of them again.

Whoever adds a line to a trace must write the row of the whole trace, lines of other processes included. What
was read of a trace is remembered, so that a line costs what it adds (docs/decisions/0093, 0173).
"""

import io
import os
from collections import OrderedDict
from collections.abc import Iterable

from tollway.tracing.summary import Merging, Summary

from ._files import Files
from ._index import BY_DURATION, BY_STATUS, buckets_of, octave_of
from ._lines import summary_of
from ._sealed import NOT_SEALED, Stamp

MAX_GROWING = 4_096
"""Traces that are remembered, about 1 kB each; any other is read from its start."""

_BLOCK_BYTES = 65_536

MAX_LINES = 262_144
"""Lines that are remembered of all of them, about 60 bytes each."""


class Growth:
    """A trace as far as it was read."""

    __slots__ = ("_file", "_hashes", "_merging", "buckets", "read_to", "sealed")

    def __init__(self, sealed: Stamp = NOT_SEALED) -> None:
        self.sealed = sealed
        """The stamp of the day's segments before any line was taken."""
        self.buckets: set[tuple[str, str]] = set()
        """The (index, bucket) that may have rows of the trace as it was until now."""
        self.read_to: dict[str, int] = {}
        """How far its lines of a journal were taken, by the journal's name."""
        self._merging: Merging | None = None
        self._hashes: set[int] = set()
        self._file = (0, 0)

    def __len__(self) -> int:
        """How many lines were taken."""
        return len(self._hashes)

    @property
    def summary(self) -> Summary | None:
        """What the lines amount to; None where there is none yet."""
        return None if self._merging is None else self._merging.summary

    def added_to(self, files: Files, path: str) -> list[bytes] | None:
        """Return the lines that the trace's file got since the last time, by a move from another's journal.

        None where it is not the file that it was: what was remembered is not true any more.
        """
        file = files.open(path)
        if file is None:
            return None if self._file[1] else []
        with io.BufferedReader(file, _BLOCK_BYTES) as lines:
            (inode, offset), state = self._file, os.fstat(file.fileno())
            if offset and (inode != state.st_ino or offset > state.st_size):
                return None
            lines.seek(offset)
            found = []
            for line in lines:
                if not line.endswith(b"\n"):
                    break  # it is being written: left for the next time
                offset += len(line)
                found.append(line[:-1])
            self._file = state.st_ino, offset
        return found

    def take_lines(self, lines: Iterable[bytes], *, own: bool) -> None:
        """Take lines in, each once as readers do; it costs the same however many came before.

        own: whether this process wrote them, one after the other.
        """
        for line in lines:
            if (key := hash(line)) in self._hashes:
                continue
            self._hashes.add(key)
            try:
                self._take(summary_of(line), own=own)
            except ValueError:
                continue  # not a line of a store: readers count it

    def _take(self, part: Summary, *, own: bool) -> None:
        if self._merging is None:
            self._merging = Merging(part)
        else:
            self._merging.add(part)
        merged = self._merging.summary
        self.buckets.update((index, bucket) for index, bucket, _ in buckets_of(merged))
        if not own:
            # Who wrote it knew of other lines or not: its row is anywhere between the line and all of them.
            octaves = range(octave_of(part.duration_ns), octave_of(merged.duration_ns))
            self.buckets.update((BY_DURATION, f"{octave:02d}") for octave in octaves)
            self.buckets.add((BY_STATUS, part.status))

    def told(self, summary: Summary) -> frozenset[tuple[str, str]]:
        """Return the buckets that must hear of this summary, and take it that they will."""
        told = frozenset(self.buckets)
        self.buckets = {(index, bucket) for index, bucket, _ in buckets_of(summary)}
        return told


class Growing:
    """The traces that grew last, by day and id. For one thread at a time."""

    def __init__(self, max_growing: int = MAX_GROWING, max_lines: int = MAX_LINES) -> None:
        self._max_growing = max_growing
        self._max_lines = max_lines
        self._lines = 0
        self._known: OrderedDict[tuple[str, str], Growth] = OrderedDict()  # least recently grown first

    def __len__(self) -> int:
        """How many traces are remembered."""
        return len(self._known)

    def get(self, day: str, trace_id: str) -> Growth | None:
        """Return what is remembered of a trace."""
        return self._known.get((day, trace_id))

    def take(
        self, day: str, trace_id: str, growth: Growth, lines: Iterable[bytes], *, own: bool = False
    ) -> None:
        """Have a trace take lines, and remember it from now on."""
        before = len(self._known.pop((day, trace_id), ()))
        growth.take_lines(lines, own=own)
        self._known[day, trace_id] = growth
        self._lines += len(growth) - before
        while len(self._known) > self._max_growing or (
            self._lines > self._max_lines and len(self._known) > 1
        ):
            self._lines -= len(self._known.popitem(last=False)[1])
