"""The end of a process, in time, whatever hangs: a `predict`, a provider that closes, a disk, the loop."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import NoReturn

from tollway.gateway._private import run_exit_functions

_log = logging.getLogger(__name__)

_CLOSE_S = 2.0
"""For closing providers and writing spans, at least: the requests may have used all the rest."""

_AT_ONCE_S = 0.5

_LOG_S = 0.5
"""How long a line may take that says what is left: standard error may hang too."""


def stop_s(asked: int, drain_s: float) -> float:
    """Return how long the process may go on, in seconds, that was asked to stop so many times."""
    if asked == 1:
        return drain_s + _CLOSE_S
    return _CLOSE_S if asked == 2 else _AT_ONCE_S


class StopDeadline:
    """Ends the process with status 0 when a stop takes longer than it may.

    `left_behind` says what has not ended then. It has a thread of its own: the main thread may hang.
    """

    def __init__(
        self,
        drain_s: float,
        *,
        clock_s: Callable[[], float] = time.monotonic,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        self.left_behind: Callable[[], str] = lambda: "it was still starting"
        self._drain_s = drain_s
        self._clock_s = clock_s
        self._end = end
        self._when_s = math.inf
        self._news: SimpleQueue[None] = SimpleQueue()
        threading.Thread(target=self._watch, name="tollway-stop", daemon=True).start()

    def asked(self, times: int) -> None:
        """Note how many times the process was asked to stop; may be called in a signal handler."""
        self._when_s = min(self._when_s, self._clock_s() + stop_s(times, self._drain_s))
        self._news.put(None)  # the one thing of `queue` and `threading` that may interrupt itself

    def left_s(self) -> float:
        """Return the seconds that are left, without the moment that the end itself takes."""
        return max(0.0, self._when_s - self._clock_s() - _AT_ONCE_S)

    def _watch(self) -> None:
        while (left_s := self._when_s - self._clock_s()) > 0:
            with contextlib.suppress(Empty):
                self._news.get(timeout=None if left_s == math.inf else left_s)
        saying = threading.Thread(target=self._say, daemon=True)
        saying.start()
        saying.join(_LOG_S)
        self._end(0)

    def _say(self) -> None:
        try:
            log_left_behind(self.left_behind() or "something that hangs")
        except Exception:
            _log.exception("stopped in time, but cannot say what is left behind")


def log_left_behind(what: str) -> None:
    """Log what has not ended, if anything."""
    if what:
        _log.warning("stopped in time, and left behind: %s", what)


def leave(code: int = 0) -> NoReturn:
    """End the process as the interpreter would, but wait for no thread: one that hangs keeps it alive."""
    try:
        run_exit_functions()  # providers may rely on it
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
