"""One request and its answer, as an ASGI application and the pipeline use them. What waits is here."""

from __future__ import annotations

import logging
from typing import Any

from tollway.gateway.apis import shape_of
from tollway.gateway.errors import INTERNAL, Failure, RequestRejected
from tollway.gateway.pipeline.exchange import EXTENSION

from .exchange_core import ExchangeCore

_log = logging.getLogger(__name__)

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Exchange(ExchangeCore):
    """One request and its answer; see `pipeline.exchange.Exchange`."""

    __slots__ = ()

    async def respond(self, status: int, fields: bytes, body: bytes) -> None:
        """Answer whole. The lines of `fields` are the caller's care: nothing in them is looked at."""
        if self.connection.write_paused:
            await self._drained()
        self.answer(status, fields, body)

    def cut_off(self) -> None:
        """See `pipeline.exchange.Exchange.cut_off`."""
        self.disconnected = True
        self.connection.end()

    async def run_asgi(self, app: Any) -> None:
        """Run the application; one that fails or does not finish its answer keeps no caller waiting."""
        connection = self.connection
        connection.outbox.requests += 1
        try:
            await app(self.scope, self.receive, self.send)
            if not (self.response_complete or self.disconnected):
                _log.error("an application left its answer unfinished")
                self._fail(INTERNAL)
        except RequestRejected as error:  # raised by `receive()`
            self._fail(error.failure)
        except BaseException as error:  # also a cancellation: who answers is as gone as after a failure
            _log.error("an application failed", exc_info=error)
            self._fail(INTERNAL)
        finally:
            connection.outbox.requests -= 1
            connection.state.tasks.discard(self.task)
            self.task = None
            # The scope holds this, and this the scope: no cycle is left for Python's collector.
            del self.scope["extensions"][EXTENSION]

    def _fail(self, failure: Failure) -> None:
        if self.response_started:
            self.connection.end()
            return
        self.hang_up_after()
        body = shape_of(self.scope["path"])(failure)
        self.answer(failure.status, b"content-type: application/json\r\n", body)

    async def receive(self) -> Any:
        """Wait for one of ASGI's messages. Raises RequestRejected when the rest of the body will not come."""
        if self.expects_continue and not self.disconnected:
            self.expects_continue = False
            self.connection.write(_CONTINUE)
        await self._arrival()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        if self._body_error is not None:
            failure = self._body_error
            raise RequestRejected(failure.status, failure.code, failure.message)
        return {"type": "http.request", "body": self.take_body(), "more_body": not self.body_complete}

    async def _arrival(self) -> None:
        """Wait until something came from the caller that was not taken yet."""
        connection = self.connection
        while not (self._has_news or self.disconnected or self.response_complete):
            connection.resume_reading()
            self._waiter = connection.loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    async def send(self, message: Any) -> None:
        """Take one of ASGI's `http.response.*` messages."""
        if self.connection.write_paused:
            await self._drained()
        self.take_message(message)

    async def _drained(self) -> None:
        """Wait while the caller does not read what was answered."""
        while self.connection.write_paused and not self.disconnected:
            await self.connection.writable()
