"""The folder of a store: where things lie, and how bytes get there whole.

A new file is written without a name, or beside its place where there are no such files, and then linked into
its place: it is there whole or not at all, and of two processes that make the same file one wins and the
other appends. Appends are one `write` with O_APPEND, which Linux keeps apart from those of other processes.
Neither outlives a power cut for certain (nothing is fsynced), both outlive the process: what `write` has
taken, the kernel keeps.
"""

import os
import re
from contextlib import suppress
from pathlib import Path

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_UNNAMED = getattr(os, "O_TMPFILE", 0) | os.O_WRONLY | os.O_CLOEXEC
"""Linux only. Without it opening a folder for writing is refused, and files are made beside their place."""

_TRACE_ID = re.compile(r"[0-9a-f]{32}")


class ShortWriteError(OSError):
    """The disk took only a part of a line."""


class Layout:
    """Paths inside a store."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.root = Path(path)
        self.indexes = self.root / "indexes"

    def days(self) -> list[str]:
        """Return the days that have traces, oldest first."""
        return days_in(self.root)

    def trace_file(self, day: str, trace_id: str) -> str:
        """Return the file of a trace."""
        return f"{self.root}/{day}/{trace_id}.json"

    def files_of(self, trace_id: str) -> list[str]:
        """Return the files that hold a trace: one, or two when it went on past midnight."""
        if not _TRACE_ID.fullmatch(trace_id):
            return []  # also keeps `../` out of paths
        places = (self.trace_file(day, trace_id) for day in self.days())
        return [place for place in places if os.path.exists(place)]


def days_in(folder: Path) -> list[str]:
    """Return the day folders of a folder, oldest first; none where there is no folder."""
    try:
        return sorted(name for name in os.listdir(folder) if _DAY.fullmatch(name))
    except (FileNotFoundError, NotADirectoryError):
        return []


def trace_ids_in(folder: str | os.PathLike[str]) -> list[str]:
    """Return the ids of the traces in a day folder, in no order."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return [name[:-5] for name in names if name.endswith(".json") and _TRACE_ID.fullmatch(name[:-5])]


def read(path: str | os.PathLike[str]) -> bytes:
    """Return a file's bytes; none where there is no file."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except FileNotFoundError:
        return b""


def whole_lines(data: bytes) -> tuple[list[bytes], int]:
    """Return the complete lines, and how many torn ones (no newline at the end of the file) there are."""
    lines = data.split(b"\n")
    torn = 1 if lines.pop() else 0
    return [line for line in lines if line], torn


def create(path: str, data: bytes) -> bool:
    """Make a file with these bytes, whole; False if there is one already. Raises OSError."""
    try:
        return _create_unnamed(path, data)
    except FileExistsError:
        return False
    except OSError:
        # No such files here (NFS), no /proc, a policy against it; or a refusal that the other way meets too.
        return _create_beside(path, data)


def _create_unnamed(path: str, data: bytes) -> bool:
    """Give a file its name when it is whole; one without a name goes when its writer does. open(2)."""
    file = os.open(path[: path.rindex("/")], _UNNAMED, 0o644)
    try:
        _write_all(file, data)
        # The path is absolute: the descriptor only makes Python follow the link, by `linkat`.
        os.link(f"/proc/self/fd/{file}", path, src_dir_fd=file)
    finally:
        os.close(file)
    return True


def _create_beside(path: str, data: bytes) -> bool:
    beside = f"{os.path.dirname(path)}/.{os.path.basename(path)}.{os.getpid()}.tmp"
    try:
        _write(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, data)
        os.link(beside, path)
    except FileExistsError:
        return False
    finally:
        with suppress(OSError):
            os.unlink(beside)
    return True


def append(path: str, data: bytes) -> None:
    """Add lines to a file in one write; first end the line in which the last writer died. Raises OSError."""
    _write(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, data)


def replace(path: str, data: bytes) -> None:
    """Give a file new bytes, whole. Raises OSError."""
    beside = f"{path}.{os.getpid()}.tmp"
    _write(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, data)
    os.replace(beside, path)


def _write(path: str, flags: int, data: bytes) -> None:
    file = os.open(path, flags | os.O_CLOEXEC, 0o644)
    try:
        if flags & os.O_APPEND and _ends_torn(file):
            data = b"\n" + data
        _write_all(file, data)
    finally:
        os.close(file)


def _ends_torn(file: int) -> bool:
    size = os.fstat(file).st_size
    return size > 0 and os.pread(file, 1, size - 1) != b"\n"


def _write_all(file: int, data: bytes) -> None:
    """Write, and again after a short write: more than 2 GiB at once, or a disk that is just full."""
    while (written := os.write(file, data)) < len(data):
        if written == 0:
            raise ShortWriteError("the file took no more bytes")
        data = data[written:]
