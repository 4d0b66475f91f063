"""One connection from a caller: what is done for each of its requests."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.server import ServerState

from tollway.gateway.outbox import Outbox

from ._exchange import ExchangeCore

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


class ProtocolCore:
    """What a connection knows of its request, and writes; the names are those of Uvicorn's protocol."""

    # Set by Uvicorn's
    loop: asyncio.AbstractEventLoop
    app: Any
    parser: Any
    root_path: str
    asgi_version: Any
    app_state: dict[str, Any]
    timeout_keep_alive_task: asyncio.TimerHandle | None
    timeout_keep_alive: int
    server_state: ServerState
    tasks: set[asyncio.Task[None]]
    transport: asyncio.Transport
    flow: Any
    server: Any
    client: Any
    scheme: Any
    pipeline: deque[tuple[Any, Any]]

    outbox: Outbox
    """Set when the connection is made."""

    def begin(self, exchange_type: Callable[..., ExchangeCore], extension: str) -> None:
        """Begin a connection, whose requests become exchanges of this type, told under this key."""
        self.exchange_type = exchange_type
        self.extension = extension
        self.scope: Any = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.expect_100_continue = False
        self.cycle: ExchangeCore | None = None
        self.url = b""
        self._received_s = 0.0
        self.idle_since_s: float | None = None
        self._default_headers: Sequence[tuple[bytes, bytes]] = ()
        self._default_lines = b""
        self._unwritten: list[bytes] = []
        self._closes = False

    # Out

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

    # In

    def on_message_begin(self) -> None:
        """Begin a request."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._received_s = perf_counter()

    def on_url(self, url: bytes) -> None:
        """Keep a piece of the request's target."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header field."""
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Hand the request to the application, or let it wait for the answer before it."""
        parser = self.parser
        http_version = parser.get_http_version()
        path, raw_path, query = _addresses.get(self.url) or _parsed(self.url)
        root_path = self.root_path
        self.scope = scope = {
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
        self.cycle = exchange = self.exchange_type(self, scope, keep_alive, self._received_s)
        scope["extensions"] = {self.extension: exchange}
        if before is None or before.response_complete:
            self._start(exchange)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body, and stop the socket when nobody takes it."""
        exchange = self.cycle
        if exchange is None or exchange.response_complete:
            return
        if exchange.arrived(body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()

    def on_message_complete(self) -> None:
        """Note that the request is here whole."""
        exchange = self.cycle
        if exchange is not None and not exchange.response_complete:
            exchange.arrived_whole()

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
        self.idle_since_s = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._set_keep_alive_timer(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Hang up on a connection that was idle for so long; look again later at another."""
        self.timeout_keep_alive_task = None
        if self.idle_since_s is None or self.transport.is_closing():
            return
        left_s = self.idle_since_s + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self._set_keep_alive_timer(left_s)
        else:
            self.transport.close()

    def _set_keep_alive_timer(self, after_s: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(after_s, self.timeout_keep_alive_handler)
