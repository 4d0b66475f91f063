"""How much memory parsed JSON takes, counted in nodes, and how deep it is nested.

A node is a value; an object counts as three, since it takes as much memory as three other values. A parsed
node takes about 64 bytes, so 32 MB of `[],[],…` become 700 MB: a body that large is counted before it is
parsed. What stands outside of strings is counted, strings are skipped.
"""

from __future__ import annotations

from typing import Any

import orjson

BYTES_PER_NODE = 64
"""Memory of a parsed node, rounded up; the characters of strings come on top."""

MAX_DEPTH = 254
"""Objects and arrays inside each other: orjson parses deeper ones, but cannot write them again."""

FLAT_BYTES = 2 * MAX_DEPTH
"""A JSON text up to this size cannot be too deep."""

_OBJECT_NODES = 3

_WINDOW = 8 * 1024
"""Bytes looked at in one step, so that what is split off them stays small."""

_LONG_STRING = 1024
"""A string with at least so many bytes left is searched for its end, and not split."""

_BEYOND_THE_BASIC_PLANE = (b"\xf0", b"\xf1", b"\xf2", b"\xf3", b"\xf4")
"""The first bytes of the characters that UTF-8 writes in four."""


def nodes_of(body: bytes, at_most: int) -> int:
    """Count the nodes of a JSON text without parsing it, in linear time; stops soon after `at_most`.

    Empty arrays and objects count one node too many; else there are never more nodes than bytes. Of a text
    that is not valid JSON the count means nothing.
    """
    nodes, start, in_string, quote = 1, 0, False, -1
    while start < len(body) and nodes <= at_most:
        if in_string and quote < start:
            quote, escaping = _next_quote(body, start)
            if quote - escaping - start >= _LONG_STRING:
                start = quote - escaping
                continue
        end = _end_of_window(body, start)
        outside, in_string = _outside_of_strings(body[start:end], in_string)
        nodes += outside.count(b",") + outside.count(b"[") + _OBJECT_NODES * outside.count(b"{")
        start = end
    return nodes


def nodes_and_depth(value: Any) -> tuple[int, int]:
    """Count the nodes of a parsed array or object, and its depth; stops soon after `MAX_DEPTH`."""
    nodes, depth = 1, 0
    level = [value]
    while level and depth <= MAX_DEPTH:
        depth += 1
        below: list[Any] = []
        for container in level:
            nodes += len(container)
            values = container
            if type(container) is dict:
                nodes += _OBJECT_NODES - 1
                values = container.values()
            below += [one for one in values if type(one) is dict or type(one) is list]
        level = below
    return nodes, depth


def can_be_written(value: Any) -> bool:
    """Say whether a parsed value can be written as JSON again: not if it is nested too deep."""
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


def is_too_deep(error: Exception) -> bool:
    """Say whether a JSON encoder failed because a value is nested too deep; orjson has no type for it."""
    return isinstance(error, RecursionError) or "ecursion limit" in str(error)


def text_bytes(body: bytes) -> int:
    """Estimate the memory of a JSON text's strings: each is as wide as its widest character (PEP 393)."""
    if body.isascii() and b"\\" not in body:
        return len(body)
    if any(lead in body for lead in _BEYOND_THE_BASIC_PLANE):
        return 4 * len(body)
    return 2 * len(body)


def _next_quote(body: bytes, start: int) -> tuple[int, int]:
    """Return the place of the next quote, or of the end, and how many backslashes are right before it."""
    quote = body.find(b'"', start)
    if quote < 0:
        return len(body), 0
    return quote, _trailing_backslashes(body, start, quote)


def _end_of_window(body: bytes, start: int) -> int:
    """Return where the window ends: not between a backslash and what it escapes."""
    end = min(start + _WINDOW, len(body))
    return end + _trailing_backslashes(body, start, end) % 2


def _trailing_backslashes(body: bytes, start: int, end: int) -> int:
    if not body.endswith(b"\\", start, end):
        return 0
    return end - start - len(body[start:end].rstrip(b"\\"))


def _outside_of_strings(window: bytes, in_string: bool) -> tuple[bytes, bool]:
    """Return what of a window is outside of strings, and whether its end is in one."""
    if b"\\" in window:
        window = window.replace(b"\\\\", b"").replace(b'\\"', b"")
    parts = window.split(b'"')
    return b" ".join(parts[in_string::2]), in_string ^ (len(parts) % 2 == 0)
