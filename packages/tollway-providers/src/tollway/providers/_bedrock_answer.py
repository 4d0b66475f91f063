"""Answers of Bedrock's Converse and ConverseStream in OpenAI's dialect.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tollway.provider import (
    Answer,
    AnswerInfo,
    Call,
    ErrorKind,
    ProviderError,
    ResponseError,
    StreamError,
    UpstreamError,
    sse,
)
from tollway.provider.json_text import dumps
from tollway.provider.upstream_answers import error_in_answer
from tollway.provider.usages import bedrock_usage

from ._aws_events import EventParser, Message
from ._chunk_stream import ChunkWriter, load, whole_answer

_FINISHES = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
_BODIES = (b"{", b"[", b"<", b'"')
"""How a body of JSON or HTML begins; a message begins with the high byte of its length."""

_MAX_OPEN_BLOCKS = 128
_REPORTED = "the model's service reported an error in mid-answer"


def answer_of(body: Any, answer_id: str, model: str, now_s: int) -> Answer:
    """Read a whole answer, which tells neither its id, nor its model, nor the time.

    Raises:
        UpstreamError: the model broke off.
        ResponseError: it is no answer.
    """
    content = _get(body, "output", "message", "content")
    if not isinstance(content, list):
        raise ResponseError("the model's service answered without a message")
    finish = _finish(body.get("stopReason"))
    if finish is None:
        raise ResponseError("the model's service answered without saying why it stopped")
    info = AnswerInfo(answer_id, model, bedrock_usage(body.get("usage")), (finish,))
    said = {"role": "assistant", **_said([one for one in content if isinstance(one, dict)])}
    return whole_answer(info, now_s, [{"message": said, "finish_reason": finish}])


class ConverseStream(ChunkWriter):
    """A decoder of ConverseStream; see `StreamDecoder`. It is complete with the usage that comes last."""

    def __init__(
        self, call: Call, redact: Callable[[str], str], now_s: int, whole: Callable[[bytes], Answer]
    ) -> None:
        super().__init__(call, redact, now_s, whole)
        self._parser = EventParser()
        self._body: bytearray | None = None
        self._calls: dict[int, int] = {}
        self._thoughts: dict[int, dict[str, list[str]]] = {}
        self._count_of_calls = 0
        self._count_of_thoughts = 0
        self._kept = 0

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came, return the events that are now whole (perhaps none)."""
        if self._body is None and not self._finishes and self._parser.is_empty and data.startswith(_BODIES):
            self._body = bytearray()
        if self._body is not None:
            return self._hold(self._body, data)
        said: list[bytes] = []
        try:
            for message in self._parser.feed(data):
                if self.complete or self.error is not None:
                    break
                said += self._on(message)
            if self._parser.broken is not None and not self.complete:
                raise StreamError(str(self._parser.broken))
        except ProviderError as error:
            self.error = self.error or error
        return b"".join(said)

    def end(self) -> bytes:
        """Take the end of the upstream's bytes; sets `error` unless the answer is complete."""
        if self.complete or self.error is not None:
            return b""
        return self._end_answer() if self._body is None else self._end_body(bytes(self._body))

    def _hold(self, body: bytearray, data: bytes) -> bytes:
        """Keep a body that came in the stream's place."""
        body += data
        if len(body) > sse.MAX_EVENT_BYTES:
            self.error = self.error or StreamError(f"the answer has more than {sse.MAX_EVENT_BYTES} bytes")
        return b""

    def _on(self, message: Message) -> Iterator[bytes]:
        event = load(message.payload)
        if message.type != "event":
            said = event.get("message") if isinstance(event, dict) else None
            raise error_in_answer(
                {"error": {"code": message.name, "message": said or message.text}},
                self._redact,
                StreamError,
                _REPORTED,
            )
        if not isinstance(event, dict):
            raise StreamError("the model's stream carried something that is not a JSON object")
        handler = _HANDLERS.get(message.name)
        if handler is not None:  # others are to be passed over
            yield from handler(self, event)

    def _message_start(self, event: dict[str, Any]) -> Iterator[bytes]:
        yield self._chunk({"role": "assistant", "content": ""})

    def _block_start(self, event: dict[str, Any]) -> Iterator[bytes]:
        use = _get(event, "start", "toolUse")
        if not isinstance(use, dict):
            return
        index = self._count_of_calls
        self._calls[_index(event)] = index
        self._count_of_calls += 1
        self._bound(self._calls)
        function = {"name": _text(use, "name"), "arguments": ""}
        call = {"index": index, "id": _text(use, "toolUseId"), "type": "function", "function": function}
        yield self._chunk({"tool_calls": [call]})

    def _block_delta(self, event: dict[str, Any]) -> Iterator[bytes]:
        delta = event.get("delta")
        block = _index(event)
        if text := _text(delta, "text"):
            yield self._chunk({"content": text})
        given = _text(_get(delta, "toolUse"), "input")
        if given and block in self._calls:
            yield self._chunk(
                {"tool_calls": [{"index": self._calls[block], "function": {"arguments": given}}]}
            )
        thought = _get(delta, "reasoningContent")
        if isinstance(thought, dict):
            self._keep(block, thought)
            if text := _text(thought, "text"):
                yield self._chunk({"reasoning_content": text})

    def _keep(self, block: int, thought: dict[str, Any]) -> None:
        """Keep a thought until its block ends: it goes back whole, with its signature."""
        kept = self._thoughts.setdefault(block, {})
        self._bound(self._thoughts)
        for key in ("text", "signature", "redactedContent"):
            if piece := _text(thought, key):
                kept.setdefault(key, []).append(piece)
                self._kept += len(piece)
        if self._kept > sse.MAX_EVENT_BYTES:
            raise StreamError(f"the model's thinking has more than {sse.MAX_EVENT_BYTES} bytes")

    def _bound(self, blocks: dict[int, Any]) -> None:
        if len(blocks) > _MAX_OPEN_BLOCKS:
            raise StreamError("the model's stream has too many content blocks at the same time")

    def _block_stop(self, event: dict[str, Any]) -> Iterator[bytes]:
        self._calls.pop(_index(event), None)
        kept = self._thoughts.pop(_index(event), None)
        if kept is not None and (
            block := _thinking_block({key: "".join(parts) for key, parts in kept.items()})
        ):
            yield self._chunk({"thinking_blocks": [{"index": self._count_of_thoughts, **block}]})
            self._count_of_thoughts += 1

    def _message_stop(self, event: dict[str, Any]) -> Iterator[bytes]:
        finish = _finish(event.get("stopReason"))
        if finish is not None and not self._is_finished:
            yield self._chunk({}, finish)

    def _metadata(self, event: dict[str, Any]) -> Iterator[bytes]:
        self.info.usage = bedrock_usage(event.get("usage")) or self.info.usage
        if self._is_finished:
            yield self._finish()


_HANDLERS: dict[str, Callable[[ConverseStream, dict[str, Any]], Iterator[bytes]]] = {
    "messageStart": ConverseStream._message_start,
    "contentBlockStart": ConverseStream._block_start,
    "contentBlockDelta": ConverseStream._block_delta,
    "contentBlockStop": ConverseStream._block_stop,
    "messageStop": ConverseStream._message_stop,
    "metadata": ConverseStream._metadata,
}


def _finish(reason: Any) -> str | None:
    """Return OpenAI's word for why it stopped; None when it does not say. A word not known is a stop.

    Raises:
        UpstreamError: the model broke off.
    """
    if not isinstance(reason, str) or not reason:
        return None
    if reason.startswith("malformed_"):
        raise UpstreamError(
            f"the model broke the answer off with {reason}",
            upstream_status=502,
            status=502,
            code=reason,
            kind=ErrorKind.RETRYABLE,
        )
    return _FINISHES.get(reason, "stop")


def _said(content: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the blocks say: text, thinking, calls. A kind of block not known is left out."""
    text = "".join(_text(block, "text") for block in content)
    thoughts = [_flat(block["reasoningContent"]) for block in content if "reasoningContent" in block]
    calls = [block["toolUse"] for block in content if isinstance(block.get("toolUse"), dict)]
    said: dict[str, Any] = {"content": text or (None if calls else ""), "refusal": None}
    if thought := "".join(_text(one, "text") for one in thoughts):
        said["reasoning_content"] = thought
    if blocks := [block for one in thoughts if (block := _thinking_block(one))]:
        said["thinking_blocks"] = blocks
    if calls:
        said["tool_calls"] = [_call(call) for call in calls]
    return said


def _call(use: dict[str, Any]) -> dict[str, Any]:
    function = {"name": _text(use, "name"), "arguments": dumps(use.get("input") or {}).decode()}
    return {"id": _text(use, "toolUseId"), "type": "function", "function": function}


def _flat(thought: Any) -> dict[str, Any]:
    """Return a thought with text and signature as a stream has them."""
    inner = thought.get("reasoningText") if isinstance(thought, dict) else None
    return inner if isinstance(inner, dict) else thought if isinstance(thought, dict) else {}


def _thinking_block(thought: dict[str, Any]) -> dict[str, Any] | None:
    """Return a thought as a block that can be sent back; None without what proves it."""
    if data := _text(thought, "redactedContent"):
        return {"type": "redacted_thinking", "data": data}
    signature = _text(thought, "signature")
    return (
        {"type": "thinking", "thinking": _text(thought, "text"), "signature": signature}
        if signature
        else None
    )


def _get(holder: Any, *keys: str) -> Any:
    for key in keys:
        holder = holder.get(key) if isinstance(holder, dict) else None
    return holder


def _text(holder: Any, key: str) -> str:
    value = holder.get(key) if isinstance(holder, dict) else None
    return value if isinstance(value, str) else ""


def _index(event: dict[str, Any]) -> int:
    index = event.get("contentBlockIndex")
    return index if isinstance(index, int) else 0
