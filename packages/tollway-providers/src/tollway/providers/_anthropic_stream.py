"""A stream of Anthropic's Messages API as a stream of OpenAI's dialect.

https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from tollway.provider import AnswerInfo, Call, ProviderError, ResponseError, StreamError, sse
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
from tollway.provider.usages import anthropic_usage

from ._anthropic_answer import answer_of, counts_of, finish_of, openai_usage, refusal_of, text_of
from ._anthropic_format import JSON_TOOL, answers_by_tool

_NO_EVENT = "the model's stream carried something that is no event"
_NO_MESSAGE = "the model's service answered with something that is not JSON"
_REPORTED = "the model's service reported an error in mid-answer"

_MAX_OPEN_BLOCKS = 128
"""Blocks that have begun and not ended: each is remembered."""

_MAX_NAME_CHARS = 256
"""Of an id or a model's name: both go out with every chunk."""

_TEXT_CHARS = 64
"""What a kept text takes in memory beside its characters."""

_GROWING = {"thinking_delta": "thinking", "signature_delta": "signature"}
"""Deltas whose texts are kept until their block ends, by the key of the block that they make up."""


@dataclass(slots=True)
class _Block:
    """A content block under way: what it began with, and the texts that came since."""

    began: dict[str, Any]
    call: int | None = None
    answer: bool = False
    written: bool = False
    texts: dict[str, list[str]] = field(default_factory=dict)

    def whole(self) -> dict[str, Any]:
        """Return the block with all that came."""
        added = {key: text_of(self.began, key) + "".join(texts) for key, texts in self.texts.items()}
        return self.began | added


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
        self._blocks: dict[int, _Block] = {}
        self._kept_chars = 0
        self._by_tool = answers_by_tool(call.payload)
        self._answered = False
        self._aside: list[str] = []
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
                raise self._error_of_body(message, body)
            answer = answer_of(message, self._now_s, by_tool=self._by_tool)
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
        self.info.id = text_of(message, "id")[:_MAX_NAME_CHARS] or None
        self.info.model = text_of(message, "model")[:_MAX_NAME_CHARS] or None
        self._head.update(id=self.info.id, model=self.info.model)
        self._count(message)
        yield self._chunk({"role": "assistant", "content": ""})

    def _block_start(self, event: dict[str, Any]) -> Iterator[bytes]:
        block = _Block(_part(event, "content_block"))
        self._blocks[_index(event)] = block
        if len(self._blocks) > _MAX_OPEN_BLOCKS:
            self.error = StreamError("the model's stream has too many content blocks at the same time")
            return
        kind = text_of(block.began, "type")
        if kind == "text" and text_of(block.began, "text"):
            yield from self._text(text_of(block.began, "text"))
        elif self._by_tool and kind == "tool_use" and text_of(block.began, "name") == JSON_TOOL:
            block.answer = self._answered = True
        elif kind == "thinking" and text_of(block.began, "thinking"):
            yield self._chunk({"reasoning_content": block.began["thinking"]})
        elif kind == "tool_use":
            block.call = self._calls
            self._calls += 1
            function = {"name": text_of(block.began, "name"), "arguments": ""}
            yield self._call(block, id=text_of(block.began, "id"), type="function", function=function)

    def _block_delta(self, event: dict[str, Any]) -> Iterator[bytes]:
        delta, block = _part(event, "delta"), self._blocks.get(_index(event))
        kind = text_of(delta, "type")
        if block is not None and kind in _GROWING:
            self._keep(block, _GROWING[kind], text_of(delta, _GROWING[kind]))
        if kind == "text_delta":
            yield from self._text(text_of(delta, "text"))
        elif kind == "thinking_delta":
            yield self._chunk({"reasoning_content": text_of(delta, "thinking")})
        elif kind == "input_json_delta" and block is not None:
            yield from self._arguments(block, text_of(delta, "partial_json"))

    def _text(self, text: str) -> Iterator[bytes]:
        """Say a text; where a tool is the answer, only if the tool does not come."""
        if not self._by_tool:
            yield self._chunk({"content": text})
        elif text:
            self._aside.append(text)
            self._hold(text)

    def _arguments(self, block: _Block, text: str) -> Iterator[bytes]:
        if block.answer and text:
            block.written = True
            yield self._chunk({"content": text})
        elif block.call is not None and text:
            block.written = True
            yield self._call(block, function={"arguments": text})

    def _keep(self, block: _Block, key: str, text: str) -> None:
        """Keep a text until its block ends, all of them together no longer than an event may be."""
        block.texts.setdefault(key, []).append(text)
        self._hold(text)

    def _hold(self, text: str) -> None:
        self._kept_chars += len(text) + _TEXT_CHARS
        if self._kept_chars > sse.MAX_EVENT_BYTES:
            self.error = StreamError(f"the model's thinking has more than {sse.MAX_EVENT_BYTES} bytes")

    def _block_stop(self, event: dict[str, Any]) -> Iterator[bytes]:
        block = self._blocks.pop(_index(event), None)
        if block is None:
            return
        if text_of(block.began, "type") in ("thinking", "redacted_thinking"):
            self._kept_chars -= sum(
                len(text) + _TEXT_CHARS for texts in block.texts.values() for text in texts
            )
            # Whole, for the API takes back no part of it; the index is what OpenAI's client joins lists by.
            yield self._chunk({"thinking_blocks": [{"index": self._thoughts, **block.whole()}]})
            self._thoughts += 1
        elif block.answer and not block.written:
            yield self._chunk({"content": orjson.dumps(block.began.get("input") or {}).decode()})
        elif block.call is not None and not block.written:  # the input came whole, or is empty
            arguments = orjson.dumps(block.began.get("input") or {}).decode()
            yield self._call(block, function={"arguments": arguments})

    def _message_delta(self, event: dict[str, Any]) -> Iterator[bytes]:
        delta = _part(event, "delta")
        self._count(event)
        finish = finish_of(delta.get("stop_reason"), by_tool=self._by_tool)
        if finish and not self.info.finish_reasons:
            self.info.finish_reasons = (finish,)
            refusal = refusal_of(delta)
            if self._aside and not self._answered:
                yield self._chunk({"content": "".join(self._aside)})
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

    def _error_of_body(self, message: Any, body: bytes) -> ProviderError:
        """Return the error that a body in the stream's place is: the same as in a whole answer's place."""
        if message is not None:
            return error_in_answer(message, self._redact, ResponseError, _REPORTED)
        said = self._redact(read_text(body))
        return ResponseError(f"{_NO_MESSAGE}: {said}" if said else _NO_MESSAGE)

    def _count(self, holder: dict[str, Any]) -> None:
        """Learn the counts, which are those of the whole answer so far."""
        self._counts.update(counts_of(holder.get("usage")))
        self.info.usage = anthropic_usage(self._counts)

    def _call(self, block: _Block, **said: Any) -> bytes:
        return self._chunk({"tool_calls": [{"index": block.call, **said}]})

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
