"""What translators of requests share: the call, and the refusal of fields that chat has no word for."""

from __future__ import annotations

from typing import Any

from tollway.provider import Call, PayloadError, Task
from tollway.provider.json_text import dumps


def chat_call(call: Call, chat: dict[str, Any]) -> Call:
    """Return a call of chat in place of another; fields that are None are left out, streams tell usage."""
    chat = {key: value for key, value in chat.items() if value is not None}
    if call.stream:
        chat |= {"stream": True, "stream_options": {"include_usage": True}}
    return Call(Task.CHAT, chat, dumps(chat), call.stream)


def refuse_others(payload: dict[str, Any], known: frozenset[str]) -> None:
    """Refuse fields that nobody knows: what they ask for would be missing."""
    for key, value in payload.items():
        if key not in known and value is not None:
            raise unsayable(key)


def unsayable(where: str, what: str = "") -> PayloadError:
    """Return why a request is refused that has a field which the model's service has no word for."""
    name = what or where
    return PayloadError(f"{name} cannot be said to this model", code="unsupported_parameter", param=where)


def texts(value: Any, where: str) -> str:
    """Return a text that must be one."""
    if not isinstance(value, str):
        raise PayloadError(f"{where} must be text", param=where)
    return value


def objects(value: Any, where: str) -> list[dict[str, Any]]:
    """Return a list that must be one of objects; none where there is no list."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise PayloadError(f"{where} must be a list of objects", param=where)
    return value
