"""SIGINT and SIGTERM, from the first model that loads to the last span that is written."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType, TracebackType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_PATIENCE = 2
"""Signals that are noted while models load; one more ends the process at once."""


class Signals:
    """Counts the signals that ask for the end, and passes each on to what serves, once there is something.

    `asked` is told of each in any case: how many there were.

    While models load none interrupts: llama.cpp never comes back from freeing a model that is half loaded.
    """

    def __init__(self, asked: Callable[[int], None] = lambda _: None) -> None:
        self._asked = asked
        self.count = 0
        self.tell: Callable[[int], None] | None = None
        """Told how many signals there were, at each of them."""

    def __enter__(self) -> Signals:
        self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.count += 1
        self._asked(self.count)
        if self.tell is not None:
            self.tell(self.count)
        elif self.count > _PATIENCE:
            os._exit(128 + number)
