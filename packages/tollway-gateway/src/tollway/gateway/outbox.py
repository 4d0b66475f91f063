"""What is to be written in one round of the event loop, written at its end, all at once.

A write wakes who waits at the other end of the socket, and waking a sleeping core costs more than the write.
Written one by one, between the work for one request and for the next, every answer pays for that: the other
side has gone to sleep again in between. Written together, the first wakes it and the others find it awake.
What one connection writes in a round leaves as one write. A request that is alone waits for nobody: its
connections write at once.
Figures: docs/decisions/0080.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol
from weakref import WeakKeyDictionary

_log = logging.getLogger(__name__)


class Sender(Protocol):
    """A connection that has something to write."""

    def flush(self) -> None:
        """Write all of it."""


class Outbox:
    """Of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.requests = 0
        """Requests under way; the server counts them. With more than one, senders post themselves."""
        self._call_soon = loop.call_soon
        self._senders: list[Sender] = []
        self._afterwards: list[Callable[[], None]] = []

    def post(self, sender: Sender) -> None:
        """Have `sender.flush()` called at the end of this round; to be posted once for each flush."""
        if not self._senders:
            self._call_soon(self._empty)
        self._senders.append(sender)

    def afterwards(self, call: Callable[[], None]) -> None:
        """Have this called when everything of the round is written: work that no answer need wait for."""
        self._afterwards.append(call)

    def _empty(self) -> None:
        senders, self._senders = self._senders, []
        for sender in senders:
            try:
                sender.flush()
            except Exception:  # one connection's trouble is not the others'
                _log.exception("a connection could not be written to")
        calls, self._afterwards = self._afterwards, []
        for call in calls:
            try:
                call()
            except Exception:
                _log.exception("what was to follow an answer failed")


_outboxes: WeakKeyDictionary[asyncio.AbstractEventLoop, Outbox] = WeakKeyDictionary()


def outbox_of(loop: asyncio.AbstractEventLoop) -> Outbox:
    """Return the outbox of a loop; asked once for each connection."""
    outbox = _outboxes.get(loop)
    if outbox is None:
        outbox = _outboxes[loop] = Outbox(loop)
    return outbox
