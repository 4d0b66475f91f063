"""The server's protocol, byte by byte, over real sockets."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tollway.gateway.data.exchange import exchange_of

WAIT_S = 20


def request(path: bytes = b"/", method: bytes = b"GET", more: bytes = b"") -> bytes:
    return b"%b %b HTTP/1.1\r\nhost: x\r\n%b\r\n" % (method, path, more)


def answer_of(reader: Any) -> tuple[bytes, dict[bytes, bytes], bytes]:
    status = reader.readline().rstrip()
    headers = {}
    while (line := reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.rstrip().partition(b": ")
        headers[name] = value
    if b"content-length" in headers:
        return status, headers, reader.read(int(headers[b"content-length"]))
    body = b""
    while b"transfer-encoding" in headers and (size := int(reader.readline(), 16)) > 0:
        body += reader.read(size)
        reader.readline()
    if b"transfer-encoding" in headers:
        reader.readline()
    return status, headers, body


@pytest.fixture
def talk(served: Callable[[Any], int]) -> Any:
    """Serve an application, connect, send bytes; gives the socket and a reader of what comes."""
    connections = []

    def start(app: Any, data: bytes) -> tuple[socket.socket, Any]:
        async def with_lifespan(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                await receive()
                await send({"type": "lifespan.startup.complete"})
                await receive()
                await send({"type": "lifespan.shutdown.complete"})
                return
            await app(scope, receive, send)

        connection = socket.create_connection(("127.0.0.1", served(with_lifespan)), timeout=WAIT_S)
        connections.append(connection)
        connection.sendall(data)
        reader = connection.makefile("rb")
        connections.append(reader)
        return connection, reader

    yield start
    for connection in reversed(connections):
        connection.close()


def saying(*pieces: bytes, headers: Any = (), status: int = 200) -> Callable[..., Awaitable[None]]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


def test_answer_with_a_length_is_sent_with_it(talk):
    _, reader = talk(saying(b"hello", headers=[(b"content-length", b"5")]), request())
    status, headers, body = answer_of(reader)
    assert (status, body) == (b"HTTP/1.1 200 OK", b"hello")
    assert b"transfer-encoding" not in headers


def test_answer_without_a_length_is_chunked(talk):
    _, reader = talk(saying(b"hel", b"", b"lo"), request())
    _, headers, body = answer_of(reader)
    assert (headers[b"transfer-encoding"], body) == (b"chunked", b"hello")


def test_pipelined_requests_are_answered_in_their_order(talk):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0)
        await saying(scope["path"].encode() + scope["query_string"])(scope, receive, send)

    _, reader = talk(app, request(b"/a%20b?x=1") + request(b"/c"))
    assert [answer_of(reader)[2] for _ in range(2)] == [b"/a bx=1", b"/c"]


def test_head_has_no_body(talk):
    """The connection stays in step: the next answer is read where it begins."""
    app = saying(b"hello", headers=[(b"content-length", b"5")])
    connection, reader = talk(app, request(method=b"HEAD"))
    assert reader.readline() == b"HTTP/1.1 200 OK\r\n"
    while reader.readline() != b"\r\n":
        pass
    connection.sendall(request())
    assert answer_of(reader)[2] == b"hello"


@pytest.mark.parametrize("asked", [b"connection: close\r\n", b""])
def test_connection_is_closed_by_who_asks_for_it(talk, asked: bytes):
    headers = [] if asked else [(b"connection", b"close")]
    _, reader = talk(saying(b"x", headers=headers), request(more=asked))
    assert answer_of(reader)[1][b"connection"] == b"close"
    assert reader.read() == b""


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb", b"a\0b"])
def test_header_with_a_line_break_is_never_sent(talk, value: bytes):
    """The application fails; nothing of its answer leaves."""
    _, reader = talk(saying(b"x", headers=[(b"x-name", value)]), request())
    sent = reader.read()
    assert b"set-cookie" not in sent
    assert b"x-name" not in sent


@pytest.mark.parametrize("pieces", [(b"hell",), (b"hello", b"!")])
def test_answer_of_another_length_than_promised_ends_the_connection(talk, pieces: tuple[bytes, ...]):
    _, reader = talk(saying(*pieces, headers=[(b"content-length", b"5")]), request())
    sent = reader.read()
    assert len(sent.partition(b"\r\n\r\n")[2]) <= 5


def test_hang_up_is_told_by_a_call(talk):
    """Without `receive()` being awaited; and at once to who asks when it has happened."""
    gone, again = threading.Event(), threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        exchange = exchange_of(scope)
        assert exchange is not None
        assert exchange.received_s > 0
        waiting = asyncio.Event()
        exchange.on_hang_up(waiting.set)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await waiting.wait()
        gone.set()
        exchange.on_hang_up(again.set)

    connection, reader = talk(app, request())
    assert reader.readline() == b"HTTP/1.1 200 OK\r\n"
    connection.shutdown(socket.SHUT_RDWR)
    assert gone.wait(WAIT_S)
    assert again.wait(WAIT_S)


def test_body_that_was_announced_is_asked_for(talk):
    """`Expect: 100-continue` gets its interim answer when the application reads."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        await saying(message["body"])(scope, receive, send)

    connection, reader = talk(
        app, request(method=b"POST", more=b"content-length: 2\r\nexpect: 100-continue\r\n")
    )
    assert reader.readline() == b"HTTP/1.1 100 Continue\r\n"
    assert reader.readline() == b"\r\n"
    connection.sendall(b"hi")
    assert answer_of(reader)[2] == b"hi"
