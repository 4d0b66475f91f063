"""Errors as callers read them: each API has a shape for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from tollway.gateway.errors import Failure
from tollway.provider import sse

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    429: "rate_limit_error",
    504: "timeout_error",
}
"""OpenAI's `error.type` by status; the others are `invalid_request_error` or `server_error`."""

_ANTHROPIC_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""https://platform.claude.com/docs/en/api/errors."""


class ErrorShape:
    """Writes a failure as a JSON body, and as the last event of a stream that has begun."""

    def __init__(self, fields: Callable[[Failure], dict[str, Any]], event_name: bytes = b"") -> None:
        self._fields = fields
        self._event_name = event_name

    def __call__(self, failure: Failure) -> bytes:
        """Return the body of an answer."""
        return orjson.dumps(self._fields(failure))

    def event(self, failure: Failure) -> bytes:
        """Return the event of a stream."""
        return sse.event(self(failure), self._event_name)


def _openai(failure: Failure) -> dict[str, Any]:
    default = "server_error" if failure.status >= 500 else "invalid_request_error"
    return {
        **failure.details,
        "message": failure.message,
        "type": failure.type or _TYPES.get(failure.status, default),
        "param": failure.param,
        "code": failure.code,
    }


def _anthropic(failure: Failure) -> dict[str, Any]:
    default = "api_error" if failure.status >= 500 else "invalid_request_error"
    named = {"param": failure.param} if failure.param else {}
    return {
        **failure.details,
        "type": failure.type or _ANTHROPIC_TYPES.get(failure.status, default),
        "message": failure.message,
        "code": failure.code,
        **named,
    }


openai_shape = ErrorShape(lambda failure: {"error": _openai(failure)})
"""`{"error": {message, type, param, code}}`."""

mlflow_shape = ErrorShape(lambda failure: {"detail": failure.message, "error": _openai(failure)})
"""The same with the `detail` that MLflow's clients read."""

anthropic_shape = ErrorShape(lambda failure: {"type": "error", "error": _anthropic(failure)}, b"error")
"""`{"type": "error", "error": {type, message}}`, and the code that OpenAI's has."""

responses_shape = ErrorShape(lambda failure: {"type": "error", "error": _openai(failure)}, b"error")
