"""Traces that got more lines after their first: what they amount to, without reading all of them again.

Whoever appends to a trace must write the row of the whole trace, lines of other processes included. What was
read of a file is remembered, so that an append costs what was added since (docs/decisions/0093).
"""

import io
import os
from collections import OrderedDict
from typing import IO

from tollway.tracing.summary import Merging, Summary

from ._files import Files
from ._index import buckets_of
from ._lines import summary_of

MAX_GROWING = 4_096
"""Traces that are remembered, about 1 kB each; any other is read from its start."""


_BLOCK_BYTES = 65_536


class Growth:
    """A trace's file as far as it was read."""

    __slots__ = ("_merging", "buckets", "inode", "offset")

    def __init__(self, inode: int) -> None:
        self.inode = inode
        self.offset = 0
        """Bytes that were read, all of them in complete lines."""
        self.buckets: set[tuple[str, str]] = set()
        """The (index, bucket) that may have rows of the trace as it was until now."""
        self._merging: Merging | None = None

    @property
    def summary(self) -> Summary | None:
        """What the lines amount to; None where there is none yet."""
        return None if self._merging is None else self._merging.summary

    def read_on(self, file: IO[bytes]) -> None:
        """Read the lines that were added since; one that is not complete is left for the next time."""
        file.seek(self.offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            self.offset += len(line)
            self._take(line[:-1])

    def _take(self, line: bytes) -> None:
        try:
            part = summary_of(line)
        except ValueError:
            return  # torn, by a writer that died: readers count it
        if self._merging is None:
            self._merging = Merging(part)
        else:
            self._merging.add(part)
        self.buckets.update((index, bucket) for index, bucket, _ in buckets_of(self._merging.summary))

    def told(self, summary: Summary) -> frozenset[tuple[str, str]]:
        """Return the buckets that must hear of this summary, and take it that they will."""
        told = frozenset(self.buckets)
        self.buckets = {(index, bucket) for index, bucket, _ in buckets_of(summary)}
        return told


class Growing:
    """The files that grew last. For one thread at a time."""

    def __init__(self, files: Files, max_growing: int = MAX_GROWING) -> None:
        self._files = files
        self._max_growing = max_growing
        self._known: OrderedDict[str, Growth] = OrderedDict()  # least recently grown first

    def __contains__(self, path: str) -> bool:
        return path in self._known

    def look(self, path: str) -> Growth | None:
        """Return a trace's file as it is now; None where there is none any more."""
        known = self._known.pop(path, None)
        file = self._files.open(path)
        if file is None:
            return None
        with io.BufferedReader(file, _BLOCK_BYTES) as lines:
            state = os.fstat(file.fileno())
            if known is None or known.inode != state.st_ino or known.offset > state.st_size:
                known = Growth(state.st_ino)
            known.read_on(lines)
        self._known[path] = known
        if len(self._known) > self._max_growing:
            self._known.popitem(last=False)
        return known
