"""OpenAI's Responses API: https://platform.openai.com/docs/api-reference/responses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, ClassVar

from tollway.gateway.errors import RequestRejected
from tollway.provider import Task
from tollway.provider.dialects import OPENAI_RESPONSES
from tollway.provider.scanned import OF_OBJECTS, ScannedObject

from .api import API, APICall
from .checks import dialect_of, missing, session_of, stream_of, wrong_type
from .conversation import by_name, by_prefix, opening
from .parameters import SAMPLING, integer, level, named
from .responses_content import events_as_messages, items_as_messages, response_as_messages
from .shapes import responses_shape

_ITEM = {
    "type": "object",
    "required": ["type", "role", "content"],
    "properties": {
        "type": {"const": "message"},
        "role": {"enum": ["user", "assistant", "system", "developer"]},
        "content": {"type": "string"},
    },
}
"""The schema of a message; that of other items is OpenAI's documentation."""


_SESSION_HEADERS = (b"session-id", b"session_id", b"conversation_id")
"""How Codex names its session, today and before."""


class OpenAIResponses(API):
    """See the module."""

    name = "responses"
    task = Task.CHAT
    paths = ("/v1/responses",)
    dialect = OPENAI_RESPONSES
    operation = "chat"
    shape = responses_shape
    summary = "Chat by OpenAI's Responses API, streamed with stream: true"
    example: ClassVar[Mapping[str, Any]] = {"input": "What is a toll road?"}
    schema: ClassVar[Mapping[str, Any]] = {
        "input": {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "minItems": 1, "items": _ITEM},
            ]
        }
    }
    parameters = (
        ("max_output_tokens", "gen_ai.request.max_tokens", integer),
        *SAMPLING,
        ("prompt_cache_key", "gen_ai.conversation.id", named),
        ("previous_response_id", "gen_ai.request.previous_response.id", named),
        ("reasoning", "gen_ai.request.reasoning.level", level),
    )
    forwarded = frozenset({b"openai-beta"})

    def call(self, payload: dict[str, Any], body: bytes, scope: MutableMapping[str, Any]) -> APICall:
        """See `API.call`."""
        if not (isinstance(payload, ScannedObject) and payload.kind("input") >= OF_OBJECTS):
            _check_input(payload)
        stream, session = stream_of(payload), session_of(scope, _SESSION_HEADERS)
        return APICall(self.task, payload, body, stream, dialect_of(self, scope), api=self, session=session)

    def bounds(self, payload: Mapping[str, Any]) -> tuple[int | None, int]:
        """See `API.bounds`."""
        most = payload.get("max_output_tokens")
        return max(0, most) if type(most) is int else None, 1

    def conversation(self, payload: Mapping[str, Any]) -> tuple[bytes, bytes] | None:
        """See `API.conversation`."""
        given = payload.get("input")
        beginning = opening(given) if isinstance(given, list) else given
        return by_name(payload) or by_prefix([payload.get("instructions"), beginning])

    def input_messages(self, payload: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """See `API.input_messages`."""
        return items_as_messages(payload)

    def output_messages(self, body: bytes | None, events: Iterable[bytes]) -> list[dict[str, Any]]:
        """See `API.output_messages`."""
        return events_as_messages(events) if body is None else response_as_messages(body)


RESPONSES = OpenAIResponses()


def _check_input(payload: Mapping[str, Any]) -> None:
    given = payload.get("input")
    if given is None and not any(payload.get(key) for key in ("previous_response_id", "prompt")):
        raise missing("input", "a string or a list of items")
    if given is not None and not isinstance(given, str | list):
        raise wrong_type("input", "a string or a list of items")
    for index, item in enumerate(given if isinstance(given, list) else ()):
        if not isinstance(item, dict):
            raise wrong_type(f"input.{index}", "an object")
    if given is not None and not given:
        raise RequestRejected(400, "empty_value", "'input' must not be empty", param="input")
