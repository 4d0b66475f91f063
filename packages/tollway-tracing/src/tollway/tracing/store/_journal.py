"""Journals: the lines of a day as one process wrote them, many in one write, and where each trace's are.

`<day>/journal/<writer>.jsonl` has lines as trace files have them. `<writer>.ids` beside it has 32 bytes a
line: trace id, offset, size. It is written after the lines and may lack the last of them: readers look
through what it does not cover. A writer holds a lock on its journal for as long as it lives, so that others
can tell which journals were left behind (docs/decisions/0173).
"""

import fcntl
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from secrets import token_hex
from typing import NamedTuple

from ._files import Files, ShortWriteError
from ._layout import Layout

MAX_BYTES = 64 * 1024 * 1024
"""A journal beyond this size gets no more lines; the next ones go to a new one."""

PREFIX = b'{"traceId":"'

_RECORD = struct.Struct("<16sQQ")

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


class Place(NamedTuple):
    """Where a journal has a line."""

    offset: int
    size: int


def trace_id_in(line: bytes) -> str | None:
    """Return the trace id that a line of a store begins with; None where it begins otherwise."""
    if not line.startswith(PREFIX):
        return None
    return line[len(PREFIX) : len(PREFIX) + 32].decode(errors="replace")


class Journal:
    """A journal of this process, open for appending. Raises OSError."""

    def __init__(self, layout: Layout, day: str) -> None:
        self.day = day
        self.name = f"{os.getpid()}-{token_hex(4)}"
        self.size = 0
        self._files = layout.files
        self._ids_whole = True
        path = layout.journal_file(day, self.name)
        try:
            self._lines = self._open(path)
        except FileNotFoundError:
            layout.files.make_folder(path)
            self._lines = self._open(path)
        self._ids = self._open(f"{path.removesuffix('.jsonl')}.ids")
        with suppress(OSError):  # a file system without locks: nobody takes such journals over
            fcntl.flock(self._lines, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _open(self, path: str) -> int:
        return self._files.open_new(path, _FLAGS)

    @property
    def is_usable(self) -> bool:
        """Whether it can take more: there is room, and nobody removed it."""
        return self.size < MAX_BYTES and os.fstat(self._lines).st_nlink > 0

    def append(self, lines: Sequence[tuple[str, bytes]]) -> None:
        """Add lines, each with its trace id, in one write; all of them or none. Raises OSError."""
        data = b"".join([line for _, line in lines])
        _append(self._lines, data, self.size)
        records, offset = [], self.size
        for trace_id, line in lines:
            records.append(_RECORD.pack(bytes.fromhex(trace_id), offset, len(line)))
            offset += len(line)
        self.size = offset
        if self._ids_whole:
            try:
                _append(self._ids, b"".join(records), os.fstat(self._ids).st_size)
            except OSError:
                self._ids_whole = False  # readers look through the lines themselves

    def let_go(self) -> int:
        """Take no more lines; return the descriptor that holds the lock."""
        os.close(self._ids)
        return self._lines

    def close(self) -> None:
        """Take no more lines, and let go of it."""
        os.close(self._lines)
        os.close(self._ids)


def _append(file: int, data: bytes, size: int) -> None:
    """Write all of it; else take back what was written. Raises OSError."""
    try:
        written = os.write(file, data)
        while written < len(data):
            more = os.write(file, data[written:])
            if more == 0:
                raise ShortWriteError("the file took no more bytes")
            written += more
    except OSError:
        with suppress(OSError):
            os.ftruncate(file, size)
        raise


class JournalView:
    """A journal as anybody reads it, its writer at work or gone."""

    def __init__(self, files: Files, path: str) -> None:
        self.path = path
        self.name = os.path.basename(path).removesuffix(".jsonl")
        self._files = files
        self._ids_path = f"{path.removesuffix('.jsonl')}.ids"

    def places(self, trace_id: str) -> list[Place]:
        """Return where a trace's lines are."""
        data, wanted = self._files.read(self._ids_path), bytes.fromhex(trace_id)
        found, at = [], data.find(wanted)
        while at >= 0:
            if at % _RECORD.size == 0 and at + _RECORD.size <= len(data):
                found.append(Place(*_RECORD.unpack_from(data, at)[1:]))
            at = data.find(wanted, at + 1)
        found.extend(place for one, place in self._uncovered(_covered(data)) if one == trace_id)
        return found

    def all_places(self) -> Iterator[tuple[str, Place]]:
        """Yield each line's trace id and place, in order."""
        data = self._files.read(self._ids_path)
        whole = len(data) // _RECORD.size * _RECORD.size
        for trace_id, offset, size in _RECORD.iter_unpack(data[:whole]):
            yield trace_id.hex(), Place(offset, size)
        yield from self._uncovered(_covered(data))

    def added(self, known_bytes: int) -> tuple[list[tuple[str, Place]], int]:
        """Return the lines that the ids name beyond so many bytes of them, and how many bytes there are."""
        data = self._files.read(self._ids_path, known_bytes)
        whole = len(data) // _RECORD.size * _RECORD.size
        found = [(one.hex(), Place(at, size)) for one, at, size in _RECORD.iter_unpack(data[:whole])]
        return found, known_bytes + whole

    def line(self, place: Place) -> bytes | None:
        """Return the line at a place, without its end; None where there is none that is whole."""
        line = self._files.read(self.path, place.offset, place.size)
        return line[:-1] if len(line) == place.size and line.endswith(b"\n") else None

    def _uncovered(self, covered: int) -> Iterator[tuple[str, Place]]:
        data = self._files.read(self.path, covered)
        at = 0
        while (end := data.find(b"\n", at)) >= 0:
            if (trace_id := trace_id_in(data[at : at + len(PREFIX) + 32])) is not None:
                yield trace_id, Place(covered + at, end + 1 - at)
            at = end + 1

    def torn(self) -> int:
        """Return 1 where the last line is not whole: its writer died in it, or is writing it."""
        try:
            size = os.path.getsize(self.path)
        except FileNotFoundError:
            return 0
        return 1 if size and self._files.read(self.path, size - 1, 1) != b"\n" else 0

    def remove(self) -> None:
        """Remove it. Raises OSError."""
        # The ids first: lines without ids are looked through, ids without lines would lead nowhere.
        for path in (self._ids_path, self.path):
            with suppress(FileNotFoundError):
                os.unlink(path)
        with suppress(OSError):  # others have journals there
            os.rmdir(os.path.dirname(self.path))


def _covered(ids: bytes) -> int:
    whole = len(ids) // _RECORD.size * _RECORD.size
    if not whole:
        return 0
    _, offset, size = _RECORD.unpack_from(ids, whole - _RECORD.size)
    return int(offset + size)


def adopt(path: str) -> int | None:
    """Take a journal over whose writer is gone; return the lock's descriptor, or None where it is not."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(file).st_nlink:
            return file
    except OSError:
        pass
    os.close(file)
    return None
