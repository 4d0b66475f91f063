"""OpenAI's embeddings: https://platform.openai.com/docs/api-reference/embeddings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, ClassVar

from tollway.gateway.errors import RequestRejected
from tollway.provider import Task

from .api import API, APICall
from .checks import check_texts, missing, stream_of
from .conversation import by_name
from .openai_content import texts_as_messages
from .parameters import EMBEDDING


class OpenAIEmbeddings(API):
    """See the module."""

    name = "embeddings"
    task = Task.EMBEDDINGS
    paths = ("/v1/embeddings",)
    operation = "embeddings"
    summary = "Embed texts"
    example: ClassVar[Mapping[str, Any]] = {"input": ["a toll road"]}
    schema: ClassVar[Mapping[str, Any]] = {
        "input": {"type": "array", "minItems": 1, "items": {"type": "string"}}
    }
    parameters = EMBEDDING

    def call(self, payload: dict[str, Any], body: bytes, scope: MutableMapping[str, Any]) -> APICall:
        """See `API.call`."""
        check_texts(payload, "input")
        if not payload.get("input") and not payload.get("messages"):  # vLLM embeds conversations
            raise _without_input(payload)
        if stream_of(payload):
            raise RequestRejected(400, "unsupported_value", "embeddings cannot be streamed", param="stream")
        return APICall(self.task, payload, body, api=self)

    def bounds(self, payload: Mapping[str, Any]) -> tuple[int | None, int]:
        """See `API.bounds`: an embedding has no tokens."""
        return 0, 1

    def conversation(self, payload: Mapping[str, Any]) -> tuple[bytes, bytes] | None:
        """See `API.conversation`."""
        return by_name(payload)

    def input_messages(self, payload: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """See `API.input_messages`."""
        return texts_as_messages(payload.get("input", []))

    def output_messages(self, body: bytes | None, events: Iterable[bytes]) -> list[dict[str, Any]]:
        """See `API.output_messages`: vectors are not for a span."""
        return []


def _without_input(payload: Mapping[str, Any]) -> RequestRejected:
    if "input" not in payload:
        return missing("input", "a string or a list")
    return RequestRejected(400, "empty_value", "'input' must not be empty", param="input")
