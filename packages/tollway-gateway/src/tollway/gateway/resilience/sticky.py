"""Which conversation a request belongs to, and where conversations were moved to."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .windows import Clock

if TYPE_CHECKING:
    from tollway.gateway.apis import API

MAX_CONVERSATIONS = 10_000
"""Conversations that a table remembers; the one that was quiet longest gives way."""

_HEADERS = (b"x-session-id", b"x-conversation-id", b"session-id", b"session_id", b"conversation_id")
"""Headers by which clients name a conversation; the last three are those of coding agents."""

_KEY_BYTES = 16


def conversation_key(
    headers: Iterable[tuple[bytes, bytes]], api: API, payload: Mapping[str, Any], header: bytes | None = None
) -> bytes | None:
    """Return what stands for the conversation of a request; None if nothing does.

    By the first of these that there is: the configured `header`, a usual header, what its API finds in the
    request itself: a field that names a conversation, its user, the beginning of its prompt.
    """
    wanted = _HEADERS if header is None else (header, *_HEADERS)
    found = {name: value for name, value in headers if name in wanted and value}
    for name in wanted:
        if name in found:
            return _digest(b"header", found[name])
    conversation = api.conversation(payload)
    return None if conversation is None else _digest(*conversation)


def rendezvous(key: bytes, weights: Mapping[str, float]) -> list[str]:
    """Return names in the order of their weighted rendezvous hashes for a key.

    Every name is first for its share of keys, and without one name the order of the others stays the same
    (Schindelhauer and Schomaker 2005). The same in every process.
    """
    return sorted(weights, key=lambda name: _score(key, name, weights[name]), reverse=True)


class StickyTable:
    """Where conversations were moved to; each is forgotten `ttl_s` seconds after its last request."""

    def __init__(self, ttl_s: float, clock_s: Clock, max_entries: int = MAX_CONVERSATIONS) -> None:
        self._ttl_s = ttl_s
        self._clock_s = clock_s
        self._max_entries = max_entries
        self._entries: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: bytes) -> str | None:
        """Return where a conversation was moved to."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[1] <= self._clock_s():
            del self._entries[key]
            return None
        return entry[0]

    def remember(self, key: bytes, name: str) -> None:
        """Note where a conversation is now."""
        self._entries[key] = name, self._clock_s() + self._ttl_s
        self._entries.move_to_end(key)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)

    def forget(self, key: bytes) -> None:
        """Note that a conversation is where its key belongs."""
        self._entries.pop(key, None)


def _digest(kind: bytes, value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=_KEY_BYTES, person=kind).digest()


def _score(key: bytes, name: str, weight: float) -> float:
    digest = hashlib.blake2b(name.encode(), digest_size=8, key=key).digest()
    unit = (int.from_bytes(digest, "big") + 1) / (2**64 + 2)
    return -weight / math.log(unit)
