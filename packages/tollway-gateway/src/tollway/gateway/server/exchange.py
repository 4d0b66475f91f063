"""One request and its answer, as our own server has them: Uvicorn's cycle, and what it offers beside ASGI.

What waits for nothing is in `_core`.
"""

from __future__ import annotations

import logging
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from tollway.gateway.pipeline.exchange import EXTENSION

from ._core import ExchangeCore
from .flag import Flag

_uvicorns_log = logging.getLogger("uvicorn.error")


class Exchange(ExchangeCore, RequestResponseCycle):
    """One request and its answer."""

    logger = access_logger = _uvicorns_log
    access_log = False

    @property
    def message_event(self) -> Any:  # type: ignore[override]
        """What Uvicorn's cycle waits for; most requests are here whole before anybody waits."""
        if self._flag is None:
            self._flag = Flag(self.protocol.loop, is_set=self._has_news)
        return self._flag

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:  # type: ignore[override]
        """The server's own: its date."""
        return self.protocol.server_state.default_headers

    def on_response(self) -> None:
        """Let the next request of the connection have its turn."""
        self.protocol.on_response_complete()

    async def respond(self, status: int, fields: bytes, body: bytes) -> None:
        """Answer whole. The lines of `fields` are the caller's care: nothing in them is looked at."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        self.answer(status, fields, body)

    async def run_asgi(self, app: Any) -> None:
        """Run the application; one that fails or does not finish its answer keeps no caller waiting."""
        protocol = self.protocol
        protocol.outbox.requests += 1
        try:
            await app(self.scope, self.receive, self.send)
            if not (self.response_complete or self.disconnected):
                await self._fail("an application left its answer unfinished")
        except BaseException as error:  # as Uvicorn: its task ends well, even when it was cancelled
            await self._fail("an application failed", error)
        finally:
            protocol.outbox.requests -= 1
            protocol.tasks.discard(self.task)
            # The scope holds this, and this the scope: no cycle is left for Python's collector.
            del self.scope["extensions"][EXTENSION]

    async def _fail(self, message: str, error: BaseException | None = None) -> None:
        self.logger.error(message, exc_info=error)
        if self.response_started:
            self.protocol.close()
        else:
            await self.send_500_response()

    async def receive(self) -> Any:
        """Wait for one of ASGI's messages."""
        if self.waiting_for_100_continue and not self.transport.is_closing():
            self.protocol.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.waiting_for_100_continue = False
        return await super().receive()

    async def send(self, message: Any) -> None:
        """Take one of ASGI's `http.response.*` messages."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        self.take_message(message)
