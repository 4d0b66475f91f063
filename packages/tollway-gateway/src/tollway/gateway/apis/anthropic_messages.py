"""Anthropic's Messages API, and its count of tokens: https://platform.claude.com/docs/en/api/messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, ClassVar

from tollway.provider import Task
from tollway.provider.dialects import ANTHROPIC_COUNT_TOKENS, ANTHROPIC_MESSAGES
from tollway.provider.scanned import OF_ROLES, ScannedObject

from .anthropic_content import events_as_messages, message_as_messages, turns_as_messages
from .api import API, APICall
from .checks import dialect_of, no_messages, session_of, stream_of, wrong_type
from .conversation import by_prefix, opening
from .parameters import SAMPLING, integer, texts
from .shapes import anthropic_shape

_SESSION = re.compile(r"session_?(?:id)?\W*_?([0-9a-fA-F-]{36})")
"""How Claude Code names its session in `metadata.user_id`."""

_SESSION_HEADERS = (b"x-claude-code-session-id",)
"""How it names its session in all requests, those without metadata too."""


_BLOCK = {
    "type": "object",
    "required": ["type", "text"],
    "properties": {"type": {"const": "text"}, "text": {"type": "string"}},
}
"""The schema of a block of text; that of others is Anthropic's documentation."""


def named_session(metadata: Any) -> str | None:
    """Return the session that Claude Code names."""
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    found = _SESSION.search(user[:1024]) if isinstance(user, str) else None
    return None if found is None else found.group(1)


class AnthropicMessages(API):
    """See the module."""

    name = "messages"
    task = Task.CHAT
    paths = ("/v1/messages",)
    dialect = ANTHROPIC_MESSAGES
    operation = "chat"
    shape = anthropic_shape
    summary = "Chat in Anthropic's dialect, streamed with stream: true"
    example: ClassVar[Mapping[str, Any]] = {
        "max_tokens": 256,
        "messages": [{"role": "user", "content": "What is a toll road?"}],
    }
    schema: ClassVar[Mapping[str, Any]] = {
        "max_tokens": {"type": "integer", "minimum": 1},
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["role", "content"],
                "properties": {
                    "role": {"enum": ["user", "assistant"]},
                    "content": {"anyOf": [{"type": "string"}, {"type": "array", "items": _BLOCK}]},
                },
            },
        },
    }
    parameters = (
        ("max_tokens", "gen_ai.request.max_tokens", integer),
        *SAMPLING,
        ("stop_sequences", "gen_ai.request.stop_sequences", texts),
        ("metadata", "gen_ai.conversation.id", named_session),
    )
    forwarded = frozenset({b"anthropic-beta", b"anthropic-version"})

    def call(self, payload: dict[str, Any], body: bytes, scope: MutableMapping[str, Any]) -> APICall:
        """See `API.call`."""
        _check(payload)
        stream, session = stream_of(payload), session_of(scope, _SESSION_HEADERS)
        return APICall(self.task, payload, body, stream, dialect_of(self, scope), api=self, session=session)

    def bounds(self, payload: Mapping[str, Any]) -> tuple[int | None, int]:
        """See `API.bounds`."""
        most = payload.get("max_tokens")
        return max(0, most) if type(most) is int else None, 1

    def conversation(self, payload: Mapping[str, Any]) -> tuple[bytes, bytes] | None:
        """See `API.conversation`."""
        metadata = payload.get("metadata")
        user = metadata.get("user_id") if isinstance(metadata, dict) else None
        if isinstance(user, str) and user:
            return b"name", user.encode("utf-8", "surrogatepass")
        return by_prefix([payload.get("system"), *opening(payload.get("messages"))])

    def input_messages(self, payload: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """See `API.input_messages`."""
        return turns_as_messages(payload)

    def output_messages(self, body: bytes | None, events: Iterable[bytes]) -> list[dict[str, Any]]:
        """See `API.output_messages`."""
        return events_as_messages(events) if body is None else message_as_messages(body)


class AnthropicCountTokens(AnthropicMessages):
    """The count of a request's tokens: no model writes anything."""

    name = "count_tokens"
    paths = ("/v1/messages/count_tokens",)
    dialect = ANTHROPIC_COUNT_TOKENS
    summary = "Count the tokens of a request in Anthropic's dialect"
    example: ClassVar[Mapping[str, Any]] = {"messages": [{"role": "user", "content": "What is a toll road?"}]}
    schema: ClassVar[Mapping[str, Any]] = {"messages": AnthropicMessages.schema["messages"]}

    def bounds(self, payload: Mapping[str, Any]) -> tuple[int | None, int]:
        """See `API.bounds`."""
        return 0, 1

    def call(self, payload: dict[str, Any], body: bytes, scope: MutableMapping[str, Any]) -> APICall:
        """See `API.call`."""
        _check(payload)
        session = session_of(scope, _SESSION_HEADERS)
        return APICall(self.task, payload, body, False, dialect_of(self, scope), api=self, session=session)

    def output_messages(self, body: bytes | None, events: Iterable[bytes]) -> list[dict[str, Any]]:
        """See `API.output_messages`: a count says nothing."""
        return []


def _check(payload: Mapping[str, Any]) -> None:
    if isinstance(payload, ScannedObject) and payload.kind("messages") == OF_ROLES:
        return
    messages = payload.get("messages")
    if not isinstance(messages, list) or not messages:
        raise no_messages(payload)
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            raise wrong_type(f"messages.{index}", "an object with a role and a content")
        if not isinstance(message.get("role"), str):
            raise wrong_type(f"messages.{index}.role", "a string")
