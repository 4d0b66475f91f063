"""What telemetry wants to know, picked out of JSON in OpenAI's dialect; total: any JSON gives an answer."""

from __future__ import annotations

from itertools import islice
from typing import Any

from ._values import AnswerInfo, Usage
from .usages import USUAL_TIERS, details_of, openai_usage

MAX_REASONS = 128
"""Finish reasons of one answer that telemetry is told."""


def reasons_of(finishes: dict[int, str | None]) -> tuple[str, ...]:
    """Return why the choices of a stream ended, in their places; of a very large answer the first ones.

    Where some have ended, those that have not are an `error`: that is what they are if the stream breaks now.
    """
    if len(finishes) == 1:
        return tuple(reason for reason in finishes.values() if reason is not None)
    return tuple([finishes[index] or "error" for index in islice(sorted(finishes), MAX_REASONS)])


def info_of(body: dict[str, Any]) -> AnswerInfo:
    """Pick id, model, usage and finish reasons out of a whole answer.

    Every answer passes here, so it does without a call for each value.
    """
    answer_id, model, choices = body.get("id"), body.get("model"), body.get("choices")
    reasons: list[str] = []
    if isinstance(choices, list):
        for choice in choices:
            if isinstance(choice, dict):
                reason = choice.get("finish_reason")
                if isinstance(reason, str) and reason:
                    reasons.append(reason)
    return AnswerInfo(
        answer_id if isinstance(answer_id, str) and answer_id else None,
        model if isinstance(model, str) and model else None,
        usage_in(body),
        tuple(reasons) if len(reasons) <= MAX_REASONS else tuple(reasons[:MAX_REASONS]),
    )


def usage_in(body: dict[str, Any]) -> Usage | None:
    """Return what an answer or a chunk says of its usage; None when it says nothing."""
    usage = body.get("usage")
    if not usage or (found := openai_usage(usage)) is None:
        return None
    tier = body.get("service_tier")
    if tier is not None and isinstance(tier, str) and tier not in USUAL_TIERS:
        details_of(found).service_tier = tier
    return found


def choices_of(body: dict[str, Any]) -> list[Any]:
    """Return the choices of an answer or a chunk, whatever they hold; none when it has none."""
    choices = body.get("choices")
    return choices if isinstance(choices, list) else []


def finish_reason(choice: Any) -> str | None:
    """Return why a choice ended, None while it goes on."""
    return _text(choice.get("finish_reason")) if isinstance(choice, dict) else None


def carries_token(choice: Any) -> bool:
    """Whether a choice of a chunk is a part of the answer: it has more than a role, or says why it ended."""
    if not isinstance(choice, dict):
        return False
    delta = choice.get("delta")
    if isinstance(delta, dict) and any(value for key, value in delta.items() if key != "role"):
        return True
    return bool(choice.get("finish_reason") or choice.get("text") or choice.get("message"))


def choice_index(choice: Any) -> int:
    """Return which of the answers asked for this is a part of."""
    index = choice.get("index") if isinstance(choice, dict) else None
    return index if isinstance(index, int) else 0


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def wants_usage(payload: dict[str, Any]) -> bool:
    """Whether the caller of a stream asked for the extra chunk that carries the usage."""
    options = payload.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage") is True:
        return True
    usage = payload.get("usage")  # OpenRouter's own way to ask for it, and for the cost
    return isinstance(usage, dict) and usage.get("include") is True
