"""Servers that are spoken to byte by byte, and whose clock a test moves on."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

WAIT_S = 20.0


class Answer(NamedTuple):
    """One answer as it came."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Caller:
    """A connection to a server."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        self._reader = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, *, to_head: bool = False) -> Answer:
        """Read the next answer, by the framing that it says it has."""
        line = self._reader.readline()
        assert line, "the server hung up without an answer"
        status = int(line.split(b" ")[1])
        headers = {}
        while (field := self._reader.readline()) != b"\r\n":
            name, _, value = field.rstrip(b"\r\n").partition(b": ")
            headers[name] = value
        if to_head or status in (100, 204, 304):
            return Answer(status, headers, b"")
        return Answer(status, headers, self._body(headers))

    def _body(self, headers: dict[bytes, bytes]) -> bytes:
        if b"content-length" in headers:
            return self._reader.read(int(headers[b"content-length"]))
        if b"transfer-encoding" not in headers:
            return self._reader.read()
        body = b""
        while size := int(self._reader.readline(), 16):
            body += self._reader.read(size)
            assert self._reader.readline() == b"\r\n"
        assert self._reader.readline() == b"\r\n"
        return body

    def rest(self) -> bytes:
        """Return what comes until the server hangs up."""
        return self._reader.read()

    def close(self) -> None:
        self._reader.close()
        self.socket.close()


class Served:
    """An application that is served, and what its tests look at."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._stack = ExitStack()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._state: dict[str, Any] = {}
        self.port = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        self._loop, self._state = asyncio.get_running_loop(), scope["state"]
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    def connect(self, data: bytes = b"") -> Caller:
        caller = Caller(self.port)
        self._stack.callback(caller.close)
        if data:
            caller.send(data)
        return caller

    def ask(self, data: bytes) -> Answer:
        """Send a request on a connection of its own, and return the answer."""
        return self.connect(data).answer(to_head=data.startswith(b"HEAD "))

    def in_loop(self, call: Callable[[], Any]) -> Any:
        """Return what a call returns that runs in the server's event loop."""
        assert self._loop is not None
        done: Future[Any] = Future()

        def run() -> None:
            try:
                done.set_result(call())
            except BaseException as error:
                done.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return done.result(WAIT_S)

    @property
    def service(self) -> Any:
        """What the server's connections share."""
        return self._state["tollway.server"]

    @property
    def connections(self) -> list[Any]:
        """Its connections; to be looked at in the event loop."""
        service = self._state.get("tollway.server")
        return [] if service is None else list(service.state.connections)

    def connection(self) -> Any:
        """Return its only connection, once it is there."""
        return self.wait_for(lambda: self.connections and self.connections[0])

    def exchange(self) -> Any:
        """Return what its only connection has not answered, once it is there."""
        return self.wait_for(lambda: self.connections and self.connections[0].exchange)

    def wait_for(self, holds: Callable[[], Any]) -> Any:
        """Wait until something holds that is looked at in the event loop; return it."""
        end_s = time.monotonic() + WAIT_S
        while time.monotonic() < end_s:
            if result := self.in_loop(holds):
                return result
            threading.Event().wait(0.002)
        raise AssertionError("it never came to that")

    def pass_time(self, seconds: float) -> None:
        """Have the server look at its deadlines as if so much time had passed."""
        self.in_loop(lambda: self.service.sweeper.sweep(self._loop.time() + seconds))  # type: ignore[union-attr]  # set by then

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def serve(served: Callable[[Any], int]) -> Iterator[Callable[[Any], Served]]:
    """Serves an application, byte by byte."""
    with ExitStack() as stack:

        def start(app: Any, layer: Callable[[Any], Any] = lambda app: app) -> Served:
            server = Served(app)
            stack.callback(server.close)
            server.port = served(layer(server))
            return server

        yield start


class Echo:
    """An application that answers with what it was asked, and remembers it."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            more = message["more_body"]
        self.seen.append((scope["method"], scope["path"], body))
        told = {
            "method": scope["method"],
            "path": scope["path"],
            "query": scope["query_string"].decode(),
            "version": scope["http_version"],
            "headers": [
                [name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]
            ],
            "body": body.decode("latin-1"),
        }
        data = json.dumps(told).encode()
        length = [(b"content-length", b"%d" % len(data))]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": data})


@pytest.fixture
def echo() -> Echo:
    """The application that most tests of framing ask."""
    return Echo()


@pytest.fixture
def echoing(serve: Callable[[Any], Served], echo: Echo) -> Served:
    """A server of it."""
    return serve(echo)
