"""What our own server tells of requests that never reach an application: not valid HTTP, or too slow.

Whoever counts or logs requests adds a callable to the list that the server's lifespan scope has under
`OBSERVERS` in its `state`; the server calls each with every such request.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, NamedTuple

OBSERVERS = "tollway.malformed"
"""The key in the lifespan's state."""


class MalformedRequest(NamedTuple):
    """A request that the server itself refused, and how it was answered."""

    client: str | None
    method: str | None
    """None where it is not known, as the path."""
    path: str | None
    status: int
    code: str
    message: str
    took_s: float
    """From its first byte."""
    body_bytes: int


Observer = Callable[[MalformedRequest], None]


def observe(scope: MutableMapping[str, Any], observer: Observer) -> None:
    """Have this called with every malformed request; `scope` is the lifespan's. Other servers never call."""
    state = scope.get("state")
    if state is not None:
        state.setdefault(OBSERVERS, []).append(observer)
