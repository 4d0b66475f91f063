"""What takes long to make is made once: by one process at a time, for all that run the tests."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest  # CI begins with this before anything is installed


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time go on; the others wait."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def made_once(name: str, temporary: pytest.TempPathFactory, make: Callable[[Path], object]) -> Path:
    """Return a folder that `make` fills, one for all workers of this run of pytest."""
    base = temporary.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # each worker's folder lies in the run's
    folder, complete = base / name, base / f"{name}.complete"
    with locked(base / f"{name}.lock"):
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            complete.touch()
    return folder


def kept(name: str, pins: bytes, make: Callable[[Path], object]) -> Path:
    """Return a folder outside of the tree that `make` fills, one for all runs with the same pins.

    The first process that needs it makes it; an unfinished one is made again.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tollway-tests"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{name}-{hashlib.sha256(pins + sys.version.encode()).hexdigest()[:16]}"
    complete = folder / "complete"
    with locked(cache / f"{folder.name}.lock"):
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            complete.touch()
    return folder
