"""Errors that callers are told; `apis.shapes` writes them as each API does.

    RequestRejected    the gateway itself rejects a request, before any model is asked
    CallerGone         the caller hung up: nobody is left to answer

Everything that goes wrong with a model is a `ProviderError` of the provider contract.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from tollway.gateway.redaction import KNOWN_SECRETS
from tollway.provider import ProviderError


class CallerGone(Exception):  # noqa: N818 - it is news, not an error
    """The caller hung up: nobody is left to answer."""


class RequestRejected(Exception):  # noqa: N818 - an answer to the caller, not a fault of the gateway
    r"""A request that gets a 4xx or a 503 from the gateway itself.

    `param` is the key at fault, `details` are further fields of the error; `header_lines` go with the answer,
    each ended by `\r\n`.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        header_lines: bytes = b"",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.failure = Failure(status, code, message, param, header_lines, details=details or {})


@dataclass(frozen=True, slots=True)
class Failure:
    """What a caller is told: never a secret, never an internal.

    `type` and `details` are what an upstream said beside code and message; see `ProviderError`.
    """

    status: int
    code: str
    message: str
    param: str | None = None
    header_lines: bytes = b""
    type: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


INTERNAL = Failure(500, "internal_error", "the gateway failed; its log says why")

STOPPING = Failure(503, "shutting_down", "the gateway is stopping; ask again")


def too_large(max_bytes: int) -> RequestRejected:
    """Return why a body of more bytes is refused."""
    return RequestRejected(413, "request_too_large", f"the body is larger than {max_bytes} bytes")


def overloaded() -> RequestRejected:
    """Return why a request is refused for which there is no memory left."""
    message = "the requests in flight hold all the memory that server.max_buffered_bytes allows; ask again"
    return RequestRejected(503, "gateway_overloaded", message, header_lines=b"retry-after: 1\r\n")


_NO_RETRY = b"x-should-retry: false\r\n"
"""Obeyed by OpenAI's and Anthropic's clients, which otherwise repeat every 5xx twice."""


def failure_of(error: RequestRejected | ProviderError) -> Failure:
    """Return what the caller is told of an error."""
    if isinstance(error, RequestRejected):
        return error.failure
    lines = b"" if error.kind.caller_may_repeat else _NO_RETRY
    if error.retry_after_s is not None:
        lines += b"retry-after: %d\r\n" % max(0, math.ceil(error.retry_after_s))
    message = KNOWN_SECRETS.hide(error.message)
    failure = Failure(error.status, error.code, message, error.param, lines, error.type, error.details)
    return failure if _can_be_sent(failure) else _sendable(failure)


def _can_be_sent(failure: Failure) -> bool:
    """Say whether an error is one: a plugin may put anything into its own."""
    if not (isinstance(failure.status, int) and 400 <= failure.status <= 599):
        return False
    try:
        orjson.dumps([failure.message, failure.type, failure.param, failure.code, {**failure.details}])
    except (TypeError, ValueError):
        return False
    return True


def _sendable(failure: Failure) -> Failure:
    """Return what can be told of an error that is none: its words, under a status of ours if it has none."""
    is_status = isinstance(failure.status, int) and 400 <= failure.status <= 599
    return Failure(
        failure.status if is_status else ProviderError.status,
        _text(failure.code) or ProviderError.code,
        _text(failure.message) or "the model failed",
        _text(failure.param),
        failure.header_lines,
        _text(failure.type),
    )


def _text(value: object) -> str | None:
    """Return a text as JSON can have it; None for anything else."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else None
