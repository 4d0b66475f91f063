"""Regular expressions take linear time, whatever text they are given.

Python's `re` goes back and tries again: two repeats in a row that can share characters, or one inside
another, take quadratic time on a text that does not fit in the end. Each pattern is looked at once parsed.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from re import _constants as ops  # type: ignore[attr-defined]  # private, and not in typeshed
from re import _parser as parser  # type: ignore[attr-defined]  # private, and not in typeshed
from typing import Any

import pytest

PACKAGES = Path(__file__).parents[2] / "packages"
SOURCES = [path for package in PACKAGES.iterdir() for path in sorted(package.glob("src/**/*.py"))]
SEARCHING = {"search", "sub", "subn", "findall", "finditer", "split"}
MANY = 512
"""From here on a repeat is as good as unbounded."""

CHARACTERS = [chr(code) for code in range(256)]


def module_of(path: Path) -> str:
    parts = path.relative_to(next(one for one in path.parents if one.name == "src")).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def written_in(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield (function of `re`, pattern) where a source calls one with a pattern that it spells out."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        owner, pattern = node.func.value, node.args[0]
        if isinstance(owner, ast.Name) and owner.id == "re" and isinstance(pattern, ast.Constant):
            yield node.func.attr, pattern.value


def compiled_in(path: Path) -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Yield (name, pattern) of the patterns among a module's globals, also where a method of one is kept."""
    for name, value in vars(importlib.import_module(module_of(path))).items():
        owner = getattr(value, "__self__", None)
        if isinstance(value, re.Pattern):
            yield name, value
        elif isinstance(owner, re.Pattern):
            yield name, owner


def text_of(pattern: str | bytes) -> str:
    return pattern if isinstance(pattern, str) else pattern.decode("latin-1")


def characters_of(item: tuple[Any, Any], flags: int) -> frozenset[str]:
    """Return which of the first 256 characters one item that takes a single character may take."""
    matches = re.compile(_spelled(item), flags).fullmatch
    return frozenset(filter(matches, CHARACTERS))


def _spelled(item: tuple[Any, Any]) -> str:
    """Write an item of one character as a pattern again."""
    op, value = item
    if op is ops.LITERAL:
        return re.escape(chr(value))
    if op is ops.NOT_LITERAL:
        return f"[^{re.escape(chr(value))}]"
    if op is ops.ANY:
        return "."
    parts = []
    for kind, inside in value:
        if kind is ops.NEGATE:
            parts.append("^")
        elif kind is ops.RANGE:
            parts.append(f"{re.escape(chr(inside[0]))}-{re.escape(chr(inside[1]))}")
        elif kind is ops.CATEGORY:
            parts.append(_CATEGORIES[inside])
        else:
            parts.append(re.escape(chr(inside)))
    return f"[{''.join(parts)}]"


_CATEGORIES = {
    ops.CATEGORY_DIGIT: r"\d",
    ops.CATEGORY_NOT_DIGIT: r"\D",
    ops.CATEGORY_SPACE: r"\s",
    ops.CATEGORY_NOT_SPACE: r"\S",
    ops.CATEGORY_WORD: r"\w",
    ops.CATEGORY_NOT_WORD: r"\W",
}
_SINGLE = {ops.LITERAL, ops.NOT_LITERAL, ops.ANY, ops.IN}
_GOING_BACK = {ops.MAX_REPEAT, ops.MIN_REPEAT}

Step = tuple[str, frozenset[str]]
"""`once`, `maybe` or `repeat`, and the characters that it may take."""


def ways_of(sequence: Any, flags: int) -> list[list[Step]]:
    """Return what a sequence may be, step by step: one way for each of its alternatives."""
    ways: list[list[Step]] = [[]]
    for item in sequence:
        ways = [way + more for way in ways for more in _ways_of_item(item, flags)]
    return ways


def _ways_of_item(item: tuple[Any, Any], flags: int) -> list[list[Step]]:
    op, value = item
    if op in _SINGLE:
        return [[("once", characters_of(item, flags))]]
    if op is ops.SUBPATTERN:
        return ways_of(value[3], flags)
    if op is ops.BRANCH:
        return [way for branch in value[1] for way in ways_of(branch, flags)]
    if op in _GOING_BACK:
        least, most, inside = value
        ways = ways_of(inside, flags)
        if most < MANY:
            return ([[]] if least == 0 else []) + [way * max(1, least) for way in ways]
        for way in ways:
            assert not any(kind == "repeat" for kind, _ in way), "a repeat inside a repeat"
        return [[("repeat", frozenset().union(*(taken for way in ways for _, taken in way)))]]
    return [[]]  # anchors, looks around, and what gives nothing back


def _looks_behind(items: Any) -> bool:
    """Say whether the character before a match decides where one may begin: not at each of a repeat's."""
    return len(items) > 0 and items[0][0] in (ops.ASSERT, ops.ASSERT_NOT) and items[0][1][0] < 0


def trouble_of(pattern: str | bytes, flags: int, *, searches: bool) -> str | None:
    """Say what makes a pattern take more than linear time; None where nothing does."""
    flags &= re.IGNORECASE | re.DOTALL
    items = parser.parse(text_of(pattern), flags)
    searches = searches and not _looks_behind(items)
    for way in ways_of(items, flags):
        for at, (kind, taken) in enumerate(way):
            if kind != "repeat":
                continue
            if at == 0 and searches:
                return "it is searched for, and begins with a repeat"
            for following, others in way[at + 1 :]:
                if not taken & others:
                    break
                if following == "repeat":
                    return "two repeats can share characters"
    return None


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_expressions_take_linear_time(path: Path):
    source = path.read_text()
    if "import re\n" not in source:
        return
    for function, pattern in written_in(path):
        assert trouble_of(pattern, 0, searches=function in SEARCHING) is None, pattern
    searched = set(re.findall(r"(\w+)\.(?:search|sub|subn|findall|finditer|split)\(", source))
    for name, compiled in compiled_in(path):
        trouble = trouble_of(compiled.pattern, compiled.flags, searches=name in searched)
        assert trouble is None, compiled.pattern


@pytest.mark.parametrize(
    ("pattern", "searches"),
    [
        (r"//([^/?#]*)([^#]*)", False),
        (r"a*(?:b|a*)c", False),
        (r"(?:a+b?)+c", False),
        (r"\s*,?\s*x", False),
        (r"\d+\.?\d*", False),
        (r"<[^>]*[a-z]*>", False),
        (r"\s+$", True),
        (rb"a{0,600}a{0,600}b", False),
    ],
)
def test_what_goes_back_is_found(pattern: str | bytes, searches: bool):
    """The look at a pattern is itself looked at."""
    try:
        found = trouble_of(pattern, 0, searches=searches)
    except AssertionError as error:
        found = str(error)
    assert found


@pytest.mark.parametrize(
    "pattern", [r"//([^/?#]*+)([^#]*+)", r"[ \t]*;[^\n]*", r"a*b", r"(?:a|b)*c", r"\d+(?:\.\d+)?"]
)
def test_what_is_linear_is_let_through(pattern: str):
    assert trouble_of(pattern, 0, searches=False) is None
