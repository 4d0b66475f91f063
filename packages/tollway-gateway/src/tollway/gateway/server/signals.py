"""SIGINT, SIGTERM and SIGHUP, from the first model that loads to the last span that is written."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_PATIENCE = 2
"""Signals that are noted while models load; one more ends the process at once."""


class Signals:
    """Counts the signals that ask for the end, and passes each on to what serves, once there is something.

    `asked` is told of each in any case: how many there were. SIGHUP asks for a reload, unless it comes from
    the terminal that is closed, with which the process ends.

    While models load none interrupts: llama.cpp never comes back from freeing a model that is half loaded.
    """

    def __init__(self, asked: Callable[[int], None] = lambda _: None) -> None:
        self._asked = asked
        self.count = 0
        self.tell: Callable[[int], None] | None = None
        """Told how many signals there were, at each of them."""
        self._hangups = 0
        self._begin: Callable[[], None] | None = None
        self._had_terminal = _has_terminal()

    def __enter__(self) -> Signals:
        handlers = dict.fromkeys(_SIGNALS, self._note) | {signal.SIGHUP: self._note_hangup}
        self._before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def take_hangups(self) -> int:
        """Return how often a reload was asked for since this was last asked."""
        hangups, self._hangups = self._hangups, 0
        return hangups

    def reload_by(self, reload: Callable[[str], Awaitable[Any]]) -> None:
        """Have this called in the event loop that runs now, for each SIGHUP, also for those so far."""
        loop = asyncio.get_running_loop()
        tasks: set[asyncio.Future[Any]] = set()

        def begin() -> None:
            if self.take_hangups():
                task = asyncio.ensure_future(reload("SIGHUP"))
                tasks.add(task)
                task.add_done_callback(tasks.discard)

        def soon() -> None:
            loop.call_soon_threadsafe(begin)

        self._begin = soon
        begin()

    def _note(self, number: int, _: FrameType | None) -> None:
        self.count += 1
        self._asked(self.count)
        if self.tell is not None:
            self.tell(self.count)
        elif self.count > _PATIENCE:
            os._exit(128 + number)

    def _note_hangup(self, number: int, frame: FrameType | None) -> None:
        if self._had_terminal and not _has_terminal():
            self._note(number, frame)
            return
        self._hangups += 1
        if self._begin is not None:
            self._begin()


def _has_terminal() -> bool:
    """Say whether a terminal controls this process; one that is closed does not any more."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
