"""Cohere, by its own API: https://docs.cohere.com/reference/chat and https://docs.cohere.com/reference/embed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tollway.provider import Answer, Call, Setting, SettingProblem, StreamDecoder, Target, Task
from tollway.provider.usages import cohere_usage

from ._base_url import check_base_url
from ._chat_request import said
from ._cohere_answer import CohereStream, answer_of
from ._cohere_request import body_of
from ._native import NativeProvider

_BASE = "https://api.cohere.com/v2"
_VERSION = re.compile(r"/v\d+$", re.ASCII)
_PATHS = {Task.CHAT: "/chat", Task.COMPLETIONS: "/chat", Task.EMBEDDINGS: "/embed"}


class CohereProvider(NativeProvider):
    """OpenAI's chat in, Cohere's v2 chat upstream, OpenAI's chat out; embeddings by v2 embed."""

    telemetry_name = "cohere"
    settings = (
        Setting(
            "cohere_api_key",
            "the key of your Cohere account, best as $COHERE_API_KEY",
            required=True,
            secret=True,
        ),
        Setting("cohere_api_base", f"the base URL, such as {_BASE}"),
    )
    base_url = _BASE
    base_url_setting = "cohere_api_base"
    key_setting = "cohere_api_key"

    @classmethod
    def check(cls, config: Mapping[str, Any], task: Task) -> Iterable[SettingProblem]:
        """Add to the checks of single settings that the base is a URL."""
        yield from super().check(config, task)
        yield from check_base_url("cohere_api_base", config.get("cohere_api_base"), _BASE)

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.url = f"{_VERSION.sub('', self.url)}/v2"  # MLflow's gateway has the address of version 1

    def url_for(self, task: Task, *, stream: bool) -> str:
        """Return the address of a task."""
        return self.address(_PATHS[task])

    def chat_body(self, call: Call) -> dict[str, Any]:
        """Return the body of v2 chat."""
        return body_of(call.payload, self.target.model, stream=call.stream)

    def chat_answer(self, body: Any, call: Call) -> Answer:
        """Read a whole answer."""
        return answer_of(body, self.target.model, int(self.now_s()))

    def chat_stream(self, call: Call) -> StreamDecoder:
        """Return a decoder of v2 chat's stream."""
        decoder = CohereStream(call, self.redact, int(self.now_s()), lambda raw: self._whole(call, raw))
        decoder.name("", self.target.model)
        return decoder

    def embeddings_body(self, call: Call, texts: list[str]) -> dict[str, Any]:
        """Return the body of v2 embed, which wants to know what the vectors are for."""
        more = {"dimensions": "output_dimension", "input_type": "input_type", "truncate": "truncate"}
        return {
            "model": self.target.model,
            "texts": texts,
            "input_type": "search_document",
            "embedding_types": ["float"],
            **said(call.payload, more),
        }

    def embeddings_of(self, body: Any) -> dict[str, Any]:
        """Return the vectors, and the tokens that are billed."""
        usage = cohere_usage(body.get("meta"))
        tokens = None if usage is None else usage.input_tokens
        told = {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}} if tokens is not None else {}
        return {"embeddings": body["embeddings"]["float"], **told}
