"""Errors that a `predict` returns or yields as a dict, read as an error under a status of 200 is."""

from __future__ import annotations

from typing import Any

import orjson

from ._error_facts import facts_of
from ._error_signs import broken_choice, is_error, says_failed
from ._openai_errors import error_in_answer
from ._openai_info import choices_of
from ._secrets import redactor_of
from ._values import Target
from .errors import PredictionError

_CONTENT = (
    *("choices", "message", "content", "text", "tool_calls", "delta", "finish_reason"),
    *("data", "embedding", "embeddings", "usage"),
)
"""Keys of a dict that is an answer, or a part of one."""

_REPORTED = "predict reported an error"


def raise_for_error(said: dict[str, Any], target: Target) -> None:
    """Raise the error that a dict reports, with the status and the kind that it says.

    The forms are those that services use under a status of 200; a dict with content is an error only if it
    says so explicitly. One that says no status is a `PredictionError`. Secrets of the target's config are
    redacted.
    """
    if _is_error(said):
        redact = redactor_of(None, target.config)
        raise error_in_answer(_as_json(said), redact, PredictionError, _REPORTED, PredictionError.code)


def _is_error(said: dict[str, Any]) -> bool:
    if broken_choice(said) or any(map(broken_choice, choices_of(said))) or said.get("object") == "error":
        return True
    content = [key for key in _CONTENT if said.get(key) is not None]
    if content == ["message"] and isinstance(said["message"], str):
        return facts_of(said).status is not None  # without a status the message is the answer
    return not content and is_error(said)


def _as_json(said: dict[str, Any]) -> Any:
    """Return an error as JSON has it; of one that JSON cannot say, its text."""
    is_lone_choice = "finish_reason" in said and not says_failed(said.get("error"))
    try:
        body = {"choices": [said]} if is_lone_choice else said
        return orjson.loads(orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS))
    except TypeError:
        error = said.get("error")
        return {"error": str(error.get("message") if isinstance(error, dict) else error)}
