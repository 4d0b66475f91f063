"""Uvicorn's HTTP protocol, with what each request paid twice taken out.

What is done for every request is in `_core`, here what is done for a connection. It stays Uvicorn's: parsing,
flow control, pipelining, `100-continue`, the end of an application that fails. Different is (figures in
docs/decisions/0070 and 0080):

* an answer's head leaves together with the first bytes of its body, and with the answers to others that are
  ready in the same round of the event loop;
* headers are checked for line breaks all at once;
* the keep-alive timer is one a connection, not one a request;
* the scope's extension `tollway` is the `Exchange`: an application may read there when the first byte came,
  be called when the caller hangs up without awaiting `receive()`, and answer whole in one call.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tollway.gateway.outbox import outbox_of
from tollway.gateway.pipeline.exchange import EXTENSION

from ._core import ProtocolCore
from .exchange import Exchange


class HTTPProtocol(ProtocolCore, HttpToolsProtocol):  # type: ignore[misc]  # the cycle may be None, and is ours
    """One connection from a caller."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.begin(Exchange, EXTENSION)
        HttpToolsProtocol.__init__(self, *arguments, **named)

    def connection_made(self, transport: Any) -> None:
        """Remember where to write."""
        super().connection_made(transport)
        self.outbox = outbox_of(self.loop)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, after the answers to what was."""
        self.leave()
        super().send_400_response(msg)

    def shutdown(self) -> None:
        """Hang up once there is nothing more to answer."""
        if self.cycle is None or self.cycle.response_complete:
            self.close()
        else:
            self.cycle.keep_alive = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the application."""
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        exchange = self.cycle
        if isinstance(exchange, Exchange):
            exchange.hung_up()
        # An exchange holds its connection: no cycle is left for Python's collector.
        self.cycle = None
        self.pipeline.clear()

    def _unset_keepalive_if_required(self) -> None:
        self.idle_since_s = None
