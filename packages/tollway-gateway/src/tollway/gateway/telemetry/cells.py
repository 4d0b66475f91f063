"""Numbers in flat memory: adding to one is an index and an addition, and other workers can read it.

Every worker of a gateway has a sheet of its own in a shared folder and is the only one to write there, so
nothing is locked; whoever is asked for the metrics reads all sheets. One worker alone has it in plain memory.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import weakref
from collections.abc import Hashable, Iterator, MutableSequence
from pathlib import Path

_MAX_CELLS = 1 << 20
"""Numbers of one sheet. Only memory that was written to is really taken."""

_CELL_BYTES = 8

Key = tuple[Hashable, ...]


class Sheet:
    """The numbers of one process; `cells[at(key)] += 1` counts.

    In a `folder` they lie in a file that others can read, `<pid>.cells`, and beside it `<pid>.keys` says what
    they are: a JSON line for each key, in the order of their cells.
    """

    def __init__(self, folder: str | None = None) -> None:
        self._first: dict[Key, tuple[int, int]] = {}
        self._used = 1  # the first cell takes what finds no room
        self._keys = None
        memory: mmap.mmap
        if folder is None:
            memory = mmap.mmap(-1, _MAX_CELLS * _CELL_BYTES)
        else:
            path = Path(folder)
            self._keys = (path / f"{os.getpid()}.keys").open("ab", buffering=0)
            weakref.finalize(self, self._keys.close)
            with (path / f"{os.getpid()}.cells").open("w+b") as file:
                file.truncate(_MAX_CELLS * _CELL_BYTES)
                memory = mmap.mmap(file.fileno(), _MAX_CELLS * _CELL_BYTES)
        self.cells: MutableSequence[float] = memoryview(memory).cast("d")  # type: ignore[assignment]

    def at(self, key: Key, count: int = 1) -> int:
        """Return the index of a key's first cell, of `count` in a row; they begin as zeros."""
        known = self._first.get(key)
        if known is not None:
            return known[0]
        if self._used + count > _MAX_CELLS:
            return 0 if count == 1 else _MAX_CELLS - count
        first = self._used
        self._used += count
        self._first[key] = first, count
        if self._keys is not None:
            self._keys.write(json.dumps([first, count, *key]).encode() + b"\n")
        return first

    def find(self, key: Key) -> int | None:
        """Return the index of a key's first cell; None for a key that was never asked for."""
        known = self._first.get(key)
        return None if known is None else known[0]

    def rows(self) -> Iterator[tuple[Key, list[float]]]:
        """Yield every key with its numbers."""
        for key, (first, count) in list(self._first.items()):
            yield key, list(self.cells[first : first + count])


def rows_of_others(folder: str) -> Iterator[tuple[int, Key, list[float]]]:
    """Yield process id, key and numbers of every sheet in a folder but this process's own."""
    own = os.getpid()
    for keys in Path(folder).glob("*.keys"):
        if keys.stem == str(own):
            continue
        try:
            lines = keys.read_bytes().split(b"\n")[:-1]  # what comes after the last line end is being written
            with keys.with_suffix(".cells").open("rb") as file:
                for line in lines:
                    first, count, *key = json.loads(line)
                    file.seek(first * _CELL_BYTES)
                    yield int(keys.stem), tuple(key), list(struct.unpack(f"{count}d", file.read(count * 8)))
        except (OSError, ValueError):  # a worker that ends takes its sheet along
            continue
