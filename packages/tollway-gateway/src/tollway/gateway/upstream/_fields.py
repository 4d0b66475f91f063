"""Header fields of an answer, decoded when somebody asks: most are never read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class Fields(Mapping[str, str]):
    """Names in lower case; a field that is there several times is joined by commas (RFC 9110 section 5.3)."""

    __slots__ = ("_by_name", "_raw")

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        self._raw = raw
        self._by_name: dict[bytes, bytes] | None = None

    def _fields(self) -> dict[bytes, bytes]:
        if self._by_name is None:
            fields: dict[bytes, bytes] = {}
            for name, value in self._raw:
                lower = name.lower()
                fields[lower] = b"%b, %b" % (fields[lower], value) if lower in fields else value
            self._by_name = fields
        return self._by_name

    def __getitem__(self, key: str) -> str:
        return self._fields()[key.encode("latin-1")].decode("latin-1")

    def get(self, key: str, default: Any = None) -> Any:
        """Return a field's value, or `default`; most answers lack what is looked for."""
        value = self._fields().get(key.encode("latin-1"))
        return default if value is None else value.decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._fields())

    def __len__(self) -> int:
        return len(self._fields())
