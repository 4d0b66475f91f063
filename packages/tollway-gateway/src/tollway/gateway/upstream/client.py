"""The seam between the data plane and an HTTP client: all that the one knows of the other.

Whoever awaits may be cancelled at any point, which ends the exchange and its connection at once. Time limits
other than that on connecting are the caller's. Every error is a `ProviderError` of the contract, without
addresses or keys in its message.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, Protocol

from tollway.provider import UpstreamRequest, UpstreamResponse

Waited = Callable[[float], None]
"""Told of seconds that were waited for the upstream, connecting included, whatever came of it."""


class Upload(NamedTuple):
    """A body that comes in pieces: `length` bytes in all, None where nobody knows.

    `read` waits for the next piece; empty at the end.
    """

    length: int | None
    read: Callable[[], Awaitable[bytes]]


class UpstreamStream(Protocol):
    """An answer whose head is there and whose body is on its way."""

    @property
    def status(self) -> int:
        """HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Header fields; names in lower case, repeated fields joined by a comma."""

    @property
    def waited_s(self) -> float:
        """Seconds that were waited for the body so far."""

    async def read(self) -> bytes:
        """Wait for the next bytes, empty at the end; `UpstreamConnectionError` when it is cut off."""

    def close(self) -> None:
        """Let go of the answer: hangs up when it was not read to its end. May be called again."""


class UpstreamClient(Protocol):
    """Sends requests over connections that it keeps."""

    async def send(
        self, request: UpstreamRequest, connect_s: float, fields: bytes, waited: Waited
    ) -> UpstreamResponse:
        r"""Send a request and wait for the whole answer, of any status.

        `fields` are header lines, each ended by `\r\n`, that go with the request's own headers: what differs
        from one request to the next, such as `traceparent`. So the rest of a head need not be written again.
        """

    async def open(
        self, request: UpstreamRequest, connect_s: float, fields: bytes, waited: Waited
    ) -> UpstreamStream:
        """Send a request and wait for the head of its answer, of any status; `fields` as in `send`."""

    async def upload(
        self, request: UpstreamRequest, body: Upload, connect_s: float, fields: bytes, waited: Waited
    ) -> UpstreamStream:
        """Send a request with another body than its own, in pieces, and wait for the head of its answer.

        What reading the body raises is raised. It goes over a connection of its own, and out once alone.
        """

    async def close(self) -> None:
        """Close every connection."""
