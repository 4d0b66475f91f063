"""MLflow's language for finding traces: `trace.status = 'ERROR' AND tag.env LIKE 'p%'`.

https://mlflow.org/docs/latest/genai/tracing/search-traces/
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ._views import Span, Trace

Values = Callable[[Trace, str], list[Any]]
"""Returns what a field of a trace holds: several where any of them may match."""

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*")
    | (?P<number>-?\d+(?:\.\d+)?)(?![\w.])
    | (?P<sign>!=|<>|>=|<=|=|>|<|[(),])
    | (?P<word>`[^`]*+`|[A-Za-z_][\w\-]*+(?:\.(?:`[^`]*+`|[\w\-]++))*+)
    )""",
    re.VERBOSE,
)


class FilterError(ValueError):
    """A filter that cannot be read; the message says where, and what is possible there."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison."""

    scope: str
    field: str
    comparator: str
    wanted: Any

    def holds(self, trace: Trace) -> bool:
        """Return whether a trace meets it."""
        found = [value for value in _FIELDS[self.scope](trace, self.field) if value is not None]
        if self.comparator == "IS NULL":
            return not found
        if self.comparator == "IS NOT NULL":
            return bool(found)
        if self.comparator == "!=":
            return bool(found) and not any(_equal(value, self.wanted) for value in found)
        compare = _COMPARATORS[self.comparator]
        return any(_compared(compare, value, self.wanted) for value in found)


def parse(text: str | None) -> list[Condition]:
    """Return the conditions of a filter, which all must hold. Raises FilterError."""
    tokens = list(_tokens(text or ""))
    conditions: list[Condition] = []
    place = 0
    while place < len(tokens):
        if conditions:
            if tokens[place][1].upper() != "AND":
                raise FilterError(
                    f"expected AND before {tokens[place][1]!r}: conditions are joined by AND only"
                )
            place += 1
        condition, place = _condition(tokens, place)
        conditions.append(condition)
    return conditions


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    place = 0
    while text[place:].strip():
        found = _TOKEN.match(text, place)
        if found is None:
            raise FilterError(f"cannot read {text[place:].strip()[:40]!r}: put texts in single quotes")
        place = found.end()
        kind = found.lastgroup or ""
        yield kind, found[kind]


def _condition(tokens: list[tuple[str, str]], place: int) -> tuple[Condition, int]:
    kind, name = _at(tokens, place, "a field, such as trace.status")
    if kind != "word":
        raise FilterError(f"expected a field, such as trace.status, not {name}")
    scope, field = _field(name)
    comparator, place = _comparator(tokens, place + 1)
    if comparator.startswith("IS"):
        return Condition(scope, field, comparator, None), place
    if comparator == "IN":
        values, place = _values(tokens, place)
        return Condition(scope, field, comparator, values), place
    kind, value = _at(tokens, place, f"a value after {name} {comparator}")
    if kind not in ("text", "number"):
        raise FilterError(
            f"expected a value after {name} {comparator}, not {value}: put texts in single quotes"
        )
    wanted = _text(value) if kind == "text" else json.loads(value)
    if comparator == "RLIKE":
        try:
            re.compile(wanted)
        except (re.error, TypeError) as error:
            raise FilterError(f"{value} is not a regular expression: {error}") from None
    return Condition(scope, field, comparator, wanted), place + 1


def _values(tokens: list[tuple[str, str]], place: int) -> tuple[list[Any], int]:
    """Read `('a', 'b')`."""
    found: list[Any] = []
    expected = "("
    while expected != ")" or tokens[place - 1][1] != ")":
        kind, value = _at(tokens, place, f"{expected!r} of a list, as in IN ('a', 'b')")
        if value not in ((",", ")") if found else ("(",)):
            raise FilterError(f"expected a list such as ('a', 'b') after IN, not {value}")
        place, expected = place + 1, ")"
        if value != ")":
            kind, value = _at(tokens, place, "a value of a list")
            if kind not in ("text", "number"):
                raise FilterError(f"expected a value of a list, not {value}: put texts in single quotes")
            found.append(_text(value) if kind == "text" else json.loads(value))
            place += 1
    return found, place


def _comparator(tokens: list[tuple[str, str]], place: int) -> tuple[str, int]:
    _, word = _at(tokens, place, "a comparator")
    word = word.upper()
    if word == "IS":
        following = [token[1].upper() for token in tokens[place + 1 : place + 3]]
        if following[:1] == ["NULL"]:
            return "IS NULL", place + 2
        if following == ["NOT", "NULL"]:
            return "IS NOT NULL", place + 3
    word = "!=" if word == "<>" else word
    if word not in _COMPARATORS and word != "!=":
        raise FilterError(
            f"{word} is not an operator: use {', '.join(('!=', *_COMPARATORS))}, IS NULL, IS NOT NULL"
        )
    return word, place + 1


def _at(tokens: list[tuple[str, str]], place: int, expected: str) -> tuple[str, str]:
    if place >= len(tokens):
        raise FilterError(f"the filter ends where {expected} is expected")
    return tokens[place]


def _text(quoted: str) -> str:
    mark = quoted[0]
    return quoted[1:-1].replace(mark * 2, mark).replace(f"\\{mark}", mark)


def _field(name: str) -> tuple[str, str]:
    scope, _, field = name.partition(".")
    scope = _SCOPES.get(scope.strip("`").lower(), "")
    if not scope or not field:
        known = ", ".join(("trace.status", "tag.NAME", "metadata.NAME", "span.name", "feedback.NAME"))
        if not field and name.lower() in _TRACE:
            return "trace", name.lower()
        raise FilterError(f"{name} is not a field: use {known} or expectation.NAME")
    field = field.replace("`", "")
    if scope == "trace" and field.lower() not in _TRACE:
        raise FilterError(f"a trace has no {field}: use {', '.join(_TRACE)}")
    if scope == "span" and field.lower() not in _SPAN and not field.startswith(("attributes.", "attribute.")):
        raise FilterError(f"a span has no {field}: use {', '.join(_SPAN)}, attributes.NAME")
    return scope, field if scope in ("tag", "metadata", "feedback", "expectation", "span") else field.lower()


_SCOPES = {
    "trace": "trace",
    "attribute": "trace",
    "attributes": "trace",
    "tag": "tag",
    "tags": "tag",
    "metadata": "metadata",
    "request_metadata": "metadata",
    "span": "span",
    "feedback": "feedback",
    "expectation": "expectation",
}


def _trace_text(trace: Trace) -> list[Any]:
    return [text for span in trace.data.spans for text in _content(span)]


def _content(span: Span) -> list[Any]:
    return [span.view.name, *map(str, span.view.attributes.values())]


_TRACE: Mapping[str, Callable[[Trace], list[Any]]] = {
    "status": lambda trace: [trace.info.state],
    "state": lambda trace: [trace.info.state],
    "timestamp_ms": lambda trace: [trace.info.request_time],
    "timestamp": lambda trace: [trace.info.request_time],
    "execution_time_ms": lambda trace: [trace.stored.duration_ms],
    "execution_time": lambda trace: [trace.stored.duration_ms],
    "name": lambda trace: [trace.stored.root_name],
    "client_request_id": lambda trace: [trace.info.client_request_id],
    "request_id": lambda trace: [trace.info.trace_id],
    "trace_id": lambda trace: [trace.info.trace_id],
    "text": _trace_text,
}

_SPAN: Mapping[str, Callable[[Span], list[Any]]] = {
    "name": lambda span: [span.view.name],
    "type": lambda span: [span.span_type],
    "status": lambda span: [span.status],
    "content": _content,
}


def _of_spans(trace: Trace, field: str) -> list[Any]:
    if (read := _SPAN.get(field.lower())) is not None:
        return [value for span in trace.data.spans for value in read(span)]
    key = field.partition(".")[2]
    return [span.get_attribute(key) for span in trace.data.spans]


def _said(kind: str) -> Values:
    def values(trace: Trace, name: str) -> list[Any]:
        said = [one.value for one in trace.info.assessments if one.kind == kind and one.name == name]
        return said[-1:]

    return values


_FIELDS: Mapping[str, Values] = {
    "trace": lambda trace, field: _TRACE[field](trace),
    "tag": lambda trace, field: [trace.info.tags.get(field)],
    "metadata": lambda trace, field: [trace.info.trace_metadata.get(field)],
    "span": _of_spans,
    "feedback": _said("feedback"),
    "expectation": _said("expectation"),
}


def _equal(found: Any, wanted: Any) -> bool:
    if isinstance(found, bool):
        return str(wanted).lower() in (str(found).lower(), str(int(found)))
    return bool(found == wanted or str(found) == str(wanted))


def _like(pattern: str) -> str:
    """Return SQL's pattern as a regular expression: `%` is any text, `_` any character."""
    return "".join({"%": ".*", "_": "."}.get(character, re.escape(character)) for character in pattern)


_COMPARATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": _equal,
    "IN": lambda found, wanted: any(_equal(found, one) for one in wanted),
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "LIKE": lambda found, wanted: re.fullmatch(_like(wanted), str(found), re.DOTALL) is not None,
    "ILIKE": lambda found, wanted: (
        re.fullmatch(_like(wanted), str(found), re.DOTALL | re.IGNORECASE) is not None
    ),
    "RLIKE": lambda found, wanted: re.search(wanted, str(found)) is not None,
}


def _compared(compare: Callable[[Any, Any], bool], found: Any, wanted: Any) -> bool:
    try:
        return compare(found, wanted)
    except TypeError:  # a text is neither more nor less than a number
        return False
