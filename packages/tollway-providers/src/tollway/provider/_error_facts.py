"""What an upstream's error says to programs (status, code, type, param, details), from JSON of any shape."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from ._error_words import embedded

_INNER = ("error", "errors", "detail", "fault", "Error", "base_resp", "message")
"""Keys under which the error proper may be, as an object, in a list, or as JSON in text."""

_STATUS_KEYS = (
    *("code", "status", "status_code", "statusCode", "http_status", "httpStatus", "http_code"),
    *("error_code", "errorCode"),
)
_CODE_KEYS = ("code", "error_code", "errorCode", "Code", "__type", "status")
_NOT_DETAILS = frozenset(
    {
        *(
            "message",
            "msg",
            "type",
            "param",
            "code",
            "error",
            "errors",
            "detail",
            "status",
            "object",
            "Message",
        ),
        *("id", "created", "model", "choices", "data", "usage", "error_code", "error_message", "success"),
        *("stack", "stack_trace", "stackTrace", "stacktrace", "trace", "traceback", "debug", "loc"),
    }
)
"""Fields of an error object that have a place of their own, or are no business of a caller."""

_SAYS_NOTHING = frozenset({"error", "fail", "failed", "failure", "false", "object", "none", "null"})
_CODE = re.compile(r"[a-zA-Z][\w.-]{0,63}", re.ASCII)
_MAX_PARAM_CHARS = 1000
_MAX_DETAILS_BYTES = 8 * 1024
_MAX_LAYERS = 6

_MINIMAX = {
    **{1001: 504, 1002: 429, 1004: 401, 1008: 402, 1013: 500, 1024: 500, 1026: 400, 1027: 400, 1033: 500},
    **{1039: 429, 1041: 429, 1042: 400, 2013: 400, 2045: 429, 2049: 401, 2056: 429},
}
"""https://platform.minimax.io/docs/api-reference/errorcode: `base_resp.status_code` as an HTTP status."""


@dataclass(frozen=True, slots=True)
class ErrorFacts:
    """What an error's JSON says; None or empty where it says nothing.

    `status` is a number from 400 to 599 that stands in the JSON. `words` are all words for programs in it,
    also those that are no `code` or `type`.
    """

    status: int | None = None
    code: str | None = None
    type: str | None = None
    param: str | None = None
    words: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


def facts_of(body: Any) -> ErrorFacts:
    """Read an error's JSON; total: any JSON gives an answer."""
    layers = list(_layers(body))[::-1]  # the innermost is the most exact
    codes = [word for layer in layers for key in _CODE_KEYS if (word := _word(layer.get(key)))]
    types = [word for layer in layers if "loc" not in layer and (word := _word(layer.get("type")))]
    params = (layer.get("param") for layer in layers)
    return ErrorFacts(
        status=next((status for layer in layers if (status := _status(layer))), None),
        code=codes[0] if codes else None,
        type=types[0] if types else None,
        param=next((p for p in params if isinstance(p, str) and 0 < len(p) <= _MAX_PARAM_CHARS), None),
        words=(*codes, *types, *(word for layer in layers if (word := _inner_code(layer)))),
        details=_details(layers),
    )


def _layers(body: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects that an error is wrapped in, the outermost first."""
    for _ in range(_MAX_LAYERS):
        if isinstance(body, str):
            body = embedded(body)
        if isinstance(body, list):
            body = body[0] if body else None
        if not isinstance(body, dict):
            return
        yield body
        inner = (body.get(key) for key in _INNER)
        body = next((value for value in inner if _may_hold_more(value)), None)


def _may_hold_more(value: Any) -> bool:
    return (isinstance(value, dict | list) and bool(value)) or (
        isinstance(value, str) and embedded(value) is not None
    )


def _status(layer: dict[str, Any]) -> int | None:
    if isinstance(minimax := layer.get("status_code"), int) and minimax in _MINIMAX and "status_msg" in layer:
        return _MINIMAX[minimax]
    for key in _STATUS_KEYS:
        value = layer.get(key)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
            value = int(value)
        if isinstance(value, int) and 400 <= value < 600:
            return value
    return None


def _word(value: Any) -> str | None:
    """Return a word that a program may act on, such as `context_length_exceeded`."""
    if not isinstance(value, str):
        return None
    word = value.rpartition("#")[2].partition(":")[0]  # AWS: `prefix#ThrottlingException:url`
    return word if _CODE.fullmatch(word) and word.lower() not in _SAYS_NOTHING else None


def _inner_code(layer: dict[str, Any]) -> str | None:
    """Return Azure's more exact code, or a word for OpenRouter's report of a moderation."""
    inner, metadata = layer.get("innererror"), layer.get("metadata")
    if isinstance(inner, dict):
        return "content_filter" if "content_filter_result" in inner else _word(inner.get("code"))
    return "moderation" if isinstance(metadata, dict) and "flagged_input" in metadata else None


def _details(layers: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the other fields of the error object, as far as they are small."""
    for layer in layers:
        found = {key: value for key, value in layer.items() if key not in _NOT_DETAILS and value is not None}
        if found and "loc" not in layer:
            return found if _is_small(found) else {}
    return {}


def _is_small(value: Any) -> bool:
    try:
        return len(orjson.dumps(value)) <= _MAX_DETAILS_BYTES
    except TypeError:  # nested deeper than it can be written
        return False
