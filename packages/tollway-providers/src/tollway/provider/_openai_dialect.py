"""OpenAI's dialect over HTTP: bytes pass as they came, and are only looked at on their way."""

from __future__ import annotations

from typing import Any

import orjson

from . import sse
from ._openai_errors import error_of_event, load, words_of
from ._openai_info import choice_index, choices_of, finish_reason, info_of, usage_of, wants_usage
from ._openai_refrain import Refrain
from ._secrets import Redactor
from ._values import Answer, AnswerInfo, Call, Task, UpstreamResponse
from .errors import ProviderError, ResponseError, StreamError

PATHS = {Task.CHAT: "/chat/completions", Task.COMPLETIONS: "/completions", Task.EMBEDDINGS: "/embeddings"}
"""Where each task is served, below the base URL."""

_DONE = b"[DONE]"

_SHORT = 16 * 1024
"""Bytes of an event under way that are looked at again with what comes; a longer one stays in the parser."""


def body_of(call: Call, model: str) -> bytes:
    """Return the caller's body, made out to `model`; of a stream the usage is asked for in any case.

    Where nothing has to change, these are the caller's own bytes.
    """
    payload = call.payload
    ask_usage = call.stream and not _decides_usage(payload)
    if payload.get("model") == model and not ask_usage:
        return call.body
    changed = {**payload, "model": model}
    if ask_usage:
        changed["stream_options"] = {**(payload.get("stream_options") or {}), "include_usage": True}
    return orjson.dumps(changed)


def answer_of(call: Call, response: UpstreamResponse, redact: Redactor) -> Answer:
    """Read a whole answer.

    Raises:
        ResponseError: it is not JSON, or has no choices (of embeddings: no data).
    """
    body = load(response.body)
    if not isinstance(body, dict):
        raise ResponseError("the model's service answered with something that is not a JSON object")
    key = "data" if call.task is Task.EMBEDDINGS else "choices"
    if not isinstance(body.get(key), list) or not body[key]:
        said = redact(words_of(body))
        raise ResponseError(f"the model's service answered without {key}" + (f": {said}" if said else ""))
    return Answer(response.body, info_of(body))


class OpenAIStream:
    """A decoder of one stream; see `StreamDecoder`.

    The answer is complete with `[DONE]`, or when every choice has said why it finished and the stream was
    closed in good order; then `[DONE]` is added.
    """

    __slots__ = (
        "_finishes",
        "_hide_usage",
        "_parser",
        "_redact",
        "_refrain",
        "_wanted",
        "complete",
        "error",
        "info",
    )

    def __init__(self, call: Call, redact: Redactor) -> None:
        self.info = AnswerInfo()
        self.complete = False
        self.error: ProviderError | None = None
        self._parser = sse.Parser()
        self._redact = redact
        self._hide_usage = not wants_usage(call.payload)
        self._wanted = _answers_wanted(call.payload)
        self._finishes: dict[int, str | None] = {}
        self._refrain = Refrain()

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came, return the events that are now whole (perhaps none)."""
        if self.complete or self.error is not None:
            return b""
        if 0 < self._parser.held <= _SHORT:
            data = self._parser.take_back() + data
        passed = []
        at = 0
        try:
            while at < len(data) and not self.complete and self.error is None:
                if (known := self._refrain.follow(data, at)) > at:
                    passed.append(data[at:known])
                    at = known
                    continue
                # One event at a time, so that those which follow can be known by it.
                end = data.find(b"\n\n", at) + 2
                piece = data[at:end] if end > 1 else data[at:]
                passed.append(self._pass_on(self._parser.feed(piece)))
                at += len(piece)
        except sse.EventTooLargeError as error:
            self.error = StreamError(f"the model's stream carried {error}")
        return b"".join(passed)

    def end(self) -> bytes:
        """Take the end of the upstream's bytes; sets `error` unless the answer is complete."""
        rest = self._pass_on(self._parser.end())
        if self.complete or self.error is not None:
            return rest
        if len(self._finishes) >= self._wanted and None not in self._finishes.values():
            self.complete = True
            return rest + sse.DONE
        self.error = StreamError("the model's stream ended before the answer was finished")
        return rest

    def _pass_on(self, events: list[sse.Event]) -> bytes:
        passed = []
        for event in events:
            if self.complete or self.error is not None:
                break
            if self._look_at(event):
                passed.append(event.raw)
        return b"".join(passed)

    def _look_at(self, event: sse.Event) -> bool:
        """Learn what an event says, and whether the caller is to see it."""
        data = event.data
        if data is None:
            return True
        if data.strip() == _DONE:
            self.complete = True
            return True
        chunk = load(data)
        if not isinstance(chunk, dict):
            self.error = StreamError("the model's stream carried something that is not a JSON object")
            return False
        if chunk.get("error") or event.name == b"error":
            self.error = error_of_event(chunk, self._redact)
            return False
        self._learn(chunk)
        self._refrain.learn(event.raw, chunk)
        usage_only = isinstance(chunk.get("usage"), dict) and not choices_of(chunk)
        return not (usage_only and self._hide_usage)

    def _learn(self, chunk: dict[str, Any]) -> None:
        info = self.info
        if info.id is None or info.model is None:
            first = info_of(chunk)
            info.id, info.model = info.id or first.id, info.model or first.model
        if chunk.get("usage"):
            info.usage = usage_of(chunk["usage"]) or info.usage
        for choice in choices_of(chunk):
            reason = finish_reason(choice)
            index = choice_index(choice)
            self._finishes[index] = reason or self._finishes.get(index)
            if reason:
                info.finish_reasons = tuple(filter(None, self._finishes.values()))


def _decides_usage(payload: dict[str, Any]) -> bool:
    """Whether the caller said if it wants usage; what is no object is the upstream's to refuse."""
    options = payload.get("stream_options")
    return options is not None and (not isinstance(options, dict) or "include_usage" in options)


def _answers_wanted(payload: dict[str, Any]) -> int:
    """Return how many choices an answer must have to be whole: `n` for every prompt."""
    n = payload.get("n")
    prompt = payload.get("prompt")
    prompts = len(prompt) if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int) else 1
    return (n if isinstance(n, int) and n > 1 else 1) * prompts
