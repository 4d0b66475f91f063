"""Attribute values: what may be kept as it is, and what the specification makes of the rest.

https://opentelemetry.io/docs/specs/otel/common/#attribute
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_logger = logging.getLogger(__name__)

PLAIN = frozenset({str, int, float, bool, bytes, type(None)})
"""Types whose values never change and need no cleaning; subclasses are looked at closer."""

MAX_DEPTH = 32
"""Nesting beyond this becomes text."""


def frozen(value: Any, depth: int = 0) -> Any:
    """Return a value that no later change of the original reaches: sequences as tuples, mappings copied.

    What is no attribute value at all becomes its text; None where it has none.
    """
    if type(value) in PLAIN:
        return value
    if depth < MAX_DEPTH:
        if isinstance(value, (bytes, str, bool, int, float)):
            return value
        if isinstance(value, Mapping):
            return {str(key): frozen(item, depth + 1) for key, item in value.items()}
        if isinstance(value, (Sequence, set, frozenset)):
            return tuple(frozen(item, depth + 1) for item in value)
    return text_of(value)


def text_of(value: object) -> str | None:
    """Return `str(value)`, or None when that raises."""
    try:
        return str(value)
    except Exception:
        return None


def frozen_items(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of attributes that no later change of the originals reaches."""
    items = dict(attributes)
    for key, value in items.items():
        if type(value) not in PLAIN:
            items[key] = frozen(value)
    return items


def cleaned(
    items: Mapping[str, Any], max_count: int | None, max_length: int | None
) -> tuple[dict[str, Any], int]:
    """Return frozen items with valid keys only, within the limits, and how many were dropped.

    max_count: items; max_length: characters of a text, or bytes; None is no limit.
    """
    good = {key: value for key, value in items.items() if key and isinstance(key, str)}
    if max_count is not None and len(good) > max_count:
        good = dict(list(good.items())[:max_count])
    if max_length is not None:
        good = {key: cut(value, max_length) for key, value in good.items()}
    return good, len(items) - len(good)


def cut(value: Any, max_length: int) -> Any:
    """Return a value whose texts and bytes are at most so long, those inside it too."""
    if isinstance(value, (str, bytes)):
        return value[:max_length] if len(value) > max_length else value
    if isinstance(value, tuple):
        return tuple(cut(item, max_length) for item in value)
    if isinstance(value, dict):
        return {key: cut(item, max_length) for key, item in value.items()}
    return value


def weight(values: Iterable[Any]) -> int:
    """Return roughly how many bytes values hold beyond themselves: the lengths of texts and sequences."""
    return sum(len(value) for value in values if isinstance(value, (str, bytes, tuple, dict)))
