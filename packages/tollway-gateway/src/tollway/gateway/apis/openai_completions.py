"""OpenAI's completions: https://platform.openai.com/docs/api-reference/completions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, ClassVar

from tollway.provider import Task

from .api import API, APICall
from .checks import check_texts, stream_of
from .conversation import by_name, by_prefix
from .openai_chat import bounds_of
from .openai_content import choices_as_messages, texts_as_messages
from .parameters import GENERATION


class OpenAICompletions(API):
    """See the module."""

    name = "completions"
    task = Task.COMPLETIONS
    paths = ("/v1/completions",)
    operation = "text_completion"
    summary = "Complete a prompt, streamed with stream: true"
    example: ClassVar[Mapping[str, Any]] = {"prompt": "A toll road is"}
    schema: ClassVar[Mapping[str, Any]] = {"prompt": {"type": "string", "minLength": 1}}
    parameters = GENERATION

    def call(self, payload: dict[str, Any], body: bytes, scope: MutableMapping[str, Any]) -> APICall:
        """See `API.call`."""
        check_texts(payload, "prompt")
        return APICall(self.task, payload, body, stream_of(payload), api=self)

    def bounds(self, payload: Mapping[str, Any]) -> tuple[int | None, int]:
        """See `API.bounds`."""
        return bounds_of(payload)

    def conversation(self, payload: Mapping[str, Any]) -> tuple[bytes, bytes] | None:
        """See `API.conversation`."""
        return by_name(payload) or by_prefix(payload.get("prompt"))

    def input_messages(self, payload: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """See `API.input_messages`."""
        return texts_as_messages(payload.get("prompt", []))

    def output_messages(self, body: bytes | None, events: Iterable[bytes]) -> list[dict[str, Any]]:
        """See `API.output_messages`."""
        return choices_as_messages(body, events)
