"""What telemetry wants to know, picked out of JSON in OpenAI's dialect; total: any JSON gives an answer."""

from __future__ import annotations

from typing import Any

from ._values import AnswerInfo, Usage


def info_of(body: dict[str, Any]) -> AnswerInfo:
    """Pick id, model, usage and finish reasons out of a whole answer."""
    return AnswerInfo(
        id=_text(body.get("id")),
        model=_text(body.get("model")),
        usage=usage_of(body.get("usage")),
        finish_reasons=tuple(reason for reason in map(finish_reason, choices_of(body)) if reason),
    )


def usage_of(usage: Any) -> Usage | None:
    """Read OpenAI's `usage` object; None when there is none."""
    if not isinstance(usage, dict):
        return None
    return Usage(
        input_tokens=_count(usage, "prompt_tokens"),
        output_tokens=_count(usage, "completion_tokens"),
        cache_read_input_tokens=_count(usage.get("prompt_tokens_details"), "cached_tokens"),
        reasoning_output_tokens=_count(usage.get("completion_tokens_details"), "reasoning_tokens"),
    )


def choices_of(body: dict[str, Any]) -> list[Any]:
    """Return the choices of an answer or a chunk, whatever they hold; none when it has none."""
    choices = body.get("choices")
    return choices if isinstance(choices, list) else []


def finish_reason(choice: Any) -> str | None:
    """Return why a choice ended, None while it goes on."""
    return _text(choice.get("finish_reason")) if isinstance(choice, dict) else None


def choice_index(choice: Any) -> int:
    """Return which of the answers asked for this is a part of."""
    index = choice.get("index") if isinstance(choice, dict) else None
    return index if isinstance(index, int) else 0


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _count(usage: Any, key: str) -> int | None:
    value = usage.get(key) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def wants_usage(payload: dict[str, Any]) -> bool:
    """Whether the caller of a stream asked for the extra chunk that carries the usage."""
    options = payload.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True
