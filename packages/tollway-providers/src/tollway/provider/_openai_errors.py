"""Errors of a service that speaks OpenAI's dialect, or something like it; total: any body gives an error."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import orjson

from ._secrets import Redactor
from ._values import UpstreamResponse
from .errors import ProviderError, StreamError, UpstreamError

_KEPT = {
    400: "invalid_request",
    408: "upstream_timeout",
    409: "upstream_conflict",
    413: "request_too_large",
    422: "invalid_request",
    429: "upstream_rate_limit",
    503: "upstream_unavailable",
    504: "upstream_timeout",
}
"""Statuses that mean to the caller what they meant to the gateway, with the code of those that name none."""

_OURS = {
    401: ("upstream_authentication", "the model's service does not accept the gateway's key"),
    403: ("upstream_permission", "the gateway's key may not use this model"),
    404: ("upstream_not_found", "the model's service does not know this model or address"),
}
"""Statuses that speak of the gateway's own configuration: the caller cannot mend it, and gets a 502."""

_OVERLOADED = 529
"""Anthropic's status for "overloaded", which others have taken up: a 503 to the rest of the world."""

_MAX_MESSAGE_CHARS = 1000
_MAX_RETRY_AFTER_S = 7 * 24 * 3600.0
_CODE = re.compile(r"[a-zA-Z][\w.-]{0,63}")
_TAGS = re.compile(r"(?is)<(script|style|head)\b.*?</\1\s*>|<[^>]*>")
_TITLE = re.compile(r"(?is)<title[^>]*>(.*?)</title>")


def error_of_response(
    response: UpstreamResponse, redact: Redactor, now_s: Callable[[], float]
) -> UpstreamError:
    """Read an answer whose status is not 2xx; `now_s` is Unix time, for a `Retry-After` that is a date."""
    body = load(response.body)
    said = redact(words_of(body) if body is not None else _text_of(response.body))
    error = _error(response.status, said, body, redact)
    error.retry_after_s = _retry_after_s(response.headers, now_s)
    return error


def error_of_event(chunk: dict[str, Any], redact: Redactor) -> ProviderError:
    """Read an error that came inside a stream; one that carries an HTTP status is judged by it."""
    said = redact(words_of(chunk))
    error = chunk.get("error")
    for holder in (error, chunk):
        for key in ("code", "status", "status_code"):
            status = holder.get(key) if isinstance(holder, dict) else None
            if isinstance(status, int) and 400 <= status < 600:
                return _error(status, said, chunk, redact)
    return StreamError(said or "the model's service reported an error in mid-answer", code="upstream_error")


def words_of(body: Any, depth: int = 5) -> str:
    """Return what an error's JSON says to people, in whichever of the usual places; empty if nothing."""
    if isinstance(body, str):
        return _shorten(body)
    if not depth:
        return ""
    if isinstance(body, list):
        return _shorten("; ".join(filter(None, (words_of(item, depth - 1) for item in body[:8]))))
    if not isinstance(body, dict):
        return ""
    for key in ("error", "message", "detail", "errors", "msg", "error_description"):
        said = words_of(body.get(key), depth - 1)
        if said:
            return _located(said, body.get("loc"))
    return ""


def load(body: bytes) -> Any:
    """Parse JSON; None when it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _error(status: int, said: str, body: Any, redact: Redactor) -> UpstreamError:
    phrase = said or f"the model's service answered {_name(status)}"
    if status in _KEPT:
        code, param = _word(body, "code"), _word(body, "param")
        return UpstreamError(
            phrase,
            upstream_status=status,
            status=status,
            code=redact(code) if code and _CODE.fullmatch(code) else _KEPT[status],
            param=redact(param) if param else None,
        )
    if status in _OURS:
        code, ours = _OURS[status]
        return UpstreamError(f"{ours}: {said}" if said else ours, upstream_status=status, code=code)
    if status == _OVERLOADED:
        return UpstreamError(phrase, upstream_status=status, status=503, code=_KEPT[503])
    return UpstreamError(phrase, upstream_status=status)


def _word(body: Any, key: str) -> str | None:
    """Return a word of the upstream's that a program may act on, such as `context_length_exceeded`."""
    error = body.get("error") if isinstance(body, dict) else None
    value = error.get(key) if isinstance(error, dict) else None
    return value if isinstance(value, str) and len(value) <= _MAX_MESSAGE_CHARS else None


def _name(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _located(said: str, location: Any) -> str:
    """Put the place before what is wrong there, as FastAPI's validation errors have it."""
    return (
        _shorten(f"{'.'.join(map(str, location))}: {said}")
        if isinstance(location, list) and location
        else said
    )


def _text_of(body: bytes) -> str:
    text = body[: 64 * 1024].decode("utf-8", "replace")
    if "<" not in text:
        return _shorten(text)
    title = _TITLE.search(text)
    return _shorten(html.unescape(title.group(1) if title else _TAGS.sub(" ", text)))


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MAX_MESSAGE_CHARS else text[: _MAX_MESSAGE_CHARS - 1] + "…"


def _retry_after_s(headers: Mapping[str, str], now_s: Callable[[], float]) -> float | None:
    """Read `Retry-After` (RFC 9110 section 10.2.3), and the milliseconds that Azure adds beside it."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None:
        return _bounded(seconds)
    try:
        return _bounded(parsedate_to_datetime(value).timestamp() - now_s()) if value else None
    except (ValueError, OverflowError, TypeError, IndexError):  # all of them seen of odd dates
        return None


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _bounded(seconds: float) -> float:
    return min(max(0.0, seconds), _MAX_RETRY_AFTER_S)
