"""Queries as people type them: `service:shop status:error duration:>1s model:gpt-4 "refund"`.

One parser for the pages and the command line. Words are separated by spaces; `key:value` filters, everything
else is looked for in names, attributes, events and messages. Quotes keep spaces together: `name:"GET /"`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from difflib import get_close_matches
from typing import Any, NamedTuple

from tollway.tracing.summary import MAX_NS, NS_PER_S, TRACE_STATUSES, trace_status

from .query import Query

__all__ = ["KEYS", "QueryError", "parse", "seconds_of"]

_KEY = re.compile(r"[a-z_]+(?:\.[^\s:\"]+)?")

_LENGTH = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)([a-zµ]{1,3})")

_UNITS_S = {
    **{"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0},
    **{"h": 3600.0, "d": 86_400.0, "w": 604_800.0},
}

_LONGEST_S = 1e10
"""Three centuries: neither ages nor durations are longer."""

_DURATION_HINT = "write duration:>1s, duration:<=20ms, duration:1s..2s or duration:1s.."
_TIME_HINT = "write 1h, 2d, 2026-11-25 or 2026-11-25T08:30:00Z"


class QueryError(ValueError):
    """A query that cannot be read: what is wrong, where, and how to fix it."""

    def __init__(self, message: str, position: int, hint: str) -> None:
        super().__init__(f"{message}, at character {position + 1}: {hint}")
        self.message = message
        self.position = position
        """Of the word's first character, from 0."""
        self.hint = hint


class _Term(NamedTuple):
    key: str
    value: str
    position: int


@dataclass
class _Read:
    """What was read so far."""

    now_ns: int
    fields: dict[str, Any] = field(default_factory=dict)
    attribute: dict[str, str] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)

    def put(self, name: str, value: Any, term: _Term) -> None:
        """Take a filter that can be given once."""
        if name in self.fields:
            raise QueryError(f"{term.key}: is given twice", term.position, "leave one of them out")
        self.fields[name] = value


def parse(text: str, *, now_ns: int, query: Query | None = None) -> Query:
    """Return the query of a text; what the text does not say is as in `query`.

    now_ns: Unix time, for ages such as `since:1h`. Raises QueryError.
    """
    read = _Read(now_ns)
    for term in _terms(text):
        if not term.key:
            read.text.append(term.value)
        elif term.key.startswith("attr."):
            read.attribute[term.key[5:]] = term.value
        else:
            _reader_of(term)(read, term)
    if read.text:
        read.fields["text"] = " ".join(read.text)
    query = query or Query()
    attribute = {**query.attribute, **read.attribute}
    return replace(query, attribute=attribute, **read.fields)


def seconds_of(text: str) -> float | None:
    """Return a length of time in seconds: `20ms`, `1.5s`, `2h`, `7d`; None for a text that is none."""
    match = _LENGTH.fullmatch(text)
    unit_s = _UNITS_S.get(match[2]) if match else None
    seconds = math.inf if match is None or unit_s is None else float(match[1]) * unit_s
    return seconds if seconds <= _LONGEST_S else None


def _terms(text: str) -> Iterator[_Term]:
    for word, colon, position in _split(text):
        key, value = word[:colon], word[colon + 1 :]
        if colon < 0 or not _KEY.fullmatch(key):
            yield _Term("", word, position)
        elif value:
            yield _Term(key, value, position)
        else:
            raise QueryError(f"{key}: has no value", position, f"write {key}:VALUE without a space")


def _split(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield each word without its quotes, the place of its first colon outside of them (or -1), and its
    position. Between quotes spaces do not end a word, and a backslash takes the next character as it is.
    """
    word: list[str] = []
    colon, begun, is_quoted, is_escaped = -1, -1, False, False
    for at, one in enumerate(f"{text} "):
        if one.isspace() and not is_quoted:
            if begun >= 0:
                yield "".join(word), colon, begun
            word, colon, begun = [], -1, -1
            continue
        begun = at if begun < 0 else begun
        if is_escaped or one not in '"\\' or (one == "\\" and not is_quoted):
            if one == ":" and colon < 0 and not is_quoted:
                colon = len(word)
            word.append(one)
            is_escaped = False
        elif one == '"':
            is_quoted = not is_quoted
        else:
            is_escaped = True
    if is_quoted:
        raise QueryError("a quote is not closed", begun, 'end the text with "')


def _reader_of(term: _Term) -> Callable[[_Read, _Term], None]:
    reader = _READERS.get(term.key)
    if reader is None:
        near = get_close_matches(term.key, _READERS, 1)
        hint = f"did you mean {near[0]}:?" if near else f"use one of {', '.join(KEYS)}"
        quoted = f'; to look for the text, quote it: "{term.key}:{term.value}"'
        raise QueryError(f"there is no filter {term.key!r}", term.position, hint + quoted)
    return reader


def _as_it_is(name: str) -> Callable[[_Read, _Term], None]:
    return lambda read, term: read.put(name, term.value, term)


def _status(read: _Read, term: _Term) -> None:
    status = trace_status(term.value.upper())
    if status not in TRACE_STATUSES:
        raise QueryError(f"{term.value!r} is not a status", term.position, "write status:ok or status:error")
    read.put("status", status, term)


def _duration(read: _Read, term: _Term) -> None:
    value = term.value
    if ".." in value:
        least, _, most = value.partition("..")
        if least or not most:
            read.put("min_duration_ns", _length_ns(least, term), term)
        if most:
            read.put("max_duration_ns", _length_ns(most, term), term)
    elif value[0] == ">":
        read.put("min_duration_ns", _length_ns(value.lstrip(">="), term), term)
    elif value[0] == "<":
        read.put("max_duration_ns", _length_ns(value.lstrip("<="), term), term)
    else:
        raise QueryError("a duration needs a bound", term.position, _DURATION_HINT)


def _length_ns(text: str, term: _Term) -> int:
    seconds = seconds_of(text)
    if seconds is None:
        raise QueryError(f"{text!r} is not a duration", term.position, _DURATION_HINT)
    return min(round(seconds * NS_PER_S), MAX_NS)


def _since(read: _Read, term: _Term) -> None:
    read.put("since_ns", _moment_ns(read, term), term)


def _until(read: _Read, term: _Term) -> None:
    read.put("until_ns", _moment_ns(read, term), term)


def _moment_ns(read: _Read, term: _Term) -> int:
    """Return Unix nanoseconds of an age or an ISO time, which is local where it does not say otherwise."""
    age_s = seconds_of(term.value)
    if age_s is not None:
        return max(0, read.now_ns - round(age_s * NS_PER_S))
    try:
        moment = datetime.fromisoformat(term.value).astimezone()
        return max(0, round(moment.timestamp() * 1_000_000) * 1_000)
    except (ValueError, OverflowError):
        raise QueryError(f"{term.value!r} is not a time", term.position, _TIME_HINT) from None


_READERS: Mapping[str, Callable[[_Read, _Term], None]] = {
    "service": _as_it_is("service"),
    "endpoint": _as_it_is("endpoint"),
    "model": _as_it_is("model"),
    "status": _status,
    "duration": _duration,
    "since": _since,
    "until": _until,
    "session": _as_it_is("session"),
    "user": _as_it_is("user"),
    "key": _as_it_is("key"),
    "kept": _as_it_is("kept_because"),
    "name": _as_it_is("name"),
}

KEYS = (*_READERS, "attr.NAME")
"""The filters that there are."""
