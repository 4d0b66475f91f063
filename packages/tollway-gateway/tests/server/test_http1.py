"""The server's protocol, byte by byte, over real sockets."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tollway.gateway.pipeline.exchange import exchange_of

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
    """Without `receive()` being awaited; who comes later can see it."""
    gone, known = threading.Event(), threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        exchange = exchange_of(scope)
        assert exchange is not None
        assert exchange.received_s > 0
        waiting = asyncio.Event()
        exchange.on_hang_up = waiting.set
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await waiting.wait()
        gone.set()
        if exchange.disconnected:
            known.set()

    connection, reader = talk(app, request())
    assert reader.readline() == b"HTTP/1.1 200 OK\r\n"
    connection.shutdown(socket.SHUT_RDWR)
    assert gone.wait(WAIT_S)
    assert known.wait(WAIT_S)


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


def responding(
    status: int = 200, fields: bytes = b"x-a: 1\r\n", body: bytes = b"hello", *, last: bool = False
):
    """An application that answers in one call."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        exchange = exchange_of(scope)
        assert exchange is not None
        if last:
            exchange.hang_up_after()
        await exchange.respond(status, b"x-a: 1\r\n", body)

    return app


@pytest.fixture
def crowded(talk):
    """As `talk`, while another request is under way: what is written then waits for the end of the round."""

    def start(app: Any, data: bytes) -> Any:
        async def with_another(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/another":
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
                while (await receive())["type"] != "http.disconnect":
                    pass
                return
            await app(scope, receive, send)

        connection, reader = talk(with_another, request(b"/another"))
        assert reader.readline() == b"HTTP/1.1 200 OK\r\n"
        second = socket.create_connection(connection.getpeername(), timeout=WAIT_S)
        second.sendall(data)
        reader = second.makefile("rb")
        opened.extend((second, reader))
        return second, reader

    opened: list[Any] = []
    yield start
    for one in reversed(opened):
        one.close()


@pytest.fixture(params=["alone", "crowded"])
def either(request, talk, crowded):
    """Both ways to be written."""
    return talk if request.param == "alone" else crowded


def test_answer_in_one_call(either):
    _, reader = either(responding(201), request())
    status, headers, body = answer_of(reader)
    assert (b"HTTP/1.1 201 Created", b"1", b"hello") == (status, headers[b"x-a"], body)


def test_answer_in_one_call_to_head_has_no_body(either):
    """The connection stays in step."""
    connection, reader = either(responding(), request(method=b"HEAD"))
    while reader.readline() != b"\r\n":
        pass
    connection.sendall(request())
    assert b"hello" == answer_of(reader)[2]


@pytest.mark.parametrize("asked", [b"connection: close\r\n", b""])
def test_connection_is_closed_after_its_last_answer(either, asked: bytes):
    """All of which has left by then."""
    _, reader = either(responding(body=b"x" * 300_000, last=not asked), request(more=asked))
    _, headers, body = answer_of(reader)
    assert (b"close", 300_000) == (headers[b"connection"], len(body))
    assert b"" == reader.read()


def test_pipelined_answers_in_one_call_keep_their_order(either):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        exchange = exchange_of(scope)
        assert exchange is not None
        await exchange.respond(200, b"", scope["path"].encode())

    _, reader = either(app, request(b"/a") + request(b"/b") + request(b"/c"))
    assert [b"/a", b"/b", b"/c"] == [answer_of(reader)[2] for _ in range(3)]


def test_what_follows_an_answer_is_done_after_it(either):
    done = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        exchange = exchange_of(scope)
        assert exchange is not None
        await exchange.respond(200, b"", b"hello")
        exchange.when_sent(done.set)

    _, reader = either(app, request())
    assert b"hello" == answer_of(reader)[2]
    assert done.wait(WAIT_S)


def test_what_follows_an_answer_is_done_when_nobody_is_left_to_read_it(either):
    """A record is closed whatever becomes of its caller."""
    left, done = threading.Event(), threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        exchange = exchange_of(scope)
        assert exchange is not None
        gone = asyncio.Event()
        exchange.on_hang_up = gone.set
        left.set()
        await gone.wait()
        await exchange.respond(200, b"", b"hello")
        exchange.when_sent(done.set)

    connection, reader = either(app, request())
    assert left.wait(WAIT_S)
    reader.close()
    connection.close()
    assert done.wait(WAIT_S)


def test_answer_says_what_is_to_be_logged(either):
    told: list[Any] = []
    done = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        exchange = exchange_of(scope)
        assert exchange is not None
        await saying(b"hel", b"lo", status=202)(scope, receive, send)
        told.extend((exchange.status, exchange.body_bytes))
        done.set()

    _, reader = either(app, request())
    assert b"hello" == answer_of(reader)[2]
    assert done.wait(WAIT_S)
    assert [202, 5] == told


def test_body_that_is_here_is_taken_without_a_wait(either):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        exchange = exchange_of(scope)
        assert exchange is not None
        body = exchange.whole_body()
        if body is None:  # still on its way
            body = (await receive())["body"]
        await exchange.respond(200, b"", body)

    _, reader = either(app, request(method=b"POST", more=b"content-length: 2\r\n") + b"hi")
    assert b"hi" == answer_of(reader)[2]


def test_a_second_answer_is_an_error(either):
    """The caller gets the first, whole."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        exchange = exchange_of(scope)
        assert exchange is not None
        await exchange.respond(200, b"", b"hello")
        await exchange.respond(200, b"", b"again")

    _, reader = either(app, request())
    assert b"hello" == answer_of(reader)[2]
    assert b"" == reader.read()


def test_application_that_fails_is_a_500(either, caplog):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("broken")

    _, reader = either(app, request())
    assert b"HTTP/1.1 500 Internal Server Error" == answer_of(reader)[0]
    assert b"" == reader.read()


def test_application_that_stops_in_its_answer_ends_the_connection(either):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hel", "more_body": True})

    _, reader = either(app, request())
    assert reader.read().endswith(b"hel\r\n")
