"""A large JSON object of which only what somebody asks for is parsed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, SupportsIndex

import orjson

SMALL_BYTES = 4096
"""A value of at most so many bytes is parsed at once."""

Place = tuple[int, int, int]
"""Where a value begins and ends, and what is known of it: `OF_ROLES`, `OF_OBJECTS`, or 0."""

OF_OBJECTS, OF_ROLES = 1, 2
"""An array that has elements: all are objects; all have a `role` that is a string."""


class _Unparsed:
    """Stands for a value; a JSON encoder that does not know it fails, and nothing is written in its place."""


_UNPARSED: Any = _Unparsed()


class ScannedObject(dict[str, Any]):
    """A JSON object: `body`, which is valid, and the `places` of its values by their keys.

    To Python it is a dict; `payload_of` gives a plain one, which C code reads too.
    """

    __slots__ = ("_has_large", "body", "memory_bytes", "places")

    def __init__(self, body: bytes, places: Mapping[str, Place], memory_bytes: int = 0) -> None:
        self.body = body
        self.places = places
        self.memory_bytes = memory_bytes
        """What it takes when all of it is parsed."""
        self._has_large = False
        small = []
        for key, (start, end, _) in places.items():
            if end - start > SMALL_BYTES:
                super().__setitem__(key, _UNPARSED)
                self._has_large = True
            else:
                super().__setitem__(key, None)
                small.append(key)
        # One call of the parser for all of them.
        values = orjson.loads(b"[%b]" % b",".join([body[slice(*places[key][:2])] for key in small]))
        super().update(zip(small, values, strict=True))

    def whole(self) -> dict[str, Any]:
        """Parse what is not parsed yet; return a plain dict."""
        return {**self._parsed()}

    def kind(self, key: str) -> int:
        """Return what is known of an array without parsing it, as the `places` say it; 0 for all else."""
        return self.places[key][2] if super().get(key) is _UNPARSED else 0

    def _parsed(self) -> ScannedObject:
        if self._has_large:
            self._has_large = False
            for key, value in super().items():
                if value is _UNPARSED:
                    self._parse(key)
        return self

    def _parse(self, key: str) -> Any:
        start, end, _ = self.places[key]
        value = orjson.loads(memoryview(self.body)[start:end])
        super().__setitem__(key, value)
        return value

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        return self._parse(key) if value is _UNPARSED else value

    def get(self, key: str, default: Any = None) -> Any:
        """See `dict.get`."""
        value = super().get(key, default)
        return self._parse(key) if value is _UNPARSED else value

    def __iter__(self) -> Iterator[str]:
        # That it is defined at all makes `dict(self)` and `{**self}` ask for each value.
        return super().__iter__()

    def items(self) -> Any:
        """See `dict.items`."""
        return dict.items(self._parsed())

    def values(self) -> Any:
        """See `dict.values`."""
        return dict.values(self._parsed())

    def copy(self) -> dict[str, Any]:
        """See `dict.copy`; a plain one."""
        return self.whole()

    def pop(self, *given: Any) -> Any:
        """See `dict.pop`."""
        return dict.pop(self._parsed(), *given)

    def popitem(self) -> tuple[str, Any]:
        """See `dict.popitem`."""
        return dict.popitem(self._parsed())

    def setdefault(self, *given: Any) -> Any:
        """See `dict.setdefault`."""
        return dict.setdefault(self._parsed(), *given)

    def __eq__(self, other: object) -> bool:
        return dict.__eq__(self._parsed(), other)

    def __ne__(self, other: object) -> bool:
        return dict.__ne__(self._parsed(), other)

    __hash__ = None

    def __or__(self, other: Any) -> Any:
        return self.whole() | other

    def __ror__(self, other: Any) -> Any:
        return other | self.whole()

    def __repr__(self) -> str:
        return dict.__repr__(self._parsed())

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return dict, (self.whole(),)


def payload_of(payload: dict[str, Any]) -> dict[str, Any]:
    """Return a payload as a plain dict, for code that may hand it to C; a plain one is returned as it is."""
    return payload.whole() if isinstance(payload, ScannedObject) else payload


def places_of(payload: Mapping[str, Any], body: bytes) -> Mapping[str, Place] | None:
    """Return where the values of a body stand, if that is known of this very body."""
    return payload.places if isinstance(payload, ScannedObject) and payload.body is body else None
