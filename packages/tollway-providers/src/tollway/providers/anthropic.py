"""Claude, by Anthropic's Messages API: https://platform.claude.com/docs/en/api/messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from tollway.provider import (
    Answer,
    Call,
    HTTPProvider,
    ResponseError,
    Setting,
    SettingProblem,
    StreamDecoder,
    Target,
    Task,
    UpstreamRequest,
    UpstreamResponse,
    sse,
)
from tollway.provider.upstream_answers import answer_of_stream, error_in_answer, is_error, text_of

from ._anthropic_answer import answer_of
from ._anthropic_format import answers_by_tool
from ._anthropic_request import message_of
from ._anthropic_stream import AnthropicStream
from ._base_url import check_base_url
from ._completions import CompletionStream, as_chat, as_completion

_BASE = "https://api.anthropic.com/v1"

_NOT_JSON = "the model's service answered with something that is not JSON"
_ERROR = "the model's service answered with an error"


class AnthropicProvider(HTTPProvider):
    """OpenAI's chat in, Anthropic's Messages API upstream, OpenAI's chat out."""

    telemetry_name = "anthropic"
    tasks = frozenset({Task.CHAT, Task.COMPLETIONS})
    settings = (
        Setting(
            "anthropic_api_key",
            "the key of your Anthropic account, best as $ANTHROPIC_API_KEY",
            required=True,
            secret=True,
        ),
        Setting("anthropic_version", "the version of the API", default="2023-06-01"),
        Setting("anthropic_api_base", f"the base URL, such as {_BASE}"),
        Setting(
            "anthropic_max_tokens",
            "the number of tokens an answer may have where the caller does not say, such as 8192",
            type=int,
            default=8192,
        ),
    )
    can_prefill = True
    base_url = _BASE
    base_url_setting = "anthropic_api_base"

    @classmethod
    def check(cls, config: Mapping[str, Any], task: Task) -> Iterable[SettingProblem]:
        """Add to the checks of single settings that the base is a URL, and the maximum one."""
        yield from super().check(config, task)
        yield from check_base_url("anthropic_api_base", config.get("anthropic_api_base"), _BASE)
        maximum = config.get("anthropic_max_tokens")
        if isinstance(maximum, int) and maximum < 1:
            yield SettingProblem(
                "anthropic_max_tokens", "anthropic_max_tokens must be at least 1", "set it to 8192"
            )

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        if not urlsplit(self.url).path:  # as ANTHROPIC_BASE_URL is written for Anthropic's own client
            self.url += "/v1"
        self.headers = (
            ("x-api-key", str(target.config["anthropic_api_key"])),
            ("anthropic-version", str(target.config["anthropic_version"])),
        )

    def url_of(self, task: Task) -> str:
        """Return the address of the Messages API."""
        return self.address("/messages")

    def request(self, call: Call) -> UpstreamRequest:
        """Say it in Anthropic's words; raise `PayloadError` when that cannot be done."""
        body = message_of(
            as_chat(call),
            self.target.model,
            self.target.config["anthropic_version"],
            self.target.config["anthropic_max_tokens"],
        )
        headers = (("content-type", "application/json"), *self.headers)
        return UpstreamRequest(self.url_of(call.task), headers, orjson.dumps(body))

    def response(self, call: Call, response: UpstreamResponse) -> Answer:
        """Read a whole message."""
        if call.task is Task.COMPLETIONS:
            return as_completion(self.response(as_chat(call), response))
        try:
            message = orjson.loads(response.body)
        except orjson.JSONDecodeError as cause:
            if sse.looks_like_events(response.body):
                return answer_of_stream(response.body, call, self.stream)
            raise self._no_message(response.body) from cause
        if isinstance(message, str) or is_error(message):
            raise error_in_answer(message, self.redact, ResponseError, _ERROR)
        return answer_of(message, int(self.now_s()), by_tool=answers_by_tool(call.payload))

    def stream(self, call: Call) -> StreamDecoder:
        """Return a decoder for one stream."""
        if call.task is Task.COMPLETIONS:
            return CompletionStream(self.stream(as_chat(call)))
        return AnthropicStream(call, self.redact, int(self.now_s()))

    def _no_message(self, body: bytes) -> ResponseError:
        said = self.redact(text_of(body))
        return ResponseError(f"{_NOT_JSON}: {said}" if said else _NOT_JSON)
