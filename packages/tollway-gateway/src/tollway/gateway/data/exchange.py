"""What our own server tells of a request beside ASGI's messages; any other server tells nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

EXTENSION = "tollway"
"""Its key among the extensions of an ASGI scope."""

_NONE: Mapping[str, Any] = {}


class Exchange(Protocol):
    """See `server.http.Exchange`."""

    received_s: float
    """When the request's first byte was there, by `time.perf_counter`."""

    def on_hang_up(self, gone: Callable[[], None] | None) -> None:
        """Have this called when the caller hangs up; None for no more."""


def exchange_of(scope: Mapping[str, Any]) -> Exchange | None:
    """Return what the server tells of a request."""
    exchange: Exchange | None = scope.get("extensions", _NONE).get(EXTENSION)
    return exchange
