"""Uvicorn's HTTP protocol, with what each request paid twice taken out.

It stays Uvicorn's: parsing, flow control, pipelining, `100-continue`, the end of an application that fails.
Different is (figures in docs/decisions/0070 and 0080):

* an answer's head leaves together with the first bytes of its body, and with the answers to others that are
  ready in the same round of the event loop;
* headers are checked for line breaks all at once;
* the keep-alive timer is one a connection, not one a request;
* the scope's extension `tollway` is the `Exchange`: an application may read there when the first byte came,
  be called when the caller hangs up without awaiting `receive()`, and answer whole in one call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tollway.gateway.data.exchange import EXTENSION
from tollway.gateway.outbox import Outbox, outbox_of

from .exchange import Exchange

_MAX_ADDRESSES = 1024
_MAX_ADDRESS_BYTES = 256

_addresses: dict[bytes, tuple[str, bytes, bytes]] = {}
"""Path, raw path and query of request targets: callers ask for the same few again and again."""


def _parsed(target: bytes) -> tuple[str, bytes, bytes]:
    url = httptools.parse_url(target)
    path = url.path.decode("ascii")
    parts = unquote(path) if "%" in path else path, url.path, url.query or b""
    if len(target) <= _MAX_ADDRESS_BYTES:
        if len(_addresses) >= _MAX_ADDRESSES:
            _addresses.clear()
        _addresses[target] = parts
    return parts


class HTTPProtocol(HttpToolsProtocol):
    """One connection from a caller."""

    _received_s = 0.0
    _idle_since_s: float | None = None
    outbox: Outbox
    _default_headers: Sequence[tuple[bytes, bytes]] = ()
    _default_lines = b""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._unwritten: list[bytes] = []
        self._closes = False

    # Out

    def connection_made(self, transport: Any) -> None:
        """Remember where to write."""
        super().connection_made(transport)
        self.outbox = outbox_of(self.loop)

    def write(self, data: bytes) -> None:
        """Write, at the end of this round of the event loop."""
        self._unwritten.append(data)
        if len(self._unwritten) == 1:
            self.outbox.post(self)

    def close(self) -> None:
        """Hang up, after what is still to be written."""
        if self._unwritten:
            self._closes = True
        else:
            self.transport.close()

    def when_written(self, call: Callable[[], None]) -> None:
        """Have this called when what there is to be written is written."""
        if self._unwritten:
            self.outbox.afterwards(call)
        else:
            call()

    def leave(self) -> None:
        """Write."""
        data, self._unwritten = self._unwritten, []
        transport = self.transport
        if data and not transport.is_closing():
            transport.write(data[0] if len(data) == 1 else b"".join(data))
            if self._closes:
                transport.close()

    def default_lines(self) -> bytes:
        """Return the server's own headers (its date) as lines."""
        headers = self.server_state.default_headers
        if headers is not self._default_headers:
            self._default_headers = headers
            self._default_lines = b"".join([b"%b: %b\r\n" % pair for pair in headers])
        return self._default_lines

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

    # In

    def on_message_begin(self) -> None:
        """Begin a request."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._received_s = time.perf_counter()

    def on_headers_complete(self) -> None:
        """Hand the request to the application, or let it wait for the answer before it."""
        parser = self.parser
        http_version = parser.get_http_version()
        path, raw_path, query = _addresses.get(self.url) or _parsed(self.url)
        root_path = self.root_path
        self.scope = scope = {  # type: ignore[assignment]  # of ASGI's keys that it types, none is missing
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": http_version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "method": parser.get_method().decode("ascii"),
            "root_path": root_path,
            "path": root_path + path,
            "raw_path": root_path.encode("ascii") + raw_path,
            "query_string": query,
            "headers": self.headers,
            "state": self.app_state.copy(),
        }
        before = self.cycle
        keep_alive = http_version != "1.0" and parser.should_keep_alive()
        self.cycle = exchange = Exchange(self, scope, keep_alive=keep_alive, received_s=self._received_s)
        scope["extensions"] = {EXTENSION: exchange}
        if before is None or before.response_complete:
            self._start(exchange)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body, and stop the socket when nobody takes it."""
        exchange = self.cycle
        if exchange.response_complete:
            return
        exchange.body += body
        if len(exchange.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        exchange.message_event.set()

    def on_message_complete(self) -> None:
        """Note that the request is here whole."""
        exchange = self.cycle
        if not exchange.response_complete:
            exchange.more_body = False
            exchange.message_event.set()

    def _start(self, exchange: Any) -> None:
        """Run the application on a request; the exchange itself says when that is over."""
        exchange.task = task = self.loop.create_task(exchange.run_asgi(self.app))
        self.tasks.add(task)

    def on_response_complete(self) -> None:
        """Start the next request that is already there, or wait for one."""
        self.server_state.total_requests += 1
        if self._closes or self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start(self.pipeline.pop()[0])
            return
        self._idle_since_s = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._set_keep_alive_timer(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Hang up on a connection that was idle for so long; look again later at another."""
        self.timeout_keep_alive_task = None
        if self._idle_since_s is None or self.transport.is_closing():
            return
        left_s = self._idle_since_s + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self._set_keep_alive_timer(left_s)
        else:
            self.transport.close()

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
        self.cycle = None  # type: ignore[assignment]
        self.pipeline.clear()

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since_s = None

    def _set_keep_alive_timer(self, after_s: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(after_s, self.timeout_keep_alive_handler)
