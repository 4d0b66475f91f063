"""What the decoders of dialects of their own share: OpenAI's chunks out, and server-sent events in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tollway.provider import Answer, AnswerInfo, Call, ProviderError, StreamError, Usage, UsageDetails, sse
from tollway.provider.json_text import dumps, loads
from tollway.provider.upstream_answers import (
    Opening,
    carries_token,
    error_in_answer,
    is_body,
    is_error,
    last_events,
    says_failed,
    stream_of_answer,
    text_of,
)

_CUT = "the model's stream ended before the answer was finished"
_NO_EVENT = "the model's stream carried something that is not an event"
_REPORTED = "the model's service reported an error in mid-answer"

_MAX_NAME_CHARS = 256
"""Of an id or a model's name: both go out with every chunk."""


class ChunkWriter:
    """Writes one stream of OpenAI's dialect; `now_s` is the Unix time in seconds that its chunks tell.

    `whole` reads the body of a whole answer, for a service that forgot that it streams.
    A decoder is a subclass that reads; see `StreamDecoder`. Once every choice has said why it finished,
    the end of the upstream's bytes is the end of the answer.
    """

    def __init__(
        self, call: Call, redact: Callable[[str], str], now_s: int, whole: Callable[[bytes], Answer]
    ) -> None:
        self.info = AnswerInfo(token_seen=False)
        self.complete = False
        self.error: ProviderError | None = None
        self._asked = call
        self._redact = redact
        self._whole = whole
        options = call.payload.get("stream_options")
        self._wants_usage = isinstance(options, dict) and options.get("include_usage") is True
        self._head: dict[str, Any] = {"id": None, "object": "chat.completion.chunk", "created": now_s}
        self._finishes: dict[int, str | None] = {}

    def name(self, answer_id: str, model: str) -> None:
        """Note what the answer and its model are called, as soon as they are."""
        self.info.id = self.info.id or answer_id[:_MAX_NAME_CHARS] or None
        self.info.model = self.info.model or model[:_MAX_NAME_CHARS] or None
        self._head.update(id=self.info.id, model=self.info.model)

    def _chunk(
        self, delta: dict[str, Any], finish_reason: str | None = None, index: int = 0, **more: Any
    ) -> bytes:
        """Return the event of a chunk of one choice; its first one says whose it is."""
        if index not in self._finishes:
            self._finishes[index] = None
            delta = {"role": "assistant", "content": "", **delta}
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason, **more}
        if finish_reason:
            self._finishes[index] = finish_reason
            self.info.finish_reasons = tuple([why or "error" for _, why in sorted(self._finishes.items())])
        if not self.info.token_seen:
            self.info.token_seen = carries_token(choice)
        return sse.event(dumps({**self._head, "choices": [choice]}))

    @property
    def _is_finished(self) -> bool:
        return bool(self._finishes) and None not in self._finishes.values()

    def _finish(self) -> bytes:
        """Return what closes the stream: the usage for those who asked, and `[DONE]`."""
        self.complete = True
        usage = self.info.usage
        if not self._wants_usage or usage is None:
            return sse.DONE
        return sse.event(dumps({**self._head, "choices": [], "usage": openai_usage(usage)})) + sse.DONE

    def _end_answer(self) -> bytes:
        """Return what closes the stream after the last byte; sets `error` if the answer lacks its end."""
        if self._is_finished:
            return self._finish()
        self.error = StreamError(_CUT)
        return b""

    def _end_body(self, body: bytes) -> bytes:
        """Read the body of a whole answer that came in the stream's place, or of an error."""
        if self.error is not None:
            return b""
        try:
            answer = self._whole(body)
            events = stream_of_answer(answer, self._asked)
        except ProviderError as error:
            self.error = error
            return b""
        self.info.take_over(answer.info)
        self.complete = True
        return events

    def _error_of(self, data: bytes) -> ProviderError:
        """Return the error that data is which is not an event of an answer."""
        body = load(data)
        if isinstance(body, str) or is_error(body):
            return error_in_answer(body, self._redact, StreamError, _REPORTED)
        said = self._redact(text_of(data)) if body is None else ""
        return StreamError(f"{_NO_EVENT}: {said}" if said else _NO_EVENT)


class EventStream(ChunkWriter):
    """A decoder of server-sent events that are JSON objects; a subclass says what each of them means."""

    def __init__(
        self, call: Call, redact: Callable[[str], str], now_s: int, whole: Callable[[bytes], Answer]
    ) -> None:
        super().__init__(call, redact, now_s, whole)
        self._parser = sse.Parser()
        self._opening: Opening | None = Opening()

    def on(self, event: dict[str, Any], name: str) -> Iterator[bytes]:
        """Yield the chunks that an event means; `error` may be set on the way."""
        raise NotImplementedError

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came, return the events that are now whole (perhaps none)."""
        try:
            return self._read(self._parser.feed(self._open(self._opening, data) if self._opening else data))
        except sse.EventTooLargeError as error:
            self.error = self.error or StreamError(f"the model's stream carried {error}")
            return b""

    def end(self) -> bytes:
        """Take the end of the upstream's bytes; sets `error` unless the answer is complete."""
        if self._opening is not None and self._opening.body.strip():
            return self._end_body(bytes(self._opening.body))
        rest = self._read(last_events(self._parser))
        return rest if self.complete or self.error is not None else rest + self._end_answer()

    def _open(self, opening: Opening, data: bytes) -> bytes:
        events = opening.feed(data)
        if events:
            self._opening = None
        elif len(opening.body) > sse.MAX_EVENT_BYTES:
            self.error = self.error or StreamError(f"the answer has more than {sse.MAX_EVENT_BYTES} bytes")
        return events

    def _read(self, events: list[sse.Event]) -> bytes:
        said: list[bytes] = []
        for event in events:
            if self.complete or self.error is not None:
                break
            if event.data is not None:
                said += self._on(event.data, event.name)
            elif is_body(event.raw):
                self.error = self._error_of(event.raw)
        return b"".join(said)

    def _on(self, data: bytes, name: bytes) -> Iterator[bytes]:
        if data.strip() == b"[DONE]":  # of a proxy that ends every stream as OpenAI does
            yield self._end_answer()
            return
        event = load(data)
        if not isinstance(event, dict) or name == b"error" or says_failed(event.get("error")):
            self.error = self._error_of(data)
        else:
            yield from self.on(event, name.decode("utf-8", "replace"))


def load(data: bytes) -> Any:
    """Parse JSON; None when it is none."""
    try:
        return loads(data)
    except ValueError:
        return None


def openai_usage(usage: Usage) -> dict[str, Any]:
    """Say counts as OpenAI does: all of the input, all of the output, and the parts that were told."""
    prompt, completion = usage.input_tokens or 0, usage.output_tokens or 0
    more = usage.details or UsageDetails()
    inputs = {
        "cached_tokens": usage.cache_read_input_tokens,
        "cache_write_tokens": more.cache_write_input_tokens,
        "audio_tokens": more.audio_input_tokens,
        "image_tokens": more.image_input_tokens,
    }
    outputs = {
        "reasoning_tokens": usage.reasoning_output_tokens,
        "audio_tokens": more.audio_output_tokens,
        "image_tokens": more.image_output_tokens,
    }
    said: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    for key, details in (("prompt_tokens_details", inputs), ("completion_tokens_details", outputs)):
        told = {name: count for name, count in details.items() if count is not None}
        if told:
            said[key] = told
    return said


def whole_answer(info: AnswerInfo, now_s: int, choices: list[dict[str, Any]], **more: Any) -> Answer:
    """Return a whole answer of chat in OpenAI's dialect; each choice is a message and its finish."""
    body: dict[str, Any] = {
        "id": info.id,
        "object": "chat.completion",
        "created": now_s,
        "model": info.model,
        "choices": [{"index": index, "logprobs": None, **choice} for index, choice in enumerate(choices)],
        **more,
    }
    if info.usage is not None:
        body["usage"] = openai_usage(info.usage)
    return Answer(dumps(body), info)
