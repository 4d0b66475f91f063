"""State that outlives a configuration: what the next one finds again where its settings are the same."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar, cast

T = TypeVar("T")


class CarriedState:
    """What one configuration keeps, by what it is, whose it is and how it is set.

    A bucket that is half empty, an open circuit breaker, a model in memory: `get` with the same key gives the
    object that the configuration before had, else makes one. Keys may hold secrets; nothing shows them.
    """

    def __init__(self, before: CarriedState | None = None) -> None:
        self._before: Mapping[Hashable, Any] = {} if before is None else before._kept
        self._kept: dict[Hashable, Any] = {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what is kept by this key."""
        found = self.found(key)
        return self.keep(key, make() if found is None else cast("T", found))

    def found(self, key: Hashable) -> Any:
        """Return what this configuration or the one before keeps by a key; None for nothing."""
        return self._kept[key] if key in self._kept else self._before.get(key)

    def keep(self, key: Hashable, value: T) -> T:
        """Keep a value by a key, and return it."""
        return cast("T", self._kept.setdefault(key, value))

    def seal(self) -> None:
        """Let go of what the configuration before kept, once all is made."""
        self._before = {}


def hashable(value: Any) -> Hashable:
    """Return plain data (mappings, lists, scalars) in a form that can be part of a key."""
    if isinstance(value, Mapping):
        return tuple(sorted((str(key), hashable(one)) for key, one in value.items()))
    if isinstance(value, list | tuple):
        return tuple(hashable(one) for one in value)
    return type(value).__name__, value
