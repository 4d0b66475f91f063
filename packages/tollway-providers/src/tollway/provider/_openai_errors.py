"""Errors of a service that speaks OpenAI's dialect, or something like it; total: any body gives an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from ._error_classes import kind_of, status_of_words
from ._error_facts import ErrorFacts, facts_of
from ._error_signs import broken_choice, says_failed
from ._error_words import load, text_of, words_of
from ._openai_info import choices_of
from ._retry_after import retry_after_s
from ._values import UpstreamResponse
from .error_kinds import ErrorKind
from .errors import PredictionError, ProviderError, ResponseError, StreamError, UpstreamError

_CODES = {
    400: "invalid_request",
    402: "upstream_payment_required",
    408: "upstream_timeout",
    409: "upstream_conflict",
    413: "request_too_large",
    422: "invalid_request",
    429: "upstream_rate_limit",
    503: "upstream_unavailable",
    504: "upstream_timeout",
}
"""The code of an error that names none, by status."""

_KIND_CODES = {ErrorKind.CONTEXT_LENGTH: "context_length_exceeded"}
"""The code of an error that names none, by kind: clients shorten the conversation when they see it."""

_OURS = {
    401: ("upstream_authentication", "the model's service does not accept the gateway's key"),
    403: ("upstream_permission", "the gateway's key may not use this model"),
    404: ("upstream_not_found", "the model's service does not know this model or address"),
    405: ("upstream_not_found", "the model's service takes no requests at this address"),
    407: ("upstream_authentication", "a proxy before the model's service does not accept the gateway"),
    421: ("upstream_not_found", "the model's service is not at this address"),
    426: ("upstream_error", "the model's service wants another version of HTTP"),
}
"""Statuses that speak of the gateway's own configuration: the caller cannot fix it, and gets a 502."""

_PASSED_5XX = (503, 504)
_OVERLOADED = 529
"""Anthropic's status for "overloaded", which others have taken up: a 503 to the rest of the world."""

Redact = Callable[[str], str]
"""Hides the secrets in a text."""

_E = TypeVar("_E", ResponseError, StreamError, PredictionError)


def error_of_response(
    response: UpstreamResponse, redact: Redact, now_s: Callable[[], float]
) -> UpstreamError:
    """Read an answer whose status is not 2xx; `now_s` is Unix time, for a `Retry-After` that is a date."""
    body = load(response.body)
    said = words_of(body) if body is not None else text_of(response.body)
    error = upstream_error(response.status, said, facts_of(body), redact)
    error.retry_after_s = retry_after_s(response.headers, now_s)
    return error


def error_in_answer(
    body: Any, redact: Redact, unknown: type[_E], otherwise: str, code: str = UpstreamError.code
) -> UpstreamError | _E:
    """Read an error that came under a status of 200: it has the status that it says.

    One that says none is an `unknown`, with the status of that class; `otherwise` are the words of one that
    has none, `code` is the code of one that names none.
    """
    body = _error_of_choices(body) or body
    said, facts = words_of(body), facts_of(body)
    status = facts.status or status_of_words(facts.words, said)
    if status is not None:
        return upstream_error(status, said, facts, redact)
    code = redact(facts.code) if facts.code else code
    return _with_details(unknown(redact(said) or otherwise, code=code), facts, redact)


def upstream_error(status: int, said: str, facts: ErrorFacts, redact: Redact) -> UpstreamError:
    """Make the error of an upstream's HTTP status, what it `said`, and what its JSON says to programs."""
    kind = kind_of(status, facts.words, said)
    said = redact(said)
    if status in _OURS and kind is ErrorKind.NEVER:
        code, ours = _OURS[status]
        return UpstreamError(
            f"{ours}: {said}" if said else ours, upstream_status=status, code=code, kind=kind
        )
    passed = 400 <= status < 500 or status in _PASSED_5XX
    shown = status if passed else 503 if status == _OVERLOADED else 502
    error = UpstreamError(
        said or f"the model's service answered {_name(status)}",
        upstream_status=status,
        status=shown,
        code=redact(facts.code)
        if facts.code
        else _KIND_CODES.get(kind) or _CODES.get(shown, UpstreamError.code),
        param=redact(facts.param) if facts.param else None,
        kind=kind,
    )
    return _with_details(error, facts, redact)


_P = TypeVar("_P", bound=ProviderError)


def _with_details(error: _P, facts: ErrorFacts, redact: Redact) -> _P:
    error.type = redact(facts.type) if facts.type else None
    error.details = {redact(key): _redacted(value, redact) for key, value in facts.details.items()}
    return error


def _redacted(value: Any, redact: Redact) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(key): _redacted(inner, redact) for key, inner in value.items()}
    return [_redacted(inner, redact) for inner in value] if isinstance(value, list) else value


def _error_of_choices(body: Any) -> Any:
    """Return the error of the first choice that broke off; None if none did, or the body has its own."""
    if not isinstance(body, dict) or says_failed(body.get("error")):
        return None
    choice = next((choice for choice in choices_of(body) if broken_choice(choice)), None)
    if choice is None:
        return None
    reason = choice.get("finish_reason")
    message = f"the model's service broke the answer off with {reason!r}"
    return {"error": choice.get("error") or {"code": reason, "message": message}}


def _name(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
