"""What telemetry wants to know, picked out of JSON in OpenAI's dialect; total: any JSON gives an answer."""

from __future__ import annotations

from typing import Any

from ._values import AnswerInfo, Usage


def info_of(body: dict[str, Any]) -> AnswerInfo:
    """Pick id, model, usage and finish reasons out of a whole answer.

    Every answer passes here: of JSON's types none has a subtype to ask for.
    """
    answer_id, model, choices = body.get("id"), body.get("model"), body.get("choices")
    reasons: list[str] = []
    if type(choices) is list:
        for choice in choices:
            if type(choice) is dict:
                reason = choice.get("finish_reason")
                if type(reason) is str and reason:
                    reasons.append(reason)
    return AnswerInfo(
        answer_id if type(answer_id) is str and answer_id else None,
        model if type(model) is str and model else None,
        usage_of(body.get("usage")),
        tuple(reasons),
    )


def usage_of(usage: Any) -> Usage | None:
    """Read OpenAI's `usage` object; None when there is none."""
    if type(usage) is not dict:
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return Usage(
        prompt if type(prompt) is int else None,
        completion if type(completion) is int else None,
        _count(usage.get("prompt_tokens_details"), "cached_tokens"),
        _count(usage.get("completion_tokens_details"), "reasoning_tokens"),
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


def _count(details: Any, key: str) -> int | None:
    if type(details) is not dict:
        return None
    value = details.get(key)
    return value if type(value) is int else None


def wants_usage(payload: dict[str, Any]) -> bool:
    """Whether the caller of a stream asked for the extra chunk that carries the usage."""
    options = payload.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True
