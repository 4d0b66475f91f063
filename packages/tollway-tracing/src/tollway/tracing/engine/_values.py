"""Attribute values: what may be kept as it is, and what the specification makes of the rest.

https://opentelemetry.io/docs/specs/otel/common/#attribute
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.trace import Link, SpanContext, SpanKind

_logger = logging.getLogger(__name__)

PLAIN = frozenset({str, int, float, bool, type(None)})
"""Types whose values never change and need no cleaning; others are looked at closer."""

HEAVY_CHARACTERS = 512
"""Texts longer than this are counted against the bytes that undecided traces may hold."""

_ITEM_BYTES = 16

MAX_DEPTH = 32
"""Nesting beyond this becomes text."""


def frozen(value: Any, inside: tuple[int, ...] = ()) -> Any:
    """Return a value that no later change of the original reaches: sequences as tuples, mappings copied.

    What is no attribute value at all becomes its text; None where it has none. So does what holds itself.
    """
    if type(value) in PLAIN or isinstance(value, (bytes, str, bool, int, float)):
        return value
    if type(value) is tuple and PLAIN.issuperset(map(type, value)):
        return value
    if len(inside) < MAX_DEPTH and id(value) not in inside:
        path = (*inside, id(value))
        try:
            if isinstance(value, Mapping):
                return {str(key): frozen(item, path) for key, item in value.items()}
            if isinstance(value, (Sequence, set, frozenset)):
                return tuple(frozen(item, path) for item in value)
        except Exception:  # the caller's own class raises
            return text_of(value)
    _logger.warning("invalid type %s for an attribute's value: its text is kept", type(value).__name__)
    return text_of(value)


def mapping_of(attributes: object) -> dict[str, Any]:
    """Return a copy of attributes as a dict; empty, with a warning, where they are none."""
    try:
        return dict(attributes)  # type: ignore[call-overload, no-any-return]  # what is not a mapping raises
    except Exception:
        _logger.warning("attributes must be a mapping, not %s: ignored", type(attributes).__name__)
        return {}


def key_of(key: object) -> str | None:
    """Return the key of an attribute as text; None, with a warning, where it cannot be one.

    https://opentelemetry.io/docs/specs/otel/common/#attribute
    """
    if isinstance(key, (str, int, float)) and (text := str(key)):
        return text
    _logger.warning("invalid attribute key %s: use a non-empty string. It is dropped", text_of(key))
    return None


def name_of(name: object) -> str:
    """Return a span's or an event's name as text."""
    return text_of(name) or ""


def kind_of(kind: object) -> SpanKind:
    """Return a span's kind, also by its word or number; INTERNAL, with a warning, where it is none."""
    if isinstance(kind, SpanKind):
        return kind
    try:
        return SpanKind[kind.upper()] if isinstance(kind, str) else SpanKind(kind)
    except (KeyError, ValueError):
        _logger.warning("%s is not a span kind: use opentelemetry.trace.SpanKind", text_of(kind))
        return SpanKind.INTERNAL


def text_of(value: object) -> str | None:
    """Return `str(value)`, or None when that raises."""
    try:
        return str(value)
    except Exception:
        return None


def frozen_items(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of attributes that no later change of the originals reaches."""
    items = dict(attributes) if isinstance(attributes, dict) else mapping_of(attributes)
    if not PLAIN.issuperset(map(type, items.values())):
        for key, value in items.items():
            if type(value) not in PLAIN:
                items[key] = frozen(value)
    return items


def frozen_links(links: Sequence[Link]) -> list[Link]:
    """Return copies that no later change reaches, without those that lead nowhere and say nothing."""
    try:
        return [
            Link(link.context, frozen_items(link.attributes) if link.attributes else None)
            for link in links
            if leads_somewhere(link)
        ]
    except TypeError:
        _logger.warning("links must be a sequence, not %s: ignored", type(links).__name__)
        return []


def leads_somewhere(link: Link) -> bool:
    """Return whether a link has a context that is valid, or at least attributes or a tracestate."""
    if isinstance(link, Link) and isinstance(link.context, SpanContext):
        return bool(link.context.is_valid or link.attributes or link.context.trace_state)
    if link is not None:
        _logger.warning("a link must be an opentelemetry.trace.Link, not %s: ignored", type(link).__name__)
    return False


def cleaned(
    items: Mapping[str, Any], max_count: int | None, max_length: int | None
) -> tuple[dict[str, Any], int]:
    """Return frozen items with valid keys only, within the limits, and how many were dropped.

    An empty key is invalid; one that is no text becomes its text, as with the SDK.
    max_count: items; max_length: characters of a text, or bytes; None is no limit.
    """
    good = {key if isinstance(key, str) else str(key): value for key, value in items.items() if key}
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


def weight(value: Any) -> int:
    """Return roughly how many bytes a frozen value holds: the lengths of its texts, a few for each item."""
    if isinstance(value, (str, bytes)):
        return len(value)
    if isinstance(value, tuple):
        return _ITEM_BYTES * len(value) + sum(weight(item) for item in value)
    if isinstance(value, dict):
        return 2 * _ITEM_BYTES * len(value) + sum(weight(item) for item in value.values())
    return 0


def heavy(items: Mapping[str, Any]) -> int:
    """Return the weight of those frozen values that are worth counting."""
    total = 0
    for value in items.values():  # for every span: nothing is called for a short text or a number
        kind = type(value)
        if kind is str:
            if len(value) > HEAVY_CHARACTERS:
                total += len(value)
        elif kind not in PLAIN:
            total += weight(value)
    return total
