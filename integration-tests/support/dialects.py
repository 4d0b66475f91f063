"""How an upstream's answers look on the wire, in each dialect that the tests' upstreams speak."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

PIECES = ("One ", "two ", "three.")
"""What every complete answer says, in the events of its stream."""

TEXT = "".join(PIECES)


class Dialect(Protocol):
    """One API's wire format."""

    def whole(self, model: str, text: str = TEXT) -> bytes:
        """Return a whole answer."""

    def opening(self, model: str) -> bytes:
        """Return the events before the first token: a role, and nothing that a reader could see."""

    def piece(self, model: str, text: str) -> bytes:
        """Return the event of a piece of text."""

    def closing(self, model: str) -> bytes:
        """Return the events that say how the answer ended, all but the terminator."""

    terminator: bytes
    """The last event of a stream."""

    def error(self, message: str, kind: str) -> dict[str, Any]:
        """Return the body of an error."""

    def error_event(self, message: str, kind: str) -> bytes:
        """Return an error inside a stream."""

    def too_long(self) -> dict[str, Any]:
        """Return the error of a prompt that is too long for the model."""

    def filtered(self) -> dict[str, Any]:
        """Return the error of a prompt that the content policy refuses."""


def _event(value: dict[str, Any], name: str | None = None) -> bytes:
    head = b"" if name is None else b"event: %b\n" % name.encode()
    return b"%bdata: %b\n\n" % (head, json.dumps(value).encode())


@dataclass(frozen=True, slots=True)
class OpenAI:
    """OpenAI's chat completions."""

    terminator: bytes = b"data: [DONE]\n\n"

    def whole(self, model: str, text: str = TEXT) -> bytes:
        """See `Dialect.whole`."""
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}
        head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model}
        return json.dumps({**head, "choices": [choice], "usage": usage}).encode()

    def opening(self, model: str) -> bytes:
        """See `Dialect.opening`."""
        return self._chunk(model, {"role": "assistant", "content": ""})

    def piece(self, model: str, text: str) -> bytes:
        """See `Dialect.piece`."""
        return self._chunk(model, {"content": text})

    def closing(self, model: str) -> bytes:
        """See `Dialect.closing`."""
        return self._chunk(model, {}, "stop")

    def error(self, message: str, kind: str) -> dict[str, Any]:
        """See `Dialect.error`."""
        return {"error": {"message": message, "type": kind, "param": None, "code": kind}}

    def error_event(self, message: str, kind: str) -> bytes:
        """See `Dialect.error_event`."""
        return _event(self.error(message, kind))

    def too_long(self) -> dict[str, Any]:
        """See `Dialect.too_long`."""
        return self.error("the maximum context length is 8192 tokens", "context_length_exceeded")

    def filtered(self) -> dict[str, Any]:
        """See `Dialect.filtered`."""
        return self.error("the content policy refuses this prompt", "content_filter")

    def _chunk(self, model: str, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model}
        return _event({**head, "choices": [choice]})


@dataclass(frozen=True, slots=True)
class Anthropic:
    """Anthropic's messages."""

    terminator: bytes = b'event: message_stop\ndata: {"type": "message_stop"}\n\n'

    def whole(self, model: str, text: str = TEXT) -> bytes:
        """See `Dialect.whole`."""
        content = [{"type": "text", "text": text}]
        return json.dumps({**self._message(model), "content": content, "stop_reason": "end_turn"}).encode()

    def opening(self, model: str) -> bytes:
        """See `Dialect.opening`."""
        start = {"type": "message_start", "message": self._message(model)}
        block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        return self._events(start, block)

    def piece(self, model: str, text: str) -> bytes:
        """See `Dialect.piece`."""
        delta = {"type": "text_delta", "text": text}
        return self._events({"type": "content_block_delta", "index": 0, "delta": delta})

    def closing(self, model: str) -> bytes:
        """See `Dialect.closing`."""
        ended = {"stop_reason": "end_turn", "stop_sequence": None}
        usage = {"output_tokens": 3}
        return self._events(
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": ended, "usage": usage},
        )

    def error(self, message: str, kind: str) -> dict[str, Any]:
        """See `Dialect.error`."""
        return {"type": "error", "error": {"type": kind, "message": message}}

    def error_event(self, message: str, kind: str) -> bytes:
        """See `Dialect.error_event`."""
        return self._events(self.error(message, kind))

    def too_long(self) -> dict[str, Any]:
        """See `Dialect.too_long`."""
        return self.error("prompt is too long: 250000 tokens > 200000 maximum", "invalid_request_error")

    def filtered(self) -> dict[str, Any]:
        """See `Dialect.filtered`."""
        return self.error("Output blocked by content filtering policy", "invalid_request_error")

    def _message(self, model: str) -> dict[str, Any]:
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 3, "output_tokens": 3},
        }

    def _events(self, *values: dict[str, Any]) -> bytes:
        return b"".join(_event(value, value["type"]) for value in values)


def complete(dialect: Dialect, model: str, pieces: Sequence[str] = PIECES) -> list[bytes]:
    """Return the events of a whole stream, but for its terminator."""
    return [
        dialect.opening(model),
        *(dialect.piece(model, text) for text in pieces),
        dialect.closing(model),
    ]
