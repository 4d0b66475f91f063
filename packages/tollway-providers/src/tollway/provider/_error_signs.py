"""Whether JSON under a status of 200 is an error and no answer. An honest answer is never taken for one."""

from __future__ import annotations

from typing import Any

BROKEN_FINISHES = frozenset({"error", "network_error", "insufficient_system_resource", "abort", "cancelled"})
"""Finish reasons of choices that broke off: Mistral, OpenRouter; Zhipu; DeepSeek; vLLM and SGLang."""

_ANSWERS = ("choices", "data", "content", "predictions", "usage")
"""Keys of which an honest answer or chunk has at least one that is not empty."""

_ERROR_TYPES = ("error", "exception")
_WORDS = ("message", "msg", "Message", "error_message", "errorMessage", "error_msg", "err_msg", "status_msg")
_FAILED = frozenset({"error", "fail", "failed", "failure"})
_OK = frozenset({"0", "200", "ok", "success", "none", "null", ""})


def is_error(body: Any) -> bool:
    """Whether parsed JSON says that something failed, in any of the usual forms.

    With content beside it only an explicit `error`, or that of a choice, counts; `"error": null` and the
    like are none.
    """
    if isinstance(body, list):
        return bool(body) and all(isinstance(item, dict) and is_error(item) for item in body)
    if not isinstance(body, dict):
        return False
    choices = body.get("choices")
    if says_failed(body.get("error")) or (isinstance(choices, list) and any(map(broken_choice, choices))):
        return True
    return not any(body.get(key) for key in _ANSWERS) and _looks_failed(body)


def says_failed(error: Any) -> bool:
    """Whether the value of a key `error` is an error: not null, false, empty, or a code for success."""
    if isinstance(error, dict):
        return any(
            value for key, value in error.items() if not (key in ("code", "message") and _is_ok(value))
        )
    return bool(error) and not _is_ok(error)


def broken_choice(choice: Any) -> bool:
    """Whether a choice broke off, by its finish reason or an error object of its own."""
    if not isinstance(choice, dict):
        return False
    reason = choice.get("finish_reason")
    return (isinstance(reason, str) and reason in BROKEN_FINISHES) or says_failed(choice.get("error"))


def _looks_failed(body: dict[str, Any]) -> bool:
    kind, base, status = body.get("type"), body.get("base_resp"), body.get("status")
    if "code" in body and body["code"] is not None and _is_ok(body["code"]):
        return False
    return (
        body.get("object") == "error"
        or (isinstance(kind, str) and kind.lower().endswith(_ERROR_TYPES))
        or body.get("success") is False
        or body.get("ok") is False
        or (isinstance(status, str) and status.lower() in _FAILED)
        or (isinstance(base, dict) and not _is_ok(base.get("status_code")))
        or any(body.get(key) for key in ("detail", "errors", "fault", "Error", "error_code", "errorCode"))
        or "__type" in body
        or any(isinstance(body.get(key), str) and not _is_ok(body[key]) for key in _WORDS)
    )


def _is_ok(value: Any) -> bool:
    return str(value).strip().lower() in _OK if isinstance(value, str | int) or value is None else False
