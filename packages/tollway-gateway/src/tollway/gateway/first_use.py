"""What is slow to make, and often not needed: made in a thread when it is first asked for."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class FirstUse(Generic[T]):
    """Makes a value once, while the event loop goes on; callers that come meanwhile wait for the same one.

    When `make` raises, everyone who waited gets the error, and the next caller tries again. What it makes is
    kept out of the garbage collector's sight, with all else that is there at that moment, if it `freezes`.
    """

    def __init__(self, make: Callable[[], T], *, freezes: bool = True) -> None:
        self._make = make
        self._freezes = freezes
        self._making: asyncio.Future[T] | None = None

    def begin(self) -> asyncio.Future[T]:
        """Begin to make the value, unless that was begun already; return what will have it."""
        if self._making is None or (self._making.done() and self._making.exception() is not None):
            self._making = asyncio.ensure_future(asyncio.to_thread(_made, self._make, self._freezes))
        return self._making

    async def get(self) -> T:
        """Return the value. Raises what `make` raises."""
        # Shielded: a caller that hangs up must not take the value from the others.
        return await asyncio.shield(self.begin())


def _made(make: Callable[[], T], freezes: bool) -> T:
    """Make a value, while nobody looks for cycles; one that `freezes` the collector never has to look at."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        value = make()
        if freezes:
            gc.freeze()
    finally:
        if was_enabled:
            gc.enable()
    return value
