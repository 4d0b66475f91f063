"""What telemetry wants to know of an answer that passes raw, in whatever dialect: its usage, model and id."""

from __future__ import annotations

from typing import Any

from . import sse
from ._passing import MESSAGES
from ._values import AnswerInfo, Usage
from .json_text import loads
from .usages import (
    anthropic_usage,
    bedrock_usage,
    cohere_usage,
    gemini_usage,
    openai_responses_usage,
    openai_usage,
)

MAX_BYTES = 4 * 1024 * 1024
"""A larger JSON answer passes without a look at it: pictures and vectors stand in such."""

_TELLING = (b'"usage', b'"message_', b'"meta"')
"""One of these is in every event that tells a usage."""

_OF_MESSAGES = ("cache_read_input_tokens", "cache_creation_input_tokens", "server_tool_use")


class RawAnswer:
    """Looks at one answer as it passes: `feed` it bytes, then say `end`. A look never fails.

    Nothing is held of what is neither JSON nor a stream of events, nor of what is too large.
    """

    def __init__(self, content_type: str) -> None:
        self.info = AnswerInfo()
        kind = content_type.partition(";")[0].strip().lower()
        self._events = sse.Parser() if kind == "text/event-stream" else None
        self._body = bytearray() if kind == "application/json" or kind.endswith("+json") else None

    def feed(self, data: bytes) -> None:
        """Look at bytes in passing."""
        if self._body is not None:
            self._body += data
            if len(self._body) > MAX_BYTES:
                self._body = None
        elif self._events is not None:
            try:
                for event in self._events.feed(data):
                    self._look_at(event.data)
            except sse.EventTooLargeError:
                self._events = None

    def end(self) -> AnswerInfo:
        """Return what is known of the answer, now that all of it has passed."""
        if self._body:
            _learn(self.info, _parsed(bytes(self._body)))
        return self.info

    def _look_at(self, data: bytes | None) -> None:
        if data is not None and any(word in data for word in _TELLING):
            event = _parsed(data)
            if isinstance(event, dict) and str(event.get("type")).startswith("message_"):
                MESSAGES.on_event(self.info, event)
            else:
                _learn(self.info, event)


def _parsed(data: bytes) -> Any:
    try:
        return loads(data)
    except ValueError:
        return None


def _learn(info: AnswerInfo, body: Any) -> None:
    """Learn from a whole answer, or from an event that tells a usage."""
    if isinstance(body, list) and body:  # Gemini streams a list where nobody asks for events
        body = body[-1]
    if not isinstance(body, dict):
        return
    inner = body.get("response")
    told = inner if isinstance(inner, dict) else body
    for name, keys in (("id", ("id", "responseId")), ("model", ("model", "modelVersion"))):
        said = next((told[key] for key in keys if isinstance(told.get(key), str) and told[key]), None)
        setattr(info, name, said or getattr(info, name))
    info.usage = usage_of(told) or info.usage


def usage_of(body: dict[str, Any]) -> Usage | None:
    """Read the usage of an answer in any dialect; None where none is told in tokens."""
    if "usageMetadata" in body:
        return gemini_usage(body["usageMetadata"])
    usage, meta = body.get("usage"), body.get("meta")
    if not isinstance(usage, dict):
        return cohere_usage(meta) if isinstance(meta, dict) else None
    if "inputTokens" in usage:
        found = bedrock_usage(usage)
    elif "prompt_tokens" in usage or "completion_tokens" in usage:
        found = openai_usage(usage)
    elif "tokens" in usage or "billed_units" in usage:
        found = cohere_usage(usage)
    elif body.get("type") == "message" or any(key in usage for key in _OF_MESSAGES):
        found = anthropic_usage(usage)
    else:
        found = openai_responses_usage(usage)
    if found is None or (found.input_tokens is None and found.output_tokens is None):
        return None
    return found
