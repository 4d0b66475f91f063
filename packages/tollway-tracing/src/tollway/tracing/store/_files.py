"""How bytes get into the files of a store whole, and back; who may read them; and that no link is followed.

A new file is written without a name, or beside its place where there are no such files, and then linked into
its place: it is there whole or not at all, and of two processes that make the same file one wins and the
other appends. Appends are one `write` with O_APPEND, which Linux keeps apart from those of other processes.
Neither outlives a power cut for certain (nothing is fsynced), both outlive the process: what `write` has
taken, the kernel keeps.

Trace files hold what users said, so they are their owner's alone unless the store says otherwise. The folder
of the store may be a symbolic link; what is below it may not (docs/decisions/0094).
"""

import errno
import io
import os
import stat
from contextlib import suppress

FILE_MODE = 0o600
"""Mode of new files: their owner's alone."""

_UNNAMED = getattr(os, "O_TMPFILE", 0) | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
"""Linux only. Without it opening a folder for writing is refused, and files are made beside their place."""

_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_READABLE_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Not blocking: a pipe in a file's place must not hold up a reader until somebody writes."""

_PERMISSIONS = 0o777

_NOT_FOLLOWED = "a symbolic link inside a trace store is not followed"


class ShortWriteError(OSError):
    """The disk took only a part of a line."""


class LinkError(OSError):
    """A symbolic link lies where a store has a folder or a file of its own."""


class Files:
    """The files below one folder, by their whole paths.

    mode: of new files; new folders are searchable by whoever may read the files in them.
    """

    def __init__(self, root: str, mode: int = FILE_MODE) -> None:
        self.root = root
        self.mode = mode
        self.folder_mode = mode | (mode & 0o444) >> 2

    def create(self, path: str, data: bytes) -> bool:
        """Make a file in a folder of the root, whole; False if there is one already. Raises OSError."""
        try:
            return self._create_unnamed(path, data)
        except FileExistsError:
            return False
        except OSError:
            # No such files here (NFS), no /proc, a policy against it; or what refuses the other way too.
            return self._create_beside(path, data)

    def _create_unnamed(self, path: str, data: bytes) -> bool:
        """Give a file its name when it is whole; one without a name goes when its writer does. open(2)."""
        file = os.open(path[: path.rindex("/")], _UNNAMED, self.mode)
        try:
            self._set_mode(file)
            write_all(file, data)
            # The path is absolute: the descriptor only makes Python follow the link, by `linkat`.
            os.link(f"/proc/self/fd/{file}", path, src_dir_fd=file)
        finally:
            os.close(file)
        return True

    def _create_beside(self, path: str, data: bytes) -> bool:
        name = os.path.basename(path)
        beside = f".{name}.{os.getpid()}.tmp"
        folder = self._open_folder(path)
        try:
            self._write(folder, beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, data)
            os.link(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
        except FileExistsError:
            return False
        finally:
            with suppress(OSError):
                os.unlink(beside, dir_fd=folder)
            os.close(folder)
        return True

    def append(self, path: str, data: bytes) -> None:
        """Add lines to a file in one write; first end the line that a writer died in. Raises OSError."""
        folder = self._open_folder(path)
        try:
            self._write(folder, os.path.basename(path), os.O_RDWR | os.O_CREAT | os.O_APPEND, data)
        finally:
            os.close(folder)

    def open_new(self, path: str, flags: int) -> int:
        """Open a file of the store's mode for writing, which `flags` make; return it. Raises OSError."""
        folder = self._open_folder(path)
        try:
            file = os.open(os.path.basename(path), flags, self.mode, dir_fd=folder)
        finally:
            os.close(folder)
        self._set_mode(file)
        return file

    def replace(self, path: str, data: bytes) -> None:
        """Give a file new bytes, whole. Raises OSError."""
        name = os.path.basename(path)
        beside = f"{name}.{os.getpid()}.tmp"
        folder = self._open_folder(path)
        try:
            self._write(folder, beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, data)
            os.replace(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            os.close(folder)

    def _write(self, folder: int, name: str, flags: int, data: bytes) -> None:
        try:
            file = os.open(name, flags | _FILE, self.mode, dir_fd=folder)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise LinkError(error.errno, _NOT_FOLLOWED, name) from None
            raise
        try:
            size = os.fstat(file).st_size
            if size == 0:
                self._set_mode(file)
            elif flags & os.O_APPEND and os.pread(file, 1, size - 1) != b"\n":
                data = b"\n" + data
            write_all(file, data)
        finally:
            os.close(file)

    def make_folder(self, path: str) -> None:
        """Make the folder of a file, and those above it that are missing. Raises OSError."""
        os.makedirs(os.path.dirname(self.root) or ".", exist_ok=True)
        self._make(self.root)
        below = path[len(self.root) + 1 :].split("/")[:-1]
        for depth, part in enumerate(below):
            outer = self._open_folder("/".join((self.root, *below[: depth + 1])))
            try:
                self._make(part, outer)
            finally:
                os.close(outer)

    def _make(self, folder: str, inside: int | None = None) -> None:
        try:
            os.mkdir(folder, self.folder_mode, dir_fd=inside)
        except FileExistsError:
            return
        known = os.stat(folder, dir_fd=inside).st_mode
        if known & _PERMISSIONS != self.folder_mode:
            os.chmod(folder, _permitted(known, self.folder_mode), dir_fd=inside)

    def _set_mode(self, file: int) -> None:
        """Take from the umask what it took: the mode is a setting."""
        known = os.fstat(file).st_mode
        if known & _PERMISSIONS != self.mode:
            with suppress(PermissionError):  # somebody else's, made a moment ago
                os.fchmod(file, _permitted(known, self.mode))

    def open(self, path: str) -> io.FileIO | None:
        """Open a file for reading; None where there is none, or something that is no file of a store."""
        try:
            folder = self._open_folder(path)
        except (FileNotFoundError, NotADirectoryError, LinkError):
            return None
        try:
            file = os.open(os.path.basename(path), os.O_RDONLY | _FILE, dir_fd=folder)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO):
                return None
            raise
        finally:
            os.close(folder)
        if stat.S_ISREG(os.fstat(file).st_mode):
            return io.FileIO(file)
        os.close(file)
        return None

    def open_folder(self, path: str) -> int:
        """Open a folder of the store, to lock it or to have the disk keep what is in it. Raises OSError."""
        outer = self._open_folder(path)
        try:
            return os.open(os.path.basename(path), _READABLE_FOLDER, dir_fd=outer)
        finally:
            os.close(outer)

    def read(self, path: str, first: int = 0, most: int = -1) -> bytes:
        """Return a file's bytes from the `first`, `most` of them or all; none where there is no file."""
        file = self.open(path)
        if file is None:
            return b""
        with file:
            file.seek(first)
            return file.read(most)

    def exists(self, path: str) -> bool:
        """Return whether something is there."""
        return os.access(path, os.F_OK)

    def _open_folder(self, path: str) -> int:
        """Open the folder of a file without following a link below the root."""
        first, *rest = path[len(self.root) + 1 :].split("/")
        try:
            folder = os.open(f"{self.root}/{first}" if rest else f"{self.root}/.", _FOLDER)
            for part in rest[:-1]:
                outer = folder
                try:
                    folder = os.open(part, _FOLDER, dir_fd=outer)
                finally:
                    os.close(outer)
        except NotADirectoryError as error:
            self._refuse_links(os.path.dirname(path), error)
            raise
        return folder

    def _refuse_links(self, folder: str, error: OSError) -> None:
        """Say so where it is a link that is in the way."""
        while len(folder) > len(self.root):
            if os.path.islink(folder):
                raise LinkError(error.errno, _NOT_FOLLOWED, folder) from None
            folder = os.path.dirname(folder)


def _permitted(known: int, mode: int) -> int:
    """Return a mode with other permissions; other bits, such as setgid, stay."""
    return stat.S_IMODE(known) & ~_PERMISSIONS | mode


def whole_lines(data: bytes) -> tuple[list[bytes], int]:
    """Return the complete lines, and how many torn ones (no newline at the end of the file) there are."""
    lines = data.split(b"\n")
    torn = 1 if lines.pop() else 0
    return [line for line in lines if line], torn


def write_all(file: int, data: bytes) -> None:
    """Write, and again after a short write: more than 2 GiB at once, or a disk that is just full.

    Raises OSError.
    """
    while (written := os.write(file, data)) < len(data):
        if written == 0:
            raise ShortWriteError("the file took no more bytes")
        data = data[written:]
