"""Which conversation a request belongs to, by its own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

_FIELDS = ("prompt_cache_key", "session_id", "conversation_id", "conversation", "thread_id")
_METADATA = ("session_id", "conversation_id", "thread_id")
_MAX_PREFIX_BYTES = 4096


def by_name(payload: Mapping[str, Any]) -> tuple[bytes, bytes] | None:
    """Return what names the conversation: a field for it, else the user."""
    conversation, metadata = payload.get("conversation"), payload.get("metadata")
    values = [payload.get(key) for key in _FIELDS]
    if isinstance(conversation, dict):
        values.append(conversation.get("id"))
    if isinstance(metadata, dict):
        values += [metadata.get(key) for key in _METADATA]
    values.append(payload.get("user"))
    named = next((value for value in values if isinstance(value, str) and value), None)
    return None if named is None else (b"name", named.encode("utf-8", "surrogatepass"))


def by_prefix(beginning: Any) -> tuple[bytes, bytes] | None:
    """Return the beginning of a prompt as the name of its conversation."""
    prefix = _written(beginning)
    return (b"prefix", prefix) if prefix else None


def opening(messages: Any) -> list[Any]:
    """Return the messages up to the first of the user."""
    found = []
    for message in messages if isinstance(messages, list) else ():
        found.append(message)
        if isinstance(message, dict) and message.get("role") == "user":
            break
    return found


def _written(value: Any) -> bytes:
    if not value:
        return b""
    try:
        return orjson.dumps(value)[:_MAX_PREFIX_BYTES]
    except TypeError:  # an integer beyond 64 bits, a surrogate: what JSON cannot say is no prefix
        return b""
