"""What happens now, as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson

from .asking import BusyError
from .reading import FOUND
from .sources import Source

MAX_LIVE = 32
"""Pages that are live at the same time."""

LOOK_S = 0.5
OVERVIEW_S = 2.0
KEEP_ALIVE_S = 15.0


class Live:
    """Writes to the pages that are open."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._open = 0

    @property
    def is_full(self) -> bool:
        """Whether no more pages can be live."""
        return self._open >= MAX_LIVE

    async def events(self, q: str | None, after: str | None, *, overview: bool) -> AsyncIterator[bytes]:
        """Yield events until the page is closed or the server ends.

        q: which traces to send; None sends no traces. after: the id of the last event the page received.
        """
        self._open += 1
        try:
            async for event in self._events(q, after, overview=overview):
                yield event
        finally:
            self._open -= 1

    async def _events(self, q: str | None, after: str | None, *, overview: bool) -> AsyncIterator[bytes]:
        last = int(after) if after and after.isascii() and after.isdigit() else None
        next_overview_s = next_sign_s = time.monotonic()
        while not self._source.is_ending():
            now_s = time.monotonic()
            if q is not None:
                news = await self._news(q, last)
                last = news["last"] if news else last
                for event in _traces(news):
                    yield event
            if overview and now_s >= next_overview_s:
                next_overview_s = now_s + OVERVIEW_S
                numbers = await asyncio.to_thread(self._source.overview)
                if numbers is not None:
                    yield _event("overview", numbers)
            if now_s >= next_sign_s:
                next_sign_s = now_s + KEEP_ALIVE_S
                yield b": keep-alive\n\n"
            await asyncio.sleep(LOOK_S)

    async def _news(self, q: str, last: int | None) -> dict[str, Any] | None:
        asker = self._source.asker()
        if asker is None:
            return None
        try:
            kind, body = await asker.ask("news", q=q, after=last)
        except BusyError:
            return None
        found: dict[str, Any] | None = orjson.loads(body) if kind == FOUND else None
        return found


def _traces(news: dict[str, Any] | None) -> Iterator[bytes]:
    for number, row in () if news is None else news["traces"]:
        yield _event("trace", row, number)


def _event(name: str, data: dict[str, Any], number: int | None = None) -> bytes:
    identity = b"" if number is None else b"id: %d\n" % number
    return b"%bevent: %b\ndata: %b\n\n" % (identity, name.encode(), orjson.dumps(data))
