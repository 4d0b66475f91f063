"""What lies where in the folder of a store. Links are no part of a store, wherever they lead."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ._files import FILE_MODE, Files

INDEXES = "indexes"

JOURNAL = "journal"
"""The folder of a day's journals, inside the day's."""

_is_day = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch
is_trace_id = re.compile(r"[0-9a-f]{32}").fullmatch


class Layout:
    """Paths inside a store, and its files. file_mode: of new ones."""

    def __init__(self, path: str | os.PathLike[str], file_mode: int = FILE_MODE) -> None:
        self.root = Path(path)
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
        return sorted(one.name for one in found if _is_day(one.name) and one.is_dir(follow_symlinks=False))

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
