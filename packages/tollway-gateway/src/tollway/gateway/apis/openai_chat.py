"""OpenAI's chat: https://platform.openai.com/docs/api-reference/chat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, ClassVar

from tollway.gateway.errors import RequestRejected
from tollway.provider import Task
from tollway.provider.scanned import OF_ROLES, ScannedObject

from .api import API, APICall, Continuation
from .checks import no_messages, wrong_type
from .conversation import by_name, by_prefix, opening
from .openai_content import chat_messages, choices_as_messages
from .openai_continuation import ChatContinuation
from .parameters import GENERATION


class OpenAIChat(API):
    """See the module; the form that all others are translated into."""

    name = "chat"
    task = Task.CHAT
    paths = ("/v1/chat/completions",)
    operation = "chat"
    summary = "Chat, streamed with stream: true"
    example: ClassVar[Mapping[str, Any]] = {"messages": [{"role": "user", "content": "What is a toll road?"}]}
    schema: ClassVar[Mapping[str, Any]] = {
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["role"],
                "properties": {"role": {"type": "string"}, "content": {}},
            },
        }
    }
    parameters = GENERATION

    def call(self, payload: dict[str, Any], body: bytes, scope: MutableMapping[str, Any]) -> APICall:
        """See `API.call`. Most requests come by here, so it does without a call for each check."""
        if not (isinstance(payload, ScannedObject) and payload.kind("messages") == OF_ROLES):
            messages = payload.get("messages")
            if not isinstance(messages, list) or not messages:
                raise no_messages(payload)
            for message in messages:
                if not isinstance(message, dict) or not isinstance(message.get("role"), str):
                    raise _wrong_message(messages)
        stream = payload.get("stream")
        if stream is not None and not isinstance(stream, bool):
            raise wrong_type("stream", "true or false")
        return APICall(self.task, payload, body, bool(stream), api=self)

    def bounds(self, payload: Mapping[str, Any]) -> tuple[int | None, int]:
        """See `API.bounds`."""
        return bounds_of(payload)

    def conversation(self, payload: Mapping[str, Any]) -> tuple[bytes, bytes] | None:
        """See `API.conversation`."""
        return by_name(payload) or by_prefix(opening(payload.get("messages")))

    def continuation(self) -> Continuation:
        """See `API.continuation`."""
        return ChatContinuation()

    def input_messages(self, payload: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """See `API.input_messages`."""
        return chat_messages(payload["messages"])

    def output_messages(self, body: bytes | None, events: Iterable[bytes]) -> list[dict[str, Any]]:
        """See `API.output_messages`."""
        return choices_as_messages(body, events)


def bounds_of(payload: Mapping[str, Any]) -> tuple[int | None, int]:
    """Return the bound on an answer's tokens, and `n`."""
    most = payload.get("max_completion_tokens")
    if most is None:
        most = payload.get("max_tokens")
    answers = payload.get("n")
    return (
        max(0, most) if type(most) is int else None,
        answers if type(answers) is int and answers > 0 else 1,
    )


def _wrong_message(messages: list[Any]) -> RequestRejected:
    """Return what is wrong with the first message that is none."""
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            return wrong_type(f"messages[{index}]", "an object with a role and a content")
        if not isinstance(message.get("role"), str):
            break
    return wrong_type(f"messages[{index}].role", "a string")
