"""The sealed parts of a store's days: `<YYYY-MM-DD>/sealed/`, segments and the list of those that count.

`segments.json` names the segments, and is replaced whole; a file that it does not name is half-made, or left
over. What is sealed is read together with what lies beside it. A reader notes the list's stamp, looks at
files, journals and rows, then into the segments, and starts again where the list has another stamp then: so
it misses nothing that is sealed, or unsealed, meanwhile.
"""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple, TypeVar

import orjson

from ._files import write_all
from ._layout import Layout
from ._segment import DamagedSegmentError, Segment

_logger = logging.getLogger(__name__)

T = TypeVar("T")

SEALED = "sealed"
"""The folder of a day's segments, inside the day's."""

LIST = "segments.json"

MAX_OPEN = 256
"""Segments that stay open, in days that were read last."""

_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC

Stamp = tuple[int, int, int]
"""Of the list: another one after each change. Zeros where there is none."""

NOT_SEALED: Stamp = (0, 0, 0)
"""The stamp of a day of which nothing is sealed."""


class SealedDay(NamedTuple):
    """The segments of a day as they were at a moment."""

    stamp: Stamp
    segments: tuple[Segment, ...]
    damaged: tuple[str, ...] = ()
    """Names of segments that cannot be read."""

    def find(self, trace_id: str) -> tuple[Segment, int] | None:
        """Return where a trace is: it is in one segment at most."""
        for segment in self.segments:
            try:
                if (row := segment.find(trace_id)) is not None:
                    return segment, row
            except DamagedSegmentError as error:
                _logger.error("cannot look for a sealed trace: %s", error)
        return None


UNSEALED = SealedDay(NOT_SEALED, ())


class SealedDays:
    """What is sealed of a store, for readers of any thread."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._known: OrderedDict[str, SealedDay] = OrderedDict()  # least recently read first
        self._lock = Lock()

    def list_file(self, day: str) -> str:
        """Return the file that names a day's segments."""
        return f"{self._layout.root}/{day}/{SEALED}/{LIST}"

    def segment_file(self, day: str, name: str) -> str:
        """Return the file of a segment."""
        return f"{self._layout.root}/{day}/{SEALED}/{name}"

    def stamp(self, day: str) -> Stamp:
        """Return what tells whether a day was sealed, or unsealed, since."""
        try:
            state = os.lstat(self.list_file(day))
        except (FileNotFoundError, NotADirectoryError):
            return NOT_SEALED
        return state.st_ino, state.st_mtime_ns, state.st_size

    def days(self) -> list[str]:
        """Return the days that have something sealed, oldest first."""
        return [day for day in self._layout.days() if self.stamp(day) != NOT_SEALED]

    def day(self, day: str) -> SealedDay:
        """Return a day's segments; none where nothing is sealed."""
        while (stamp := self.stamp(day)) != NOT_SEALED:
            with self._lock:
                known = self._known.get(day)
                if known is not None and known.stamp == stamp:
                    self._known.move_to_end(day)
                    return known
            opened = self._open(day, stamp)
            if opened is not None:
                self._remember(day, opened)
                return opened
        return UNSEALED

    def _open(self, day: str, stamp: Stamp) -> SealedDay | None:
        """Open the segments that a list names; None where the list is another one by now."""
        found: list[Segment] = []
        damaged: list[str] = []
        for name in self.names(day):
            file = self._layout.files.open(self.segment_file(day, name))
            try:
                if file is None:
                    raise DamagedSegmentError(f"{name}: there is no such file")
                with file:
                    found.append(Segment(name, os.dup(file.fileno())))
            except DamagedSegmentError as error:
                damaged.append(name)
                if self.stamp(day) == stamp:
                    _logger.error("cannot read a segment of %s: %s", day, error)
        return SealedDay(stamp, tuple(found), tuple(damaged)) if self.stamp(day) == stamp else None

    def names(self, day: str) -> list[str]:
        """Return the names of a day's segments."""
        data = self._layout.files.read(self.list_file(day))
        try:
            return [os.path.basename(name) for name in orjson.loads(data)["segments"]] if data else []
        except (ValueError, KeyError, TypeError):
            _logger.error("cannot read %s", self.list_file(day))
            return []

    def write_list(self, day: str, names: list[str]) -> None:
        """Have a day's list name these segments, on the disk as well. Raises OSError."""
        path, files = self.list_file(day), self._layout.files
        file = files.open_new(f"{path}.tmp", _NEW)
        try:
            write_all(file, orjson.dumps({"segments": names}) + b"\n")
            os.fsync(file)
        finally:
            os.close(file)
        os.rename(f"{path}.tmp", path)
        self.sync(day)

    def remove_list(self, day: str) -> None:
        """Have nothing sealed in a day. Raises OSError."""
        os.unlink(self.list_file(day))
        self.sync(day)

    def sync(self, day: str) -> None:
        """Have the disk keep which files a day's folder of segments has. Raises OSError."""
        folder = self._layout.files.open_folder(f"{self._layout.root}/{day}/{SEALED}")
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _remember(self, day: str, opened: SealedDay) -> None:
        with self._lock:
            self._known.pop(day, None)
            self._known[day] = opened
            while len(self._known) > 1 and sum(len(one.segments) for one in self._known.values()) > MAX_OPEN:
                self._known.popitem(last=False)

    def together(self, day: str, read: Callable[[], T]) -> tuple[T, SealedDay]:
        """Return what `read` finds beside the segments of a day, and these, as of one moment."""
        while True:
            stamp = self.stamp(day)
            beside, sealed = read(), self.day(day)
            if sealed.stamp == stamp:
                return beside, sealed
