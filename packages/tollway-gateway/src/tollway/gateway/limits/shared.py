"""A bucket that all worker processes of one machine take from: its state lies in a file that each maps.

The file holds two places for the state and a byte that says which of them counts. A new state is written to
the other place and then the byte is turned over, so that the file is right at any moment, wherever the
process that writes is killed. Who reads and writes has locked the file; the kernel ends the lock of a process
that dies. A file of zeros is a full bucket.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import weakref
from collections.abc import Callable
from pathlib import Path

from .bucket import Bucket, Decision, Rate, take

_MAX_CLOCK_NS = 2**63
"""No clock of the system goes further: it counts nanoseconds in a signed integer of 64 bits."""


class SharedBucket:
    """One bucket of all processes that open it in the same `folder`; in each of them for one thread.

    Raises:
        OSError: there is no place for its file.
    """

    def __init__(self, folder: str, name: str, rate: Rate) -> None:
        self._rate = rate
        most_ticks = _MAX_CLOCK_NS * rate.calls + rate.period_ns * rate.burst
        self._width = (most_ticks.bit_length() + 7) // 8  # no state of this rate is larger
        # Ticks of one rate are not those of another: another rate is another bucket.
        which = f"{name} {rate.calls} {rate.period_ns} {rate.burst}".encode()
        path = Path(folder) / f"{hashlib.blake2b(which, digest_size=16).hexdigest()}.bucket"
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        weakref.finalize(self, os.close, self._file)
        self._memory = self._mapped(1 + 2 * self._width)

    def _mapped(self, size: int) -> mmap.mmap:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            missing = size - os.fstat(self._file).st_size
            if missing > 0:  # written, not truncated: on a full disk that fails here, and not at a later call
                os.pwrite(self._file, bytes(missing), size - missing)
            return mmap.mmap(self._file, size)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def take(self, clock_ns: Callable[[], int]) -> Decision:
        """Take one token; the clock is one that all processes share, and is read when it is our turn."""
        memory, width = self._memory, self._width
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            place = 1 + width if memory[0] else 1
            bucket = Bucket(int.from_bytes(memory[place : place + width], "little"))
            decision = take(self._rate, bucket, clock_ns())
            if decision.allowed:
                other = width + 2 - place
                memory[other : other + width] = bucket.full_at_ticks.to_bytes(width, "little")
                memory[0] = not memory[0]
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        return decision
