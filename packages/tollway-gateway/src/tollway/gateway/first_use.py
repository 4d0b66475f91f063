"""What is slow to make, and often not needed: made in a thread when it is first asked for."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class FirstUse(Generic[T]):
    """Makes a value once, while the event loop goes on; callers that come meanwhile wait for the same one.

    When `make` raises, everyone who waited gets the error, and the next caller tries again.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._making: asyncio.Future[T] | None = None

    def begin(self) -> asyncio.Future[T]:
        """Begin to make the value, unless that was begun already; return what will have it."""
        if self._making is None or (self._making.done() and self._making.exception() is not None):
            self._making = asyncio.ensure_future(asyncio.to_thread(_kept, self._make))
        return self._making

    async def get(self) -> T:
        """Return the value. Raises what `make` raises."""
        # Shielded: a caller that hangs up must not take the value from the others.
        return await asyncio.shield(self.begin())


def _kept(make: Callable[[], T]) -> T:
    """Make a value that lives as long as the process: the garbage collector never has to look at it."""
    gc.disable()
    try:
        value = make()
        gc.freeze()
    finally:
        gc.enable()
    return value
