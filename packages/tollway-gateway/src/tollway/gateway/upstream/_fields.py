"""Header fields of an answer, decoded when somebody asks: most are never read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class Fields(Mapping[str, str]):
    """Names in lower case; a field that is there several times is joined by commas (RFC 9110 section 5.3)."""

    __slots__ = ("_raw",)

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        self._raw = raw

    def __getitem__(self, key: str) -> str:
        wanted = key.encode("latin-1")
        found = [value for name, value in self._raw if name.lower() == wanted]
        if not found:
            raise KeyError(key)
        return b", ".join(found).decode("latin-1")

    def get(self, key: str, default: Any = None) -> Any:
        """Return a field's value, or `default`; most answers lack what is looked for."""
        wanted = key.encode("latin-1")
        size = len(wanted)
        for name, _ in self._raw:
            if len(name) == size and name.lower() == wanted:
                return self[key]
        return default

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.lower().decode("latin-1") for name, _ in self._raw))

    def __len__(self) -> int:
        return sum(1 for _ in self)
