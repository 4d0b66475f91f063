"""A model behind `mlflow models serve`, or anything else that speaks MLflow's scoring protocol.

https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/#inference-server-specification
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from tollway.provider import (
    Answer,
    AnswerInfo,
    Call,
    HTTPProvider,
    PayloadError,
    PredictionError,
    ProviderError,
    ResponseError,
    Setting,
    SettingProblem,
    StreamDecoder,
    StreamError,
    Task,
    UpstreamRequest,
    UpstreamResponse,
    sse,
)
from tollway.provider.predictions import answer_from, stream_of
from tollway.provider.upstream_answers import error_in_answer, says_failed, text_of

from ._base_url import check_base_url

_SETTINGS = (
    Setting("model_server_url", "the model server's base URL, such as http://127.0.0.1:5000", required=True),
    Setting(
        "model_server_input",
        "inputs (the texts alone, as most models want) or openai (the whole request, for an agent)",
        default="inputs",
        choices=("inputs", "openai"),
    ),
)

_INPUT = {Task.CHAT: "messages", Task.COMPLETIONS: "prompt", Task.EMBEDDINGS: "input"}
"""Where the texts are in a request."""

_NOT_JSON = "the model server answered with something that is not JSON"
_NO_ANSWER = "the model server answered with neither predictions nor an answer"

_NOT_THE_MODELS = ("model", "stream", "stream_options", "encoding_format")
"""What a request says to the gateway rather than to the model."""


class MLflowModelServingProvider(HTTPProvider):
    """Texts go as `inputs` and the other fields as `params`, as MLflow's own gateway sends them.

    The protocol has no streams: a caller who asks for one gets the whole answer as a stream.
    """

    telemetry_name = "mlflow-model-serving"
    has_list_prices = False
    settings = _SETTINGS
    base_url_setting = "model_server_url"

    @classmethod
    def check(cls, config: Mapping[str, Any], task: Task) -> Iterable[SettingProblem]:
        """Add to the checks of single settings that the server has an address."""
        yield from super().check(config, task)
        url = config.get("model_server_url")
        if url:
            yield from check_base_url("model_server_url", url, "http://127.0.0.1:5000")

    def url_of(self, task: Task) -> str:
        """Return the one address that serves every task."""
        return self.address("/invocations")

    def request(self, call: Call) -> UpstreamRequest:
        """Say it in MLflow's words; raise `PayloadError` when a model of texts cannot be asked this."""
        rest = {key: value for key, value in call.payload.items() if key not in _NOT_THE_MODELS}
        if not self._takes_requests:
            texts = _texts(call.task, rest.pop(_INPUT[call.task], None))
            params = {key: value for key, value in rest.items() if value is not None}
            rest = {"inputs": texts, **({"params": params} if params else {})}
        headers = (("content-type", "application/json"), *self.headers)
        return UpstreamRequest(self.url_of(call.task), headers, orjson.dumps(rest))

    def response(self, call: Call, response: UpstreamResponse) -> Answer:
        """Read `{"predictions": …}`, or an answer that is in OpenAI's dialect already."""
        try:
            body = orjson.loads(response.body)
        except orjson.JSONDecodeError as cause:
            said = self.redact(text_of(response.body))
            raise ResponseError(f"{_NOT_JSON}: {said}" if said else _NOT_JSON) from cause
        if _says_error(body):
            raise error_in_answer(body, self.redact, ResponseError, _NO_ANSWER)
        if not self._has_prediction(body):
            raise ResponseError(_NO_ANSWER)
        try:
            return answer_from(
                _prediction(body, call.task),
                call,
                self.target,
                new_id=lambda: uuid.uuid4().hex,
                now_s=lambda: int(self.now_s()),
            )
        except PredictionError as error:
            said = self.redact(error.message)
            raise ResponseError(f"the model server's answer cannot be read: {said}") from error

    @property
    def _takes_requests(self) -> bool:
        """Whether the model is given the request whole."""
        return self.target.config.get("model_server_input") == "openai"

    def _has_prediction(self, body: Any) -> bool:
        """Whether a server's answer has one: MLflow wraps it, except that of a request that came whole."""
        if isinstance(body, list):
            return self._takes_requests
        return isinstance(body, dict) and ("predictions" in body or _is_an_answer(body))

    def stream(self, call: Call) -> StreamDecoder:
        """Return a decoder that waits for the whole answer."""
        return _WholeAnswer(self, call)


class _WholeAnswer:
    """Says a whole answer as a stream once its last byte is there; see `StreamDecoder`."""

    def __init__(self, provider: MLflowModelServingProvider, call: Call) -> None:
        self.info = AnswerInfo(token_seen=False)
        self.complete = False
        self.error: ProviderError | None = None
        self._provider = provider
        self._call = call
        self._body = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Keep the bytes."""
        if self.error is None:
            self._body += data
            if len(self._body) > sse.MAX_EVENT_BYTES:
                self.error = StreamError(
                    f"the model server's answer has more than {sse.MAX_EVENT_BYTES} bytes"
                )
        return b""

    def end(self) -> bytes:
        """Return the whole stream; sets `error` when the bytes are no answer."""
        if self.error is not None:
            return b""
        try:
            answer = self._provider.response(self._call, UpstreamResponse(200, {}, bytes(self._body)))
        except ProviderError as error:
            self.error = error
            return b""
        self._body.clear()
        self.info.take_over(answer.info)
        self.complete = True
        return stream_of(answer, self._call)


def _texts(task: Task, given: Any) -> list[str]:
    """Return the texts that the model is given, one an answer."""
    if task is Task.CHAT:
        return [_only_text(given)]
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        field = _INPUT[task]
        raise PayloadError(
            f"{field} must be text or a list of texts: this model takes no tokens", param=field
        )
    return texts


def _only_text(messages: Any) -> str:
    if not isinstance(messages, list) or not messages or not isinstance(messages[-1], dict):
        raise PayloadError("messages must be a list of messages", param="messages")
    if len(messages) > 1:
        raise PayloadError(
            f"this model takes one message at a time, and was sent {len(messages)}"
            " (one that takes whole conversations needs model_server_input: openai in the gateway's config)",
            param="messages",
        )
    content = messages[0].get("content")
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    texts = [part.get("text") if isinstance(part, dict) else None for part in parts]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise PayloadError("this model takes text alone", param="messages.0.content")
    return "".join(map(str, texts))


def _prediction(body: Any, task: Task) -> Any:
    """Return what the model predicted, as `answer_from` reads it; a whole request is answered bare."""
    said = body.get("predictions", body) if isinstance(body, dict) else body
    while isinstance(said, dict) and len(said) == 1 and isinstance(next(iter(said.values())), list):
        (key,) = said
        if key in ("choices", "data"):
            break
        said = said[key]  # one column, by whatever name
    if isinstance(said, list) and len(said) == 1 and _is_an_answer(said[0]):
        return said[0]
    if task is Task.EMBEDDINGS or not isinstance(said, list):
        return said
    return {"choices": [_of_a_row(row) for row in said]}


def _says_error(body: Any) -> bool:
    """Whether a server answered with an error: a `message` alone may be what the model said."""
    if isinstance(body, str):
        return True
    if not isinstance(body, dict) or "predictions" in body:
        return False
    return says_failed(body.get("error")) or any(body.get(key) for key in ("error_code", "detail"))


def _is_an_answer(value: Any) -> bool:
    return isinstance(value, dict) and any(
        isinstance(value.get(key), list) for key in ("choices", "data", "embedding")
    )


def _of_a_row(row: Any) -> Any:
    """Return a row of a data frame with one column as the text that it holds."""
    if isinstance(row, dict) and len(row) == 1:
        (value,) = row.values()
        return value if isinstance(value, str) else row
    if isinstance(row, list) and len(row) == 1:
        return row[0]
    return row
