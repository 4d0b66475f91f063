"""Any Python value as JSON: for attributes that hold inputs and outputs, and for what is written.

Nothing of the user's is called but what makes a value: methods are looked up on the class, so that a proxy,
which answers to any name, is not asked, and a mock makes no children.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import orjson

_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY

MAX_REPR_CHARACTERS = 10_000
"""What has no JSON form is kept as its `repr`, cut to so many characters."""

MAX_DEPTH = 64
"""Nesting beyond this is kept as its `repr`, where JSON does not take a value as it is."""


def to_json_text(value: Any) -> str:
    """Return JSON; never raises. Dataclasses and pydantic models become objects, anything else its `repr`.

    What JSON does not have (an odd key, half a surrogate pair, an integer beyond 64 bits, a cycle) costs
    its own place only.
    """
    try:
        return orjson.dumps(value, _default, _OPTIONS).decode()
    except Exception:
        try:
            return orjson.dumps(_plain(value, ()), _default, _OPTIONS).decode()
        except Exception:  # a class of the user's that raises
            return orjson.dumps(_repr(value)).decode()


def _default(value: Any) -> Any:
    kind = type(value)
    if not isinstance(value, type):
        for dump in ("model_dump", "_asdict"):
            method = getattr(kind, dump, None)
            if callable(method) and not inspect.iscoroutinefunction(method):
                return _dumped(value, method)
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8", "replace")
    return _repr(value)


def _dumped(value: Any, method: Any) -> Any:
    try:
        found = method(value)
    except Exception:
        return _repr(value)
    if inspect.iscoroutine(found):
        found.close()
        return _repr(value)
    return found


def _plain(value: Any, inside: tuple[int, ...]) -> Any:
    """Return a value of which JSON takes every part."""
    if not isinstance(value, (Mapping, list, tuple, set, frozenset)):
        return _plain_object(value, inside)
    if id(value) in inside or len(inside) >= MAX_DEPTH:
        return _repr(value)
    path = (*inside, id(value))
    if isinstance(value, Mapping):
        return {_key(key): _plain(item, path) for key, item in value.items()}
    if hasattr(type(value), "_asdict"):
        return _plain(_default(value), path)
    return [_plain(item, path) for item in value]


def _plain_object(value: Any, inside: tuple[int, ...]) -> Any:
    if id(value) in inside or len(inside) >= MAX_DEPTH:
        return _repr(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return orjson.Fragment(str(int(value)))
    fields = getattr(type(value), "__dataclass_fields__", None)
    if fields is not None:
        found: Any = {name: getattr(value, name, None) for name in fields if not name.startswith("_")}
    else:
        try:
            orjson.dumps(value, option=_OPTIONS)  # numbers, dates, ids, arrays
        except Exception:
            found = _default(value)
        else:
            return value
    return _plain(found, (*inside, id(value)))


def _key(key: object) -> str:
    return _text(key) if isinstance(key, str) else _repr(key)


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _repr(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return _text(text[:MAX_REPR_CHARACTERS])


def text_of(value: object) -> str:
    """Return `str` of anything."""
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


def to_json(item: Any) -> bytes:
    """Return JSON; text that is not Unicode (lone surrogates) keeps its place as U+FFFD."""
    try:
        return orjson.dumps(item)
    except TypeError:
        return orjson.dumps(mended(item))


def mended(item: Any) -> Any:
    """Return an object of JSON in which text that is not Unicode has U+FFFD in its places."""
    if isinstance(item, str):
        return str(item).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(item, dict):
        return {mended(key): mended(value) for key, value in item.items()}
    if isinstance(item, list):
        return [mended(value) for value in item]
    return item if isinstance(item, (bool, int, float, type(None))) else mended(text_of(item))
