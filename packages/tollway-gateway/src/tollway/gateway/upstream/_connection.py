"""One HTTP/1.1 connection to an upstream: the core's, as asyncio knows it."""

from __future__ import annotations

import asyncio

from ._core import ConnectionCore
from ._fields import Fields


class Connection(ConnectionCore, asyncio.Protocol):
    """Bytes out, a head and a body in. Its owner writes a request, then reads to the end, or aborts."""

    @property
    def headers(self) -> Fields:
        """The header fields of the answer."""
        return Fields(self.raw_headers)

    async def read(self) -> bytes:
        """Wait for bytes of the body; empty at its end."""
        while (data := self.there()) is None:
            await self.next()
        return data
