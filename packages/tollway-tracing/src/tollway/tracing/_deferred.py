"""Attributes that nobody works out for a span that nobody keeps."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_logger = logging.getLogger(__name__)


class Deferred(Mapping[str, Any]):
    """Attributes that are worked out once, when somebody looks at them.

    Give it to `start_span` or `set_attributes` as any other mapping. A span of ours looks when its trace is
    kept, after it ended, and not at all when it is dropped; any other span looks at once. `make` must not
    rely on what changes until then, and holds what it needs; if it raises, that is logged, and there are no
    attributes. What is set by name wins over what is deferred, whenever it was set.
    """

    __slots__ = ("_items", "_make")

    def __init__(self, make: Callable[[], Mapping[str, Any]]) -> None:
        self._make: Callable[[], Mapping[str, Any]] | None = make
        self._items: Mapping[str, Any] | None = None

    @property
    def is_made(self) -> bool:
        """Whether somebody has looked: what became known since then is not in them."""
        return self._items is not None

    def made(self) -> Mapping[str, Any]:
        """Return them."""
        if self._items is None:
            make, self._make = self._make, None  # which may hold who holds this
            try:
                self._items = {} if make is None else make()
            except Exception:  # telemetry never breaks its caller
                _logger.exception("deferred attributes could not be worked out")
                self._items = {}
        return self._items

    def __bool__(self) -> bool:
        """Return True: who only asks whether there are any does not look yet."""
        return True

    def __getitem__(self, key: str) -> Any:
        return self.made()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.made())

    def __len__(self) -> int:
        return len(self.made())
