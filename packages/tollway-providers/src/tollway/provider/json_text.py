"""JSON whose bytes matter: read without losing a digit, and changed by splicing, not by writing it anew.

orjson is strict and fast: it refuses NaN and halves of surrogate pairs, and takes integers beyond 64 bits for
floats. What callers and services send is read by Python's own parser where orjson would not do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from json.decoder import scanstring  # type: ignore[attr-defined]  # public, and not in typeshed
from typing import Any

import orjson

from .scanned import places_of

_LONG_NUMBER = re.compile(rb"(?:^|[:\[,\s-])\d{19}")
"""How an integer begins that may be beyond 64 bits."""

_SPACE = re.compile(r"[ \t\r\n]*")

# What has been parsed once is valid: only the ends of values are wanted, and no number has to be made.
_SCAN = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str).scan_once  # type: ignore[attr-defined]  # likewise


class TooDeepError(ValueError):
    """A value is nested too deep to be looked through."""


def loads(data: bytes) -> Any:
    """Parse JSON as the official clients do, which take NaN, a lone surrogate, a byte order mark.

    Integers keep all their digits. A byte that is no UTF-8 becomes U+FFFD.

    Raises:
        ValueError: it is not JSON.
    """
    if not _LONG_NUMBER.search(data):
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError:
            pass
    try:
        return json.loads(data.decode("utf-8-sig", "replace"))
    except RecursionError as error:
        raise TooDeepError("nested too deep") from error


def dumps(value: Any) -> bytes:
    """Write JSON without white space; what orjson refuses (a lone surrogate, a long integer) is written too.

    Raises:
        RecursionError, TypeError: it is nested too deep.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()


def members(body: bytes) -> Iterator[tuple[str, int, int]]:
    """Yield the keys of a valid JSON object with the places in which their values begin and end.

    A key that stands there twice is yielded twice.

    Raises:
        TooDeepError: a value is nested too deep.
    """
    text = body.decode("latin-1")  # one character a byte
    at = _after_space(text, text.index("{") + 1)
    while text[at] != "}":
        key, at = scanstring(text, at + 1, False)
        start = _after_space(text, _after_space(text, at) + 1)
        try:
            _, end = _SCAN(text, start)
        except RecursionError as error:
            raise TooDeepError("nested too deep") from error
        yield key, start, end
        at = _after_space(text, end)
        if text[at] == ",":
            at = _after_space(text, at + 1)


def spliced(body: bytes, payload: Mapping[str, Any], changes: Mapping[str, Any]) -> bytes:
    """Return a JSON object with the values of some keys changed, and every other byte as it came.

    `payload` is the body, parsed. A key that is not there is put before the others.

    Raises:
        TooDeepError: the body is nested too deep to find them.
    """
    known = places_of(payload, body)
    if known is not None:
        found = sorted((*known[key][:2], key) for key in changes if key in known)
    else:
        places = [] if payload.keys().isdisjoint(changes) else list(members(body))
        found = sorted((start, end, key) for key, start, end in places if key in changes)
    pieces: list[bytes | memoryview] = []
    at = 0
    added = {key: value for key, value in changes.items() if key not in payload}
    if added:
        pieces += dumps(added)[:-1], b"," if payload else b""
        at = body.index(b"{") + 1
    whole = memoryview(body)  # its parts are no copies
    for start, end, key in found:
        pieces += whole[at:start], dumps(changes[key])
        at = end
    return b"".join((*pieces, whole[at:]))


def without_key(body: bytes, key: str) -> bytes:
    """Return a JSON object without a key; every other key and value is written as it came.

    Raises:
        TooDeepError: the body is nested too deep to find it.
    """
    kept = []
    at = body.index(b"{") + 1
    for name, _, end in members(body):
        if name != key:
            kept.append(body[at:end].lstrip(b" \t\r\n,"))
        at = end
    return b"{" + b",".join(kept) + b"}"


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()
