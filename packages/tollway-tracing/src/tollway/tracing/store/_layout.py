"""What lies where in the folder of a store. Links are no part of a store, wherever they lead."""

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tollway.tracing.summary import NS_PER_S, day_of

from ._files import FILE_MODE, Files

INDEXES = "indexes"

JOURNAL = "journal"
"""The folder of a day's journals, inside the day's."""

LATE_AFTER_NS = 1_800 * NS_PER_S
"""After the end of a day: from then on writers share a lock for it, since it may be sealed."""

SEAL_AFTER_NS = 3_600 * NS_PER_S
"""After the end of a day: it may be sealed; all writers have long begun to take the lock."""

is_day = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch
is_trace_id = re.compile(r"[0-9a-f]{32}").fullmatch


class Layout:
    """Paths inside a store, and its files. file_mode: of new ones. now_ns: says which days are over."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        file_mode: int = FILE_MODE,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.root = Path(path)
        self.now_ns = now_ns
        self.indexes = self.root / INDEXES
        self.files = Files(str(self.root), file_mode)

    def days(self) -> list[str]:
        """Return the days that have traces, oldest first."""
        return self._days()

    def indexed_days(self, index: str) -> list[str]:
        """Return the days that an index has, oldest first."""
        return self._days(INDEXES, index)

    def _days(self, *folder: str) -> list[str]:
        found = self.entries(*folder)
        return sorted(one.name for one in found if is_day(one.name) and one.is_dir(follow_symlinks=False))

    def trace_ids(self, day: str) -> list[str]:
        """Return the ids of the traces of a day, in no order."""
        return [
            entry.name[:-5]
            for entry in self.entries(day)
            if entry.name.endswith(".json")
            and is_trace_id(entry.name[:-5])
            and entry.is_file(follow_symlinks=False)
        ]

    def trace_file(self, day: str, trace_id: str) -> str:
        """Return the file of a trace."""
        return f"{self.root}/{day}/{trace_id}.json"

    def journal_file(self, day: str, name: str) -> str:
        """Return the file of a journal."""
        return f"{self.root}/{day}/{JOURNAL}/{name}.jsonl"

    def journals(self, day: str) -> list[str]:
        """Return the files of a day's journals."""
        if not self.files.exists(f"{self.root}/{day}/{JOURNAL}"):
            return []  # as most days; asked for every trace that is looked for
        found = [
            entry.path
            for entry in self.entries(day, JOURNAL)
            if entry.name.endswith(".jsonl") and entry.is_file(follow_symlinks=False)
        ]
        return sorted(found)

    def entries(self, *folder: str) -> Iterator[os.DirEntry[str]]:
        """Yield what is in a folder of the store; nothing where there is none, or a link on the way to it."""
        place = self.folder(*folder)
        if place is not None:
            with suppress(FileNotFoundError, NotADirectoryError), os.scandir(place) as entries:
                yield from entries

    def folder(self, *parts: str) -> Path | None:
        """Return a folder of the store; None where a link is on the way to it."""
        place = self.root
        for part in parts:
            place /= part
            if place.is_symlink():
                return None
        return place

    def is_late(self, day: str) -> bool:
        """Return whether a day is over for so long that it may be sealed by now."""
        return day < day_of(max(0, self.now_ns() - LATE_AFTER_NS))

    def may_be_sealed(self, day: str) -> bool:
        """Return whether a day is over, and every writer knows it."""
        return day < day_of(max(0, self.now_ns() - SEAL_AFTER_NS))

    @contextmanager
    def shared(self, day: str) -> Iterator[None]:
        """Keep a late day from being changed by `exclusive` meanwhile; other writers go on."""
        lock = None
        if self.is_late(day):
            with suppress(OSError):  # no such day, or a file system without locks: nobody seals there
                lock = self._locked(day, fcntl.LOCK_SH)
        try:
            yield
        finally:
            if lock is not None:
                os.close(lock)

    @contextmanager
    def exclusive(self, day: str) -> Iterator[None]:
        """Keep writers out of a late day: files and rows may be removed. Raises OSError."""
        lock = self._locked(day, fcntl.LOCK_EX)
        try:
            yield
        finally:
            os.close(lock)

    def _locked(self, day: str, operation: int) -> int:
        folder = self.files.open_folder(f"{self.root}/{day}")
        try:
            fcntl.flock(folder, operation)
        except OSError:
            os.close(folder)
            raise
        return folder
