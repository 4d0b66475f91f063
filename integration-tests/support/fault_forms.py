"""Errors that services tell under a status of 200, in the forms in which they have been met."""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class Form(NamedTuple):
    """One form: its body, the type that it is sent with, and the status that it stands for."""

    body: bytes
    status: int
    content_type: str = "application/json"


WORDS = "the form says why"
"""What every error says, but the empty one."""


def _json(value: Any, status: int) -> Form:
    return Form(json.dumps(value).encode(), status)


CODES = (400, 402, 429, 503)
"""Statuses that an error under a 200 may state."""


def _numbered(code: int) -> dict[str, Form]:
    """Return the forms in which a number in the error is its status."""
    error = {"message": WORDS, "code": code}
    return {
        f"number-{code}": _json({"error": error}, code),
        f"choices-null-{code}": _json({"id": "x", "choices": None, "error": error}, code),
    }


FORMS: dict[str, Form] = {
    "openai": _json({"error": {"message": WORDS, "type": "requests", "code": "rate_limit_exceeded"}}, 429),
    **{name: form for code in CODES for name, form in _numbered(code).items()},
    "text-number": _json({"error": {"message": WORDS, "code": "503"}}, 503),
    "choices-empty": _json({"choices": [], "error": {"message": WORDS, "code": 400}}, 400),
    "choice": _json(
        {"choices": [{"index": 0, "finish_reason": "error", "error": {"code": 429, "message": WORDS}}]}, 429
    ),
    "string": _json({"error": WORDS}, 502),
    "json-text": _json({"error": {"message": json.dumps({"error": {"message": WORDS, "code": 400}})}}, 400),
    "detail": _json({"detail": WORDS}, 502),
    "detail-list": _json({"detail": [{"loc": ["body", "n"], "msg": WORDS, "type": "missing"}]}, 502),
    "message-and-code": _json({"code": 400, "message": WORDS}, 400),
    "object-error": _json({"object": "error", "message": WORDS, "type": "BadRequestError", "code": 400}, 400),
    "anthropic": _json({"type": "error", "error": {"type": "overloaded_error", "message": WORDS}}, 503),
    "aws": _json({"__type": "com.amazon#ThrottlingException", "message": WORDS}, 429),
    "google": _json([{"error": {"code": 400, "message": WORDS, "status": "INVALID_ARGUMENT"}}], 400),
    "minimax": _json({"base_resp": {"status_code": 1002, "status_msg": WORDS}, "choices": None}, 429),
    "success-false": _json({"success": False, "message": WORDS}, 502),
    "json-string": _json(WORDS, 502),
    "page": Form(f"<html><title>{WORDS}</title></html>".encode(), 502, "text/html"),
    "text": Form(WORDS.encode(), 502, "text/plain"),
}
