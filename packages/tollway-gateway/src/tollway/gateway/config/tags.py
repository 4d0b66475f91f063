"""What a YAML node may be taken for: text, a number, true or false, nothing, a list, a mapping.

Everything else that YAML can name (`!!python/object`, `!!binary`, `!!set`, a tag of one's own) is refused: it
would be read as something else than it says. Messages have `shown` for the node: it may hold a secret.
"""

from __future__ import annotations

from typing import Any

import yaml
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.resolver import Resolver

from .problems import InvalidValue

_YAML = "tag:yaml.org,2002:"

MERGE = f"{_YAML}merge"

_NULL = f"{_YAML}null"
_AS_WRITTEN = (f"{_YAML}str", f"{_YAML}timestamp")
"""Scalars that stay text: what YAML takes for a date is an API version here."""

_NUMBERS = (f"{_YAML}int", f"{_YAML}float")

_TAGS: dict[type[yaml.Node], frozenset[str]] = {
    yaml.ScalarNode: frozenset({*_AS_WRITTEN, *_NUMBERS, _NULL, f"{_YAML}bool"}),
    yaml.MappingNode: frozenset({f"{_YAML}map"}),
    yaml.SequenceNode: frozenset({f"{_YAML}seq"}),
}

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})

_LARGEST = 2**64 - 1
"""The largest whole number; JSON readers and clocks know no larger one."""

_LONGEST_NUMBER = 400
"""Characters of a number that is read at all."""

_resolver: Any = Resolver()


def is_plain(node: yaml.Node) -> bool:
    """Return whether a node is what its form says: neither its tag nor YAML makes anything else of it."""
    return node.tag in _TAGS[type(node)]


def check(node: yaml.Node, shown: str) -> None:
    """Raise InvalidValue for a node that is not plain."""
    if is_plain(node):
        return
    if (
        isinstance(node, yaml.ScalarNode)
        and _resolver.resolve(type(node), node.value, (True, False)) == node.tag
    ):
        raise InvalidValue(f"{shown} means something of its own in YAML", "put it into quotes")
    raise _unreadable(node, shown)


def is_null(node: yaml.Node) -> bool:
    """Return whether nothing stands here."""
    return isinstance(node, yaml.ScalarNode) and node.tag == _NULL and node.value in _NULLS


def value_of(node: yaml.ScalarNode, shown: str) -> str | int | float | bool | None:
    """Return a plain scalar's value. Raises InvalidValue for any other, and for too large a number."""
    check(node, shown)
    if node.tag in _AS_WRITTEN:
        return str(node.value)
    if is_null(node):
        return None
    if node.tag in _NUMBERS and len(node.value) > _LONGEST_NUMBER:
        raise _too_large(shown)
    try:
        value: int | float | bool | None = SafeConstructor().construct_object(node)
    except (ConstructorError, ValueError, LookupError):
        raise _unreadable(node, shown) from None
    if value is None:  # `!!null` before a word
        raise _unreadable(node, shown)
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise _too_large(shown)
    return value


def _unreadable(node: yaml.Node, shown: str) -> InvalidValue:
    return InvalidValue(f"{shown} cannot be read as {node.tag.replace(_YAML, '!!', 1)}", "remove the tag")


def _too_large(shown: str) -> InvalidValue:
    return InvalidValue(f"{shown} is too large a number", "write a smaller one, or put it into quotes")
