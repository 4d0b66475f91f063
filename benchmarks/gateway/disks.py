"""Ours with its traces on a disk, beside the same in memory: what a store costs."""

from __future__ import annotations

import atexit
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from peers import ROOT, Launch, Peer, Where, tollway

RATES = (0.2, 1.0)


def peers(disk: Path, *, dirty: bool) -> list[Peer]:
    """Return ours with each rate, in memory and on the disk; `dirty`: files are deleted there before each."""
    here = place_on(disk)
    prepare = partial(make_dirty, here) if dirty else None
    state = "dirty disk" if dirty else "disk"
    in_memory = [Peer(f"tollway, rate {rate:g}, memory", partial(tollway, rate=rate)) for rate in RATES]
    on_disk = [
        Peer(f"tollway, rate {rate:g}, {state}", partial(launched_on, here, rate, prepare)) for rate in RATES
    ]
    return [*in_memory, *on_disk]


def place_on(disk: Path) -> Path:
    """Return a new folder on the disk, which is removed when the benchmark ends."""
    folder = tempfile.TemporaryDirectory(prefix="tollway-benchmark-", dir=disk)
    atexit.register(folder.cleanup)
    return Path(folder.name)


def launched_on(
    place: Path, rate: float, prepare: Callable[[], None] | None, where: Where, folder: Path
) -> Launch:
    """Launch ours with a new store in `place`."""
    if prepare is not None:
        prepare()
    return tollway(where, folder, rate=rate, store=store_in(place, folder))


def store_in(place: Path, folder: Path) -> Path:
    """Return where the run that has this scratch folder has its traces."""
    return place / folder.name


def make_dirty(place: Path) -> None:
    """Make files beside the stores and delete them, in a process of its own."""
    subprocess.run([sys.executable, ROOT / "benchmarks" / "store" / "dirty.py", place], check=True)
