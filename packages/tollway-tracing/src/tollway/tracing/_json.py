"""Any Python value as JSON: for attributes that hold inputs and outputs, and for what is written."""

from typing import Any

import orjson

_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY

MAX_REPR_CHARACTERS = 10_000
"""What has no JSON form is kept as its `repr`, cut to so many characters."""


def to_json_text(value: Any) -> str:
    """Return JSON; never raises. Dataclasses and pydantic models become objects, anything else its `repr`."""
    try:
        return orjson.dumps(value, _default, _OPTIONS).decode()
    except Exception:  # cycles, lone surrogates, integers over 64 bits, a `repr` that raises
        return orjson.dumps(_repr(value)).decode()


def _default(value: Any) -> Any:
    for dump in ("model_dump", "_asdict"):
        method = getattr(value, dump, None)
        if callable(method) and not isinstance(value, type):
            try:
                return method()
            except Exception:
                return _repr(value)
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8", "replace")
    return _repr(value)


def _repr(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text[:MAX_REPR_CHARACTERS].encode("utf-8", "replace").decode()


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
