"""Claude, by Anthropic's Messages API: https://platform.claude.com/docs/en/api/messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from tollway.provider import Answer, Call, Setting, SettingProblem, StreamDecoder, Target, Task
from tollway.provider.dialects import ANTHROPIC_COUNT_TOKENS, ANTHROPIC_MESSAGES, Passthrough, Speaker

from ._anthropic_answer import answer_of
from ._anthropic_format import answers_by_tool
from ._anthropic_request import message_of
from ._anthropic_stream import AnthropicStream
from ._base_url import check_base_url
from ._native import NativeProvider

_BASE = "https://api.anthropic.com/v1"
_PATHS = {ANTHROPIC_MESSAGES: "/messages", ANTHROPIC_COUNT_TOKENS: "/messages/count_tokens"}
"""Where the dialects are spoken that pass as they came."""


class AnthropicProvider(NativeProvider):
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
    extensions = frozenset({"thinking", "cache_control"})
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

    def speaking(self, dialect: str) -> Speaker | None:
        """Return what passes on requests for the Messages API."""
        path = _PATHS.get(dialect)
        if path is None or self.target.task is not Task.CHAT:
            return None
        return Passthrough(
            dialect,
            lambda query: self.address(f"{path}?{query}" if query else path),
            self.target.model,
            self.headers,
            redact=self.redact,
            error=self.error,
        )

    def url_for(self, task: Task, *, stream: bool) -> str:
        """Return the address of the Messages API."""
        return self.address("/messages")

    def chat_body(self, call: Call) -> dict[str, Any]:
        """Return the body of a message."""
        config = self.target.config
        return message_of(
            call, self.target.model, config["anthropic_version"], config["anthropic_max_tokens"]
        )

    def chat_answer(self, body: Any, call: Call) -> Answer:
        """Read a whole message."""
        return answer_of(body, int(self.now_s()), by_tool=answers_by_tool(call.payload))

    def chat_stream(self, call: Call) -> StreamDecoder:
        """Return a decoder for one stream."""
        return AnthropicStream(call, self.redact, int(self.now_s()), lambda raw: self._whole(call, raw))
