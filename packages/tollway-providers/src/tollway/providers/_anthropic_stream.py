"""A stream of Anthropic's Messages API as a stream of OpenAI's dialect.

https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tollway.provider import Answer, Call, StreamError, sse
from tollway.provider.json_text import dumps
from tollway.provider.usages import anthropic_usage

from ._anthropic_answer import counts_of, finish_of, refusal_of, text_of
from ._anthropic_format import JSON_TOOL, answers_by_tool
from ._chunk_stream import EventStream

_MAX_OPEN_BLOCKS = 128
"""Blocks that have begun and not ended: each is remembered."""

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


class AnthropicStream(EventStream):
    """A decoder of one stream; see `StreamDecoder`.

    The answer is complete with `message_stop`, or when a `message_delta` has said why it stopped.
    """

    def __init__(
        self, call: Call, redact: Callable[[str], str], now_s: int, whole: Callable[[bytes], Answer]
    ) -> None:
        super().__init__(call, redact, now_s, whole)
        self._counts: dict[str, Any] = {}
        self._blocks: dict[int, _Block] = {}
        self._kept_chars = 0
        self._by_tool = answers_by_tool(call.payload)
        self._answered = False
        self._aside: list[str] = []
        self._calls = 0
        self._thoughts = 0

    def on(self, event: dict[str, Any], name: str) -> Iterator[bytes]:
        """Yield the chunks that an event means; others, `ping` among them, are passed over."""
        kind = text_of(event, "type")
        if not kind or kind == "error":
            self.error = self._error_of(dumps(event))
        elif kind in _HANDLERS:
            yield from _HANDLERS[kind](self, event)

    def _message_start(self, event: dict[str, Any]) -> Iterator[bytes]:
        message = _part(event, "message")
        self.name(text_of(message, "id"), text_of(message, "model"))
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
            yield self._chunk({"content": dumps(block.began.get("input") or {}).decode()})
        elif block.call is not None and not block.written:  # the input came whole, or is empty
            arguments = dumps(block.began.get("input") or {}).decode()
            yield self._call(block, function={"arguments": arguments})

    def _message_delta(self, event: dict[str, Any]) -> Iterator[bytes]:
        delta = _part(event, "delta")
        self._count(event)
        finish = finish_of(delta.get("stop_reason"), by_tool=self._by_tool)
        if finish and not self._is_finished:
            refusal = refusal_of(delta)
            if self._aside and not self._answered:
                yield self._chunk({"content": "".join(self._aside)})
            yield self._chunk({"refusal": refusal} if refusal else {}, finish)

    def _message_stop(self, event: dict[str, Any]) -> Iterator[bytes]:
        if not self._is_finished:
            self.error = StreamError("the model's stream ended without saying why")
            return
        yield self._finish()

    def _count(self, holder: dict[str, Any]) -> None:
        """Learn the counts, which are those of the whole answer so far."""
        self._counts.update(counts_of(holder.get("usage")))
        self.info.usage = anthropic_usage(self._counts)

    def _call(self, block: _Block, **said: Any) -> bytes:
        return self._chunk({"tool_calls": [{"index": block.call, **said}]})


_HANDLERS: dict[str, Callable[[AnthropicStream, dict[str, Any]], Iterator[bytes]]] = {
    "message_start": AnthropicStream._message_start,
    "content_block_start": AnthropicStream._block_start,
    "content_block_delta": AnthropicStream._block_delta,
    "content_block_stop": AnthropicStream._block_stop,
    "message_delta": AnthropicStream._message_delta,
    "message_stop": AnthropicStream._message_stop,
}


def _part(event: dict[str, Any], key: str) -> dict[str, Any]:
    value = event.get(key)
    return value if isinstance(value, dict) else {}


def _index(event: dict[str, Any]) -> int:
    index = event.get("index")
    return index if isinstance(index, int) else 0
