"""What telemetry wants to know of answers that pass in dialects other than OpenAI's chat; total functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ._values import AnswerInfo, Usage
from .usages import anthropic_usage, openai_responses_usage

_DONE = ("response.completed", "response.incomplete", "response.failed")


@dataclass(frozen=True, slots=True)
class Passing:
    """How answers of one dialect are read; `on_event` says whether the stream is complete."""

    learn: Callable[[AnswerInfo, dict[str, Any]], None]
    on_event: Callable[[AnswerInfo, dict[str, Any]], bool]
    failed: Callable[[dict[str, Any]], bool]
    error_of: Callable[[dict[str, Any]], Any] = lambda body: body


def _text(holder: Any, key: str) -> str | None:
    value = holder.get(key) if isinstance(holder, dict) else None
    return value if isinstance(value, str) and value else None


def _learn_message(info: AnswerInfo, message: dict[str, Any]) -> None:
    info.id, info.model = _text(message, "id") or info.id, _text(message, "model") or info.model
    if (reason := _text(message, "stop_reason")) is not None:
        info.finish_reasons = (reason,)
    info.usage = anthropic_usage(message.get("usage")) or info.usage


def _on_message_event(info: AnswerInfo, event: dict[str, Any]) -> bool:
    kind = event.get("type")
    if kind == "message_start" and isinstance(event.get("message"), dict):
        _learn_message(info, event["message"])
    elif kind in ("content_block_start", "content_block_delta"):
        info.token_seen = True
    elif kind == "message_delta":
        info.token_seen = True
        if (reason := _text(event.get("delta"), "stop_reason")) is not None:
            info.finish_reasons = (reason,)
        _add_counts(info, event.get("usage"))
    return kind == "message_stop"


def _add_counts(info: AnswerInfo, counts: Any) -> None:
    """Learn the last counts of a stream; what they do not tell is as its beginning told it."""
    last, first = anthropic_usage(counts), info.usage
    if last is None or first is None:
        info.usage = last or first
        return
    if "input_tokens" in counts:
        first.input_tokens = last.input_tokens
        first.cache_read_input_tokens = last.cache_read_input_tokens or first.cache_read_input_tokens
    if last.output_tokens is not None:
        first.output_tokens = last.output_tokens
    first.reasoning_output_tokens = last.reasoning_output_tokens or first.reasoning_output_tokens
    first.details = last.details or first.details


def _message_failed(body: dict[str, Any]) -> bool:
    return body.get("type") == "error"


def _learn_response(info: AnswerInfo, response: dict[str, Any]) -> None:
    info.id, info.model = _text(response, "id") or info.id, _text(response, "model") or info.model
    info.usage = openai_responses_usage(response.get("usage")) or info.usage
    status = _text(response, "status")
    if status in ("completed", "incomplete"):
        info.finish_reasons = (_text(response.get("incomplete_details"), "reason") or "stop",)


def _on_response_event(info: AnswerInfo, event: dict[str, Any]) -> bool:
    kind, response = str(event.get("type")), event.get("response")
    if isinstance(response, dict):
        _learn_response(info, response)
    if kind.endswith(".delta") or kind == "response.output_item.done" or kind in _DONE:
        info.token_seen = True
    return kind in _DONE


def _response_failed(body: dict[str, Any]) -> bool:
    response = body.get("response") if body.get("type") == "response.failed" else body
    if body.get("type") == "error":
        return True
    return isinstance(response, dict) and response.get("status") == "failed"


def _error_of_response(body: dict[str, Any]) -> Any:
    response = body.get("response", body)
    error = response.get("error") if isinstance(response, dict) else None
    return {"error": error} if isinstance(error, dict) else body


MESSAGES = Passing(_learn_message, _on_message_event, _message_failed)


def _learn_count(info: AnswerInfo, body: dict[str, Any]) -> None:
    """Note that no model was asked: counting costs nothing."""
    info.usage = Usage(0, 0)


COUNT = Passing(_learn_count, lambda info, event: False, _message_failed)

RESPONSES = Passing(_learn_response, _on_response_event, _response_failed, _error_of_response)
