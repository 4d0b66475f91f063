"""Numbers in flat memory: adding to one is an index and an addition, and other workers can read it.

Every worker of a gateway has a counter file of its own in a shared folder, and is the only one to write
there, so nothing is locked; whoever is asked for the metrics reads all of them. One worker alone has its
numbers in plain memory.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import weakref
from collections.abc import Hashable, Iterator, MutableSequence
from pathlib import Path
from typing import BinaryIO

_MAX_CELLS = 1 << 20
"""Numbers of one counter file. Only memory that was written to is really taken."""

_CELL_BYTES = 8

_SPARE = 512
"""Cells at the end, nobody's: they take a row of numbers that finds no room."""

Key = tuple[Hashable, ...]


class CounterFile:
    """The numbers of one worker; `cells[at(key)] += 1` counts.

    In a `folder` they lie in a file that others can read, `<worker>.cells`, and beside it `<worker>.keys`
    says what they are: a JSON line for each key, in the order of their cells. A worker that takes the place
    of one that died goes on where that one stopped. The file is locked for as long as its worker lives.
    """

    def __init__(self, folder: str | None = None, worker: int = 0) -> None:
        self._first: dict[Key, tuple[int, int]] = {}
        self._used = 1  # the first cell takes what finds no room
        self._path = None if folder is None else Path(folder) / f"{worker}.cells"
        self._keys: BinaryIO | None = None
        self._others: dict[Path, _Other] = {}
        memory = self._private() if self._path is None else self._shared(self._path)
        self.cells: MutableSequence[float] = memoryview(memory).cast("d")  # type: ignore[assignment]  # typeshed has no item types of a cast view

    def _private(self) -> mmap.mmap:
        return mmap.mmap(-1, _MAX_CELLS * _CELL_BYTES)

    def _shared(self, path: Path) -> mmap.mmap:
        # Kept open: the lock of a process ends when it closes the file.
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        weakref.finalize(self, os.close, self._file)
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        os.truncate(self._file, _MAX_CELLS * _CELL_BYTES)
        os.pwrite(self._file, bytes(_CELL_BYTES), 0)
        os.pwrite(self._file, bytes(_SPARE * _CELL_BYTES), (_MAX_CELLS - _SPARE) * _CELL_BYTES)
        self._keys = path.with_suffix(".keys").open("a+b", buffering=0)
        weakref.finalize(self, self._keys.close)
        lines = _whole_lines(path.with_suffix(".keys").read_bytes())
        self._keys.truncate(sum(len(line) + 1 for line in lines))
        for line in lines:
            first, count, *key = json.loads(line)
            self._first[tuple(key)] = first, count
            self._used = first + count
        return mmap.mmap(self._file, _MAX_CELLS * _CELL_BYTES)

    def at(self, key: Key, count: int = 1) -> int:
        """Return the index of a key's first cell, of `count` in a row; they begin as zeros."""
        known = self._first.get(key)
        if known is not None:
            return known[0]
        if self._used + count > _MAX_CELLS - _SPARE or not self._claim(self._used, count, key):
            return 0 if count == 1 else _MAX_CELLS - count
        first = self._used
        self._used += count
        self._first[key] = first, count
        return first

    def _claim(self, first: int, count: int, key: Key) -> bool:
        """Say to others what the next cells are; False when there is no room for them on a full disk."""
        if self._keys is None:
            return True
        try:
            # Written once, so that a later addition never meets a page for which there is no room (SIGBUS).
            os.pwrite(self._file, bytes(count * _CELL_BYTES), first * _CELL_BYTES)
            self._keys.write(json.dumps([first, count, *key]).encode() + b"\n")
        except OSError:
            return False
        return True

    def find(self, key: Key) -> int | None:
        """Return the index of a key's first cell; None for a key that was never asked for."""
        known = self._first.get(key)
        return None if known is None else known[0]

    def rows(self) -> Iterator[tuple[Key, list[float]]]:
        """Yield every key with its numbers."""
        for key, (first, count) in list(self._first.items()):
            yield key, list(self.cells[first : first + count])

    def rows_of_others(self) -> Iterator[tuple[bool, Key, list[float]]]:
        """Yield whether its worker lives, key and numbers of every other counter file in the folder."""
        if self._path is None:
            return
        for path in self._path.parent.glob("*.cells"):
            if path == self._path:
                continue
            try:
                other = self._others.get(path) or self._others.setdefault(path, _Other(path))
                other.look_for_keys()
                lives = other.lives()
            except (OSError, ValueError):  # it has just begun its file, or the folder is being removed
                continue
            for key, first, end in other.rows:
                yield lives, key, list(other.cells[first:end])


class _Other:
    """Another worker's counter file, to read: it stays mapped, and of its keys only new lines are read."""

    def __init__(self, path: Path) -> None:
        self.rows: list[tuple[Key, int, int]] = []
        """Every key, its first cell and the one after its last."""
        self._keys = path.with_suffix(".keys")
        self._read = 0
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._file)
        memory = mmap.mmap(self._file, 0, access=mmap.ACCESS_READ)
        self.cells: MutableSequence[float] = memoryview(memory).cast("d")  # type: ignore[assignment]  # typeshed has no item types of a cast view

    def look_for_keys(self) -> None:
        """Read what its worker added."""
        if self._keys.stat().st_size <= self._read:
            return
        with self._keys.open("rb") as file:
            file.seek(self._read)
            for line in _whole_lines(file.read()):
                first, count, *key = json.loads(line)
                self.rows.append((tuple(key), first, first + count))
                self._read += len(line) + 1

    def lives(self) -> bool:
        """Say whether its worker does: then the file is locked."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        fcntl.lockf(self._file, fcntl.LOCK_UN)
        return False


def _whole_lines(text: bytes) -> list[bytes]:
    """Return the lines that are complete: what comes after the last line end is being written."""
    return text.split(b"\n")[:-1]
