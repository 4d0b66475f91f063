"""The log of malformed requests: a line for the first, then one in ten seconds at most."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

from tollway.gateway.pipeline.malformed import MalformedRequest

_log = logging.getLogger(__name__)

EVERY_S = 10.0


class MalformedLog:
    """Logs malformed requests; whoever sends millions of them does not fill a disk with lines."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._unlogged: Counter[str] = Counter()
        self._last: MalformedRequest | None = None

    def note(self, request: MalformedRequest) -> None:
        """Log a request now, or count it for a later line."""
        if self._timer is not None:
            self._unlogged[f"{request.status} {request.code}"] += 1
            self._last = request
            return
        _log.warning(
            "refused a request from %s: %d %s: %s",
            request.client,
            request.status,
            request.code,
            request.message,
        )
        self._timer = self._loop.call_later(EVERY_S, self.report)

    def report(self) -> None:
        """Log how many were not logged since the last line, and of which kinds."""
        self._timer = None
        if self._last is None:
            return
        _log.warning(
            "refused %d more requests in the last %g s (%s), the last one from %s: %s",
            self._unlogged.total(),
            EVERY_S,
            ", ".join(f"{kind}: {count}" for kind, count in self._unlogged.most_common()),
            self._last.client,
            self._last.message,
        )
        self._unlogged.clear()
        self._last = None
        self._timer = self._loop.call_later(EVERY_S, self.report)
