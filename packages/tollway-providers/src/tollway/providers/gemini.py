"""Gemini, by its own API: https://ai.google.dev/api/generate-content."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from tollway.provider import (
    Answer,
    Call,
    ProviderError,
    Setting,
    SettingProblem,
    StreamDecoder,
    Target,
    Task,
    UpstreamRequest,
    UpstreamResponse,
)

from ._base_url import check_base_url
from ._chat_request import said
from ._chunk_stream import load
from ._gemini_answer import GeminiStream, answer_of
from ._gemini_request import body_of
from ._native import NativeProvider

_BASE = "https://generativelanguage.googleapis.com/v1beta"
METHODS = {False: "generateContent", True: "streamGenerateContent?alt=sse"}
_KEY = re.compile(r"(?<=[?&])(?:key|access_token)=[^&]*&?", re.IGNORECASE)
_DELAY = re.compile(r"(\d+(?:\.\d+)?)s", re.ASCII)


class GoogleProvider(NativeProvider):
    """What Gemini's API and Vertex AI share: OpenAI's chat in and out, `generateContent` upstream."""

    can_prefill = True

    def chat_body(self, call: Call) -> dict[str, Any]:
        """Return the body of `generateContent`."""
        return body_of(call.payload, self.target.model)

    def chat_answer(self, body: Any, call: Call) -> Answer:
        """Read a whole `GenerateContentResponse`."""
        return answer_of(body, int(self.now_s()))

    def chat_stream(self, call: Call) -> StreamDecoder:
        """Return a decoder of `streamGenerateContent`."""
        return GeminiStream(call, self.redact, int(self.now_s()), lambda raw: self._whole(call, raw))

    def raw(
        self, method: str, path: str, headers: tuple[tuple[str, str], ...], body: bytes
    ) -> UpstreamRequest:
        """Say how to pass on a request; Google's clients may have put a key of theirs into the query."""
        return super().raw(method, _KEY.sub("", path), headers, body)

    def raw_model_path(self, api: str, method: str) -> str | None:
        """Return the path of a method of the model."""
        return self._path_of(method) if api == "gemini" else None

    def _path_of(self, method: str) -> str:
        raise NotImplementedError

    def error(self, response: UpstreamResponse) -> ProviderError:
        """Read an answer whose status is not 2xx; a key that is not valid is a 400 there."""
        details = _details(response.body)
        if any(detail.get("reason") == "API_KEY_INVALID" for detail in details):
            response = response._replace(status=401)
        error = super().error(response)
        delays = [delay for detail in details if isinstance(delay := detail.get("retryDelay"), str)]
        if error.retry_after_s is None and delays and (found := _DELAY.fullmatch(delays[0])):
            error.retry_after_s = float(found[1])
        return error


class GeminiProvider(GoogleProvider):
    """Gemini with a key of Google AI Studio; embeddings by `batchEmbedContents`."""

    telemetry_name = "gcp.gemini"
    settings = (
        Setting(
            "gemini_api_key",
            "the key of Google AI Studio, best as $GEMINI_API_KEY",
            required=True,
            secret=True,
        ),
        Setting("gemini_api_base", f"the base URL, such as {_BASE}"),
    )
    base_url = _BASE
    base_url_setting = "gemini_api_base"

    @classmethod
    def check(cls, config: Mapping[str, Any], task: Task) -> Iterable[SettingProblem]:
        """Add to the checks of single settings that the base is a URL."""
        yield from super().check(config, task)
        yield from check_base_url("gemini_api_base", config.get("gemini_api_base"), _BASE)

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.url = self.url.removesuffix("/models")
        if not urlsplit(self.url).path:
            self.url += urlsplit(_BASE).path
        self.headers = (("x-goog-api-key", str(target.config["gemini_api_key"])),)
        self._model = target.model if "/" in target.model else f"models/{target.model}"

    def url_for(self, task: Task, *, stream: bool) -> str:
        """Return the address of a method of the model."""
        return self.address(
            self._path_of("batchEmbedContents" if task is Task.EMBEDDINGS else METHODS[stream])
        )

    def _path_of(self, method: str) -> str:
        return f"/{quote(self._model)}:{method}"

    def embeddings_body(self, call: Call, texts: list[str]) -> dict[str, Any]:
        """Return the body of `batchEmbedContents`."""
        more = said(call.payload, {"dimensions": "outputDimensionality", "task_type": "taskType"})
        one = {"model": self._model, **more}
        return {"requests": [{**one, "content": {"parts": [{"text": text}]}} for text in texts]}

    def embeddings_of(self, body: Any) -> dict[str, Any]:
        """Return the vectors; older models tell no usage."""
        vectors = [one["values"] for one in body["embeddings"]]
        metadata = body.get("usageMetadata")
        tokens = metadata.get("promptTokenCount") if isinstance(metadata, dict) else None
        usage = {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}} if tokens is not None else {}
        return {"embeddings": vectors, **usage}


def _details(body: bytes) -> list[dict[str, Any]]:
    """Return the details of a `google.rpc.Status`: https://cloud.google.com/apis/design/errors."""
    status = load(body)
    status = status[0] if isinstance(status, list) and status else status
    error = status.get("error") if isinstance(status, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    return [one for one in details if isinstance(one, dict)] if isinstance(details, list) else []
