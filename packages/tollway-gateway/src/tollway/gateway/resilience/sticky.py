"""Which conversation a request belongs to, and where conversations were moved to."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from .windows import Clock

MAX_CONVERSATIONS = 10_000
"""Conversations that a table remembers; the one that was quiet longest gives way."""

_HEADERS = (b"x-session-id", b"x-conversation-id", b"session-id", b"session_id", b"conversation_id")
"""Headers by which clients name a conversation; the last three are those of coding agents."""

_FIELDS = ("prompt_cache_key", "session_id", "conversation_id", "conversation", "thread_id")
_METADATA = ("session_id", "conversation_id", "thread_id")
_MAX_PREFIX_BYTES = 4096
_KEY_BYTES = 16


def conversation_key(
    headers: Iterable[tuple[bytes, bytes]], payload: Mapping[str, Any], header: bytes | None = None
) -> bytes | None:
    """Return what stands for the conversation of a request; None if nothing does.

    By the first of these that there is: the configured `header`, a usual header, a field of the request that
    names a conversation (`prompt_cache_key`, `session_id`, `conversation`), its `user`, the beginning of its
    prompt up to the first message of the user.
    """
    wanted = _HEADERS if header is None else (header, *_HEADERS)
    found = {name: value for name, value in headers if name in wanted and value}
    for name in wanted:
        if name in found:
            return _digest(b"header", found[name])
    named = _named(payload)
    if named is not None:
        return _digest(b"name", named.encode("utf-8", "surrogatepass"))
    prefix = _prefix(payload)
    return _digest(b"prefix", prefix) if prefix else None


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


def _named(payload: Mapping[str, Any]) -> str | None:
    conversation, metadata = payload.get("conversation"), payload.get("metadata")
    values = [payload.get(key) for key in _FIELDS]
    if isinstance(conversation, dict):
        values.append(conversation.get("id"))
    if isinstance(metadata, dict):
        values += [metadata.get(key) for key in _METADATA]
    values.append(payload.get("user"))
    return next((value for value in values if isinstance(value, str) and value), None)


def _prefix(payload: Mapping[str, Any]) -> bytes:
    """Return the beginning of the prompt: messages up to the first of the user, or the first of the text."""
    messages = payload.get("messages")
    if isinstance(messages, list):
        opening = []
        for message in messages:
            opening.append(message)
            if isinstance(message, dict) and message.get("role") == "user":
                break
        return _written(opening)
    return _written(payload.get("prompt"))


def _written(value: Any) -> bytes:
    if not value:
        return b""
    try:
        return orjson.dumps(value)[:_MAX_PREFIX_BYTES]
    except TypeError:  # an integer beyond 64 bits, a surrogate: what JSON cannot say is no prefix
        return b""


def _digest(kind: bytes, value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=_KEY_BYTES, person=kind).digest()


def _score(key: bytes, name: str, weight: float) -> float:
    digest = hashlib.blake2b(name.encode(), digest_size=8, key=key).digest()
    unit = (int.from_bytes(digest, "big") + 1) / (2**64 + 2)
    return -weight / math.log(unit)
