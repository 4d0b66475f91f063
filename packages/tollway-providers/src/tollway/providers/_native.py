"""What providers with a dialect of their own share: JSON in, JSON out, and completions asked as chats."""

from __future__ import annotations

import uuid
from typing import Any

from tollway.provider import (
    Answer,
    Call,
    HTTPProvider,
    PayloadError,
    PredictionError,
    ResponseError,
    StreamDecoder,
    Task,
    UpstreamRequest,
    UpstreamResponse,
    sse,
)
from tollway.provider.json_text import dumps
from tollway.provider.predictions import answer_from
from tollway.provider.upstream_answers import answer_of_stream, error_in_answer, is_error, text_of

from ._chunk_stream import load
from ._completions import as_chat, as_completion, completion_stream

_NOT_JSON = "the model's service answered with something that is not JSON"
_ERROR = "the model's service answered with an error"


class NativeProvider(HTTPProvider):
    """A dialect of chat, and perhaps of embeddings; completions are asked as chats.

    A subclass says how a chat is asked (`chat_body`), read (`chat_answer`) and streamed (`chat_stream`),
    where (`url_for`), and the same of embeddings if it has them.
    """

    def chat_body(self, call: Call) -> dict[str, Any]:
        """Return the body that asks a chat."""
        raise NotImplementedError

    def chat_answer(self, body: Any, call: Call) -> Answer:
        """Read a whole answer of a chat."""
        raise NotImplementedError

    def chat_stream(self, call: Call) -> StreamDecoder:
        """Return a decoder of a chat's stream."""
        raise NotImplementedError

    def embeddings_body(self, call: Call, texts: list[str]) -> dict[str, Any]:
        """Return the body that asks for embeddings."""
        raise NotImplementedError

    def embeddings_of(self, body: Any) -> dict[str, Any]:
        """Return `embeddings` (a list of vectors) and, where it is told, `usage`."""
        raise NotImplementedError

    def url_for(self, task: Task, *, stream: bool) -> str:
        """Return the address of a task, asked for a stream or not."""
        return self.url_of(task)

    def url_of(self, task: Task) -> str:
        """Return the address that serves a task."""
        return self.url_for(task, stream=False)

    def request(self, call: Call) -> UpstreamRequest:
        """Say it in this dialect; raise `PayloadError` when that cannot be done."""
        call = as_chat(call)
        if call.task is Task.EMBEDDINGS:
            body = self.embeddings_body(call, texts_of(call.payload))
        else:
            body = self.chat_body(call)
        headers = (("content-type", "application/json"), *self.headers)
        return UpstreamRequest(self.url_for(call.task, stream=call.stream), headers, dumps(body))

    def response(self, call: Call, response: UpstreamResponse) -> Answer:
        """Read a whole answer."""
        if call.task is Task.COMPLETIONS:
            return as_completion(self._whole(as_chat(call), response.body))
        return self._whole(call, response.body)

    def stream(self, call: Call) -> StreamDecoder:
        """Return a decoder for one stream."""
        if call.task is Task.COMPLETIONS:
            return completion_stream(self.chat_stream(as_chat(call)))
        return self.chat_stream(call)

    def _whole(self, call: Call, raw: bytes) -> Answer:
        body = load(raw)
        if body is None:
            if call.task is Task.CHAT and sse.looks_like_events(raw):
                return answer_of_stream(raw, call, self.chat_stream)
            said = self.redact(text_of(raw))
            raise ResponseError(f"{_NOT_JSON}: {said}" if said else _NOT_JSON)
        if isinstance(body, str) or is_error(body):
            raise error_in_answer(body, self.redact, ResponseError, _ERROR)
        return self._embeddings(call, body) if call.task is Task.EMBEDDINGS else self.chat_answer(body, call)

    def _embeddings(self, call: Call, body: Any) -> Answer:
        if not isinstance(body, dict):
            raise ResponseError("the model's service answered with something that is not a JSON object")
        try:
            return answer_from(
                self.embeddings_of(body),
                call,
                self.target,
                new_id=lambda: uuid.uuid4().hex,
                now_s=lambda: int(self.now_s()),
            )
        except (PredictionError, KeyError, TypeError, AttributeError) as error:
            raise ResponseError("the model's service answered without embeddings") from error


def texts_of(payload: dict[str, Any]) -> list[str]:
    """Return the texts to embed."""
    given = payload.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise PayloadError("input must be text or a list of texts: this model takes no tokens", param="input")
    return texts
