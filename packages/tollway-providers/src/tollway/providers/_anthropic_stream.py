"""A stream of Anthropic's Messages API as a stream of OpenAI's dialect.

https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from tollway.provider import AnswerInfo, Call, ProviderError, StreamError, sse
from tollway.provider.upstream_answers import (
    Opening,
    carries_token,
    error_in_answer,
    is_body,
    is_error,
    last_events,
    says_failed,
    stream_of_answer,
)
from tollway.provider.upstream_answers import text_of as read_text

from ._anthropic_answer import answer_of, counts_of, finish_of, openai_usage, refusal_of, text_of, usage_of

_NO_EVENT = "the model's stream carried something that is no event"
_REPORTED = "the model's service reported an error in mid-answer"


class AnthropicStream:
    """A decoder of one stream; see `StreamDecoder`.

    The answer is complete with `message_stop`, or when a `message_delta` has said why it stopped. `redact`
    hides secrets, and `now_s` is the Unix time in seconds, which the events do not tell. A body of JSON in
    the stream's place is read as a whole message, and streamed.
    """

    def __init__(self, call: Call, redact: Callable[[str], str], now_s: int) -> None:
        self.info = AnswerInfo(token_seen=False)
        self.complete = False
        self.error: ProviderError | None = None
        self._parser = sse.Parser()
        self._asked = call
        self._redact = redact
        self._now_s = now_s
        self._opening: Opening | None = Opening()
        options = call.payload.get("stream_options")
        self._wants_usage = isinstance(options, dict) and options.get("include_usage") is True
        self._head: dict[str, Any] = {"id": None, "object": "chat.completion.chunk", "created": now_s}
        self._counts: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._calls = 0
        self._thoughts = 0

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
        if self.complete or self.error is not None:
            return rest
        if self.info.finish_reasons:
            return rest + b"".join(self._finish())
        self.error = StreamError("the model's stream ended before the answer was finished")
        return rest

    def _open(self, opening: Opening, data: bytes) -> bytes:
        """Return the bytes that are events, none as long as they may be a body."""
        events = opening.feed(data)
        if events:
            self._opening = None
        elif len(opening.body) > sse.MAX_EVENT_BYTES:
            self.error = self.error or StreamError(f"the answer has more than {sse.MAX_EVENT_BYTES} bytes")
        return events

    def _end_body(self, body: bytes) -> bytes:
        """Read the body that came in the stream's place."""
        if self.error is not None:
            return b""
        try:
            message = _load(body)
            if message is None or isinstance(message, str) or is_error(message):
                raise self._error_of(body)
            answer = answer_of(message, self._now_s)
            events = stream_of_answer(answer, self._asked)
        except ProviderError as error:
            self.error = error
            return b""
        info, read = self.info, answer.info
        info.id, info.model, info.usage = read.id, read.model, read.usage
        info.finish_reasons, info.token_seen = read.finish_reasons, True
        self.complete = True
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
        event = _load(data)
        kind = text_of(event, "type") if isinstance(event, dict) else ""
        if not kind or kind == "error" or name == b"error" or says_failed(event.get("error")):
            self.error = self._error_of(data)
        elif kind in _HANDLERS:  # others, `ping` among them, are to be passed over
            yield from _HANDLERS[kind](self, event)

    def _message_start(self, event: dict[str, Any]) -> Iterator[bytes]:
        message = _part(event, "message")
        self.info.id, self.info.model = text_of(message, "id") or None, text_of(message, "model") or None
        self._head.update(id=self.info.id, model=self.info.model)
        self._count(message)
        yield self._chunk({"role": "assistant", "content": ""})

    def _block_start(self, event: dict[str, Any]) -> Iterator[bytes]:
        block = dict(_part(event, "content_block"))
        self._blocks[_index(event)] = block
        kind = text_of(block, "type")
        if kind == "text" and text_of(block, "text"):
            yield self._chunk({"content": block["text"]})
        elif kind == "thinking" and text_of(block, "thinking"):
            yield self._chunk({"reasoning_content": block["thinking"]})
        elif kind == "tool_use":
            block["call"], block["written"] = self._calls, False
            self._calls += 1
            function = {"name": text_of(block, "name"), "arguments": ""}
            yield self._call(block, id=text_of(block, "id"), type="function", function=function)

    def _block_delta(self, event: dict[str, Any]) -> Iterator[bytes]:
        delta, block = _part(event, "delta"), self._blocks.get(_index(event), {})
        kind = text_of(delta, "type")
        if kind == "text_delta":
            yield self._chunk({"content": text_of(delta, "text")})
        elif kind == "thinking_delta":
            block["thinking"] = text_of(block, "thinking") + text_of(delta, "thinking")
            yield self._chunk({"reasoning_content": text_of(delta, "thinking")})
        elif kind == "signature_delta":
            block["signature"] = text_of(block, "signature") + text_of(delta, "signature")
        elif kind == "input_json_delta" and "call" in block and text_of(delta, "partial_json"):
            block["written"] = True
            yield self._call(block, function={"arguments": delta["partial_json"]})

    def _block_stop(self, event: dict[str, Any]) -> Iterator[bytes]:
        block = self._blocks.pop(_index(event), {})
        kind = text_of(block, "type")
        if kind in ("thinking", "redacted_thinking"):
            # Whole, for the API takes back no part of it; the index is what OpenAI's client joins lists by.
            yield self._chunk({"thinking_blocks": [{"index": self._thoughts, **block}]})
            self._thoughts += 1
        elif "call" in block and not block["written"]:  # the input came whole, or is empty
            yield self._call(block, function={"arguments": orjson.dumps(block.get("input") or {}).decode()})

    def _message_delta(self, event: dict[str, Any]) -> Iterator[bytes]:
        delta = _part(event, "delta")
        self._count(event)
        finish = finish_of(delta.get("stop_reason"))
        if finish and not self.info.finish_reasons:
            self.info.finish_reasons = (finish,)
            refusal = refusal_of(delta)
            yield self._chunk({"refusal": refusal} if refusal else {}, finish)

    def _message_stop(self, event: dict[str, Any]) -> Iterator[bytes]:
        if not self.info.finish_reasons:
            self.error = StreamError("the model's stream ended without saying why")
            return
        yield from self._finish()

    def _finish(self) -> Iterator[bytes]:
        self.complete = True
        if self._wants_usage and self._counts:
            usage = {**self._head, "choices": [], "usage": openai_usage(self._counts)}
            yield sse.event(orjson.dumps(usage))
        yield sse.DONE

    def _error_of(self, data: bytes) -> ProviderError:
        """Return the error that data is which is no event of an answer."""
        body = _load(data)
        if isinstance(body, str) or is_error(body):
            return error_in_answer(body, self._redact, StreamError, _REPORTED)
        said = self._redact(read_text(data)) if body is None else ""
        return StreamError(f"{_NO_EVENT}: {said}" if said else _NO_EVENT)

    def _count(self, holder: dict[str, Any]) -> None:
        """Learn the counts, which are those of the whole answer so far."""
        self._counts.update(counts_of(holder.get("usage")))
        self.info.usage = usage_of(self._counts)

    def _call(self, block: dict[str, Any], **said: Any) -> bytes:
        return self._chunk({"tool_calls": [{"index": block["call"], **said}]})

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        if not self.info.token_seen:
            self.info.token_seen = carries_token(choice)
        return sse.event(orjson.dumps({**self._head, "choices": [choice]}))


_HANDLERS: dict[str, Callable[[AnthropicStream, dict[str, Any]], Iterator[bytes]]] = {
    "message_start": AnthropicStream._message_start,
    "content_block_start": AnthropicStream._block_start,
    "content_block_delta": AnthropicStream._block_delta,
    "content_block_stop": AnthropicStream._block_stop,
    "message_delta": AnthropicStream._message_delta,
    "message_stop": AnthropicStream._message_stop,
}


def _load(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


def _part(event: dict[str, Any], key: str) -> dict[str, Any]:
    value = event.get(key)
    return value if isinstance(value, dict) else {}


def _index(event: dict[str, Any]) -> int:
    index = event.get("index")
    return index if isinstance(index, int) else 0
