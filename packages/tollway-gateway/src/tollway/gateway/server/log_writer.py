"""Lines of a log on their way to a file or a pipe, beside the requests that they tell of.

A request only puts what is to be logged into a queue. A thread takes out what came together, makes lines of
it and writes them. The queue is bounded: what finds no room or cannot be written is counted, and the log
itself says how much is missing as soon as it can.
"""

from __future__ import annotations

import logging
import os
import select
import stat
import threading
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Generic, Self, TypeVar

_log = logging.getLogger(__name__)

Entry = TypeVar("Entry")

CAPACITY = 10_000
"""Entries that wait at most: a second of a busy worker's, some megabytes."""

_TOGETHER_S = 0.1
"""How long entries are collected before they are written, unless a batch is there sooner."""

_BATCH = 128
"""Entries made into lines in one go: Python's lock is held meanwhile, for 0.2 ms in which no request runs."""

_CLOSE_WITHIN_S = 5.0
"""How long the process waits at its end for a reader that does not read."""


class UnwrittenError(Exception):
    """Lines could not be written: the disk is full, nobody reads any more. Its cause says why."""

    def __init__(self, lines: int) -> None:
        super().__init__(lines)
        self.lines = lines
        """How many."""


class LogWriter(Generic[Entry]):
    """Takes entries from one thread and writes them from another, which starts with the first of them.

    `write` takes whole lines and returns when all are written, or raises `UnwrittenError`. `lines` makes them
    of entries, `missing` the one that tells how many were lost. As a context manager it writes at its end
    what still waits.
    """

    def __init__(
        self,
        write: Callable[[bytes], None],
        lines: Callable[[Sequence[Entry]], bytes],
        missing: Callable[[int], bytes],
        capacity: int = CAPACITY,
    ) -> None:
        self._write = write
        self._lines = lines
        self._missing = missing
        self._capacity = capacity
        self._waiting: deque[Entry] = deque()
        self._came = threading.Event()
        self._enough = threading.Event()
        self._ending = False
        self._thread: threading.Thread | None = None
        # Nothing is locked: the first is counted by who puts, the others by who writes.
        self._refused = self._unwritten = self._told = 0
        self._failing = False

    def put(self, entry: Entry) -> None:
        """Have it written soon; never waits and never fails."""
        waiting = self._waiting
        if len(waiting) >= self._capacity:
            self._refused += 1
            return
        waiting.append(entry)
        if not self._came.is_set():
            self._wake()
        if len(waiting) == _BATCH:
            self._enough.set()

    def flush(self) -> None:
        """Write what waits; it is what the thread does again and again."""
        waiting = self._waiting
        while waiting:
            entries = [waiting.popleft() for _ in range(min(len(waiting), _BATCH))]
            self._tell_what_is_missing()
            self._unwritten += self._failed(self._lines(entries))
        self._tell_what_is_missing()

    def close(self, within_s: float = _CLOSE_WITHIN_S) -> None:
        """Write what waits and end; what nobody takes within that time is given up, and its number logged."""
        self._ending = True
        self._came.set()
        self._enough.set()
        if self._thread is not None:
            self._thread.join(within_s)
        missing = len(self._waiting) + self._untold()
        if missing:
            _log.warning("the access log ends without its last %d lines", missing)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wake(self) -> None:
        self._came.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="tollway-access-log", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._ending:
            self._came.wait()
            self._enough.wait(_TOGETHER_S)
            self._came.clear()
            self._enough.clear()
            self.flush()
        self.flush()

    def _untold(self) -> int:
        return self._refused + self._unwritten - self._told

    def _tell_what_is_missing(self) -> None:
        untold = self._untold()
        if untold and not self._failed(self._missing(untold)):
            self._told += untold

    def _failed(self, data: bytes) -> int:
        """Write, and return how many lines could not be written."""
        try:
            self._write(data)
        except UnwrittenError as error:
            if not self._failing:
                _log.warning("the access log cannot be written, lines are missing: %s", error.__cause__)
            self._failing = True
            return error.lines
        self._failing = False
        return 0


class Descriptor:
    """Writes whole lines to a file descriptor that several processes may write to.

    A regular file takes them with one call. A pipe gets at most `PIPE_BUF` bytes with each: more is not kept
    in one piece while its reader is slow (POSIX, `write`).
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._most = 2**30 if stat.S_ISREG(os.fstat(number).st_mode) else select.PIPE_BUF
        self._torn = False

    def __call__(self, data: bytes) -> None:
        """Write lines, waiting as long as that takes.

        Raises:
            UnwrittenError: some of them could not be written; one that was cut off is ended before the next.
        """
        if self._torn:
            data = b"\n" + data
        while data:
            end = data.rfind(b"\n", 0, self._most) + 1 or data.find(b"\n") + 1
            try:
                written = os.write(self._number, data[:end])
            except BlockingIOError:  # somebody who shares it wants that
                select.select((), (self._number,), ())
            except OSError as error:
                raise UnwrittenError(data.count(b"\n", self._torn)) from error  # the torn line's end is none
            else:
                self._torn = written < end
                data = data[written:]
