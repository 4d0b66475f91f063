"""SAP AI Core by its orchestration service (v2), which wraps OpenAI's dialect.

https://help.sap.com/docs/sap-ai-core/sap-ai-core-service-guide/orchestration
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from tollway.provider import (
    Answer,
    Call,
    HTTPProvider,
    ProviderError,
    Setting,
    SettingProblem,
    StreamDecoder,
    StreamError,
    Target,
    Task,
    UpstreamRequest,
    UpstreamResponse,
    sse,
)
from tollway.provider.upstream_answers import last_events

from ._base_url import check_base_url
from ._chunk_stream import load
from ._completions import as_chat, as_completion, completion_stream
from ._headers import EXTRA_HEADERS, check_extra_headers, extra_headers

_EXAMPLE = "https://api.ai.prod.eu-central-1.aws.ml.hana.ondemand.com/v2/inference/deployments/d0123456789"
_PATH = "/v2/completion"
_OF_THE_PROMPT = ("tools", "response_format")
_OF_THE_GATEWAY = ("model", "messages", "stream", "stream_options", "placeholder_values")


class SapAiCoreProvider(HTTPProvider):
    """A deployment of orchestration; the model's name is one of those that it reaches.

    A proxy before it may bring the token, as MLflow's has it; else `api_key` is one.
    """

    telemetry_name = "sap-ai-core"
    tasks = frozenset({Task.CHAT, Task.COMPLETIONS})
    settings = (
        Setting("api_base", f"the deployment's address, such as {_EXAMPLE}", required=True),
        Setting("api_key", "an access token, best as $ENV; without one, a proxy brings it", secret=True),
        Setting("resource_group", "sent as the header AI-Resource-Group", default="default"),
        EXTRA_HEADERS,
    )
    base_url_setting = "api_base"
    key_setting = "api_key"

    @classmethod
    def check(cls, config: Mapping[str, Any], task: Task) -> Iterable[SettingProblem]:
        """Add to the checks of single settings that the base is a URL."""
        yield from super().check(config, task)
        if config.get("api_base"):
            yield from check_base_url("api_base", config["api_base"], _EXAMPLE)
        yield from check_extra_headers(config)

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.url = self.url.removesuffix(_PATH)
        group = str(target.config.get("resource_group") or "default")
        self.headers = (*self.headers, ("ai-resource-group", group), *extra_headers(target.config))

    def url_of(self, task: Task) -> str:
        """Return the one address of the deployment."""
        return self.address(_PATH)

    def request(self, call: Call) -> UpstreamRequest:
        """Wrap the chat: messages, tools and form are the prompt, everything else the model's parameters."""
        payload = as_chat(call).payload
        prompt = {"template": payload.get("messages"), **_picked(payload, _OF_THE_PROMPT)}
        rest = {
            key: value for key, value in payload.items() if key not in (*_OF_THE_PROMPT, *_OF_THE_GATEWAY)
        }
        model = {"name": self.target.model, **({"params": rest} if rest else {})}
        config: dict[str, Any] = {"modules": {"prompt_templating": {"prompt": prompt, "model": model}}}
        if call.stream:
            config["stream"] = {"enabled": True}
        body = {"config": config, "placeholder_values": payload.get("placeholder_values") or {}}
        headers = (("content-type", "application/json"), *self.headers)
        return UpstreamRequest(self.url_of(call.task), headers, orjson.dumps(body))

    def response(self, call: Call, response: UpstreamResponse) -> Answer:
        """Read the answer in the wrapping; errors have none."""
        if call.task is Task.COMPLETIONS:
            return as_completion(self.response(as_chat(call), response))
        return super().response(call, response._replace(body=_unwrapped(response.body)))

    def stream(self, call: Call) -> StreamDecoder:
        """Return a decoder for one stream."""
        if call.task is Task.COMPLETIONS:
            return completion_stream(self.stream(as_chat(call)))
        return _Unwrapping(super().stream(call))


class _Unwrapping:
    """A decoder of wrapped chunks, around one of OpenAI's; see `StreamDecoder`."""

    def __init__(self, inner: StreamDecoder) -> None:
        self.info = inner.info
        self.complete = False
        self.error: ProviderError | None = None
        self._inner = inner
        self._parser = sse.Parser()

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came, return the events that are now whole (perhaps none)."""
        if self.complete or self.error is not None:
            return b""
        try:
            return self._pass_on(self._parser.feed(data))
        except sse.EventTooLargeError as error:
            self.error = StreamError(f"the model's stream carried {error}")
            return b""

    def end(self) -> bytes:
        """Take the end of the upstream's bytes; sets `error` unless the answer is complete."""
        if self.complete or self.error is not None:
            return b""
        body = b"" if self._inner.info.token_seen else self._parser.take_back()
        if load(body) is not None:
            said = self._inner.feed(_unwrapped(body))
        else:
            self._parser.feed(body)
            said = self._pass_on(last_events(self._parser))
        return said + self._seen(b"" if self.complete or self.error is not None else self._inner.end())

    def _pass_on(self, events: list[sse.Event]) -> bytes:
        return self._seen(b"".join(self._inner.feed(_event(event)) for event in events))

    def _seen(self, said: bytes) -> bytes:
        self.complete, self.error = self._inner.complete, self._inner.error
        return said


def _event(event: sse.Event) -> bytes:
    """Return a chunk without its wrapping; what is no chunk as it came, and nothing of reports alone."""
    body = None if event.data is None else load(event.data)
    if not isinstance(body, dict) or "error" in body:
        return event.raw
    final = body.get("final_result")
    if isinstance(final, dict):
        return sse.event(orjson.dumps(final))
    return b"" if "intermediate_results" in body else event.raw


def _unwrapped(raw: bytes) -> bytes:
    body = load(raw)
    final = body.get("final_result") if isinstance(body, dict) else None
    return orjson.dumps(final) if isinstance(final, dict) else raw


def _picked(payload: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: payload[name] for name in names if payload.get(name) is not None}
