"""What our own server offers for a request beside ASGI's messages; any other server offers nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

EXTENSION = "tollway"
"""Its key among the extensions of an ASGI scope."""

_NONE: Mapping[str, Any] = {}


class Exchange(Protocol):
    """See `server.exchange.Exchange`."""

    received_s: float
    """When the request's first byte was there, by `time.perf_counter`."""

    status: int | None
    """The answer's status; None before it has begun."""

    body_bytes: int
    """Bytes of the answer's body so far."""

    trace_id: str | None
    """In hex; the pipeline notes it here for who writes a log."""

    on_hang_up: Callable[[], None] | None
    """Called if the caller hangs up before the answer is complete; who sets it asks `disconnected` too."""

    @property
    def disconnected(self) -> bool:
        """Whether the caller has hung up."""

    caller: str | None
    """The name of the caller's key; noted here as the trace is."""

    def whole_body(self) -> bytes | None:
        """Take the request's body if all of it is here already; None when `receive()` must be awaited."""

    async def respond(self, status: int, fields: bytes, body: bytes) -> None:
        r"""Answer whole, what two of ASGI's messages say: `fields` are header lines, each ended by `\r\n`.

        `content-length` and what is about the connection are added.
        """

    def hang_up_after(self) -> None:
        """End the connection when this is answered."""

    def cut_off(self) -> None:
        """End the connection in mid-answer: so the caller knows that it does not have all of it."""

    def when_sent(self, call: Callable[[], None]) -> None:
        """Have this called once what was answered so far is with the system, or never can be."""


def exchange_of(scope: Mapping[str, Any]) -> Exchange | None:
    """Return what the server offers for a request."""
    exchange: Exchange | None = scope.get("extensions", _NONE).get(EXTENSION)
    return exchange
