"""Callers that take too long: how long each part of a request may take. Time is moved on by the tests."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tollway.gateway.server.service import Sweeper, TimeLimits

LIMITS = TimeLimits(idle_s=5)  # the keep-alive time of the tests' servers
REQUEST = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
CHUNKED = b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
EARLIER_S, LATER_S = -2.0, 1.0  # before a limit, and after it


def is_open(server: Any) -> bool:
    return bool(server.in_loop(lambda: server.connections))


def test_a_connection_on_which_nothing_comes_is_closed(echoing):
    """Without a word: nobody asked anything."""
    caller = echoing.connect()
    echoing.connection()
    echoing.pass_time(LIMITS.head_s + EARLIER_S)
    assert is_open(echoing)
    echoing.pass_time(LIMITS.head_s + LATER_S)
    assert b"" == caller.rest()


@pytest.mark.parametrize("part", [b"G", b"GET /a", b"GET /a HTTP/1.1\r\n", REQUEST[:-2], REQUEST[:-1]])
@pytest.mark.parametrize("before", [b"", REQUEST], ids=["first", "second"])
def test_a_head_must_come_in_time(echoing, before: bytes, part: bytes):
    """From its first byte to its last, however many come in between; a slow one is told (408)."""
    caller = echoing.connect(before)
    if before:
        caller.answer()
    caller.send(part)
    connection = echoing.connection()
    echoing.wait_for(lambda: len(connection._waiting) == len(part))
    echoing.pass_time(LIMITS.head_s + EARLIER_S)
    assert is_open(echoing)
    echoing.pass_time(LIMITS.head_s + LATER_S)
    answer = caller.answer()
    assert (408, "request_timeout", b"close") == (
        *(answer.status, answer.json["error"]["code"], answer.headers[b"connection"]),
    )
    assert b"" == caller.rest()


def test_bytes_of_a_head_do_not_buy_time(echoing):
    caller = echoing.connect()
    connection = echoing.connection()
    deadline_s = connection.deadline_s
    for byte in REQUEST[:-1]:
        before = len(connection._waiting)
        caller.send(bytes([byte]))
        echoing.wait_for(lambda before=before: len(connection._waiting) > before)
    assert deadline_s == connection.deadline_s


def test_a_request_under_way_has_no_limit_of_the_server(serve):
    """A model may think for as long as its own limits say."""
    go_on = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    server = serve(app)
    caller = server.connect(REQUEST)
    server.exchange()
    server.pass_time(100_000)
    server.in_loop(go_on.set)
    assert 200 == caller.answer().status


@pytest.mark.parametrize(
    "part", [POST, POST + b"12345", CHUNKED, CHUNKED + b"5\r\n12", CHUNKED + b"0\r\nx-a: "]
)
def test_a_silent_body_is_told(echoing, echo, part: bytes):
    caller = echoing.connect(part)
    echoing.exchange()
    echoing.pass_time(LIMITS.body_s + EARLIER_S)
    assert is_open(echoing)
    echoing.pass_time(LIMITS.body_s + LATER_S)
    answer = caller.answer()
    assert (408, b"close") == (answer.status, answer.headers[b"connection"])
    assert b"" == caller.rest()
    assert [] == echo.seen


def test_a_body_may_take_long_if_it_comes(echoing):
    caller = echoing.connect(POST)
    connection = echoing.connection()
    echoing.exchange()
    for _ in range(9):
        connection.deadline_s = 0.0
        caller.send(b"x")
        echoing.wait_for(lambda: connection.deadline_s)
        echoing.pass_time(LIMITS.body_s + EARLIER_S)
    caller.send(b"x")
    assert 200 == caller.answer().status


def test_a_body_that_nobody_takes_is_not_slow(serve):
    """It waits for the application, not for its sender."""
    go_on = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await go_on.wait()
        size, more = 0, True
        while more:
            message = await receive()
            size, more = size + len(message["body"]), message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"%d" % size})

    server = serve(app)
    caller = server.connect(POST.replace(b"10", b"2000000"))
    caller.socket.setblocking(False)
    sent = caller.socket.send(b"x" * 2_000_000)
    connection = server.connection()
    server.wait_for(lambda: connection.read_paused)
    server.pass_time(100_000)
    server.in_loop(go_on.set)
    caller.socket.settimeout(20)
    caller.send(b"x" * (2_000_000 - sent))
    assert b"2000000" == caller.answer().body


def test_an_idle_connection_is_closed(echoing):
    caller = echoing.connect(REQUEST)
    caller.answer()
    echoing.wait_for(lambda: echoing.connections[0].exchange is None)
    echoing.pass_time(LIMITS.idle_s + EARLIER_S)
    assert is_open(echoing)
    echoing.pass_time(LIMITS.idle_s + LATER_S)
    assert b"" == caller.rest()


def test_the_rest_of_a_body_must_come_soon_after_its_answer(serve):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    server = serve(app)
    caller = server.connect(POST)
    assert 404 == caller.answer().status
    for _ in range(3):
        caller.send(b"x")
    server.pass_time(LIMITS.linger_s + EARLIER_S)
    assert is_open(server)
    server.pass_time(LIMITS.linger_s + LATER_S)
    assert b"" == caller.rest()


def test_a_refused_caller_that_does_not_leave_is_left(echoing):
    caller = echoing.connect(b"GARBAGE\0")
    assert 400 == caller.answer().status
    assert b"" == caller.rest()
    assert is_open(echoing)
    echoing.pass_time(LIMITS.linger_s + LATER_S)
    assert echoing.wait_for(lambda: not echoing.connections)


@pytest.mark.parametrize("headers", [[], [(b"connection", b"close")]])
def test_a_caller_that_does_not_read_its_answer_is_left(serve, headers: Any):
    """One that reads some of it is waited for; the application is told when it is over."""
    ended = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for _ in range(3):
            await send({"type": "http.response.body", "body": b"x" * 10_000_000, "more_body": True})
        await send({"type": "http.response.body"})
        ended.set()

    server = serve(app)
    caller = server.connect(REQUEST)
    connection = server.connection()
    server.wait_for(lambda: connection.write_paused)
    for _ in range(2):
        unsent = server.in_loop(connection.transport.get_write_buffer_size)
        while server.in_loop(connection.transport.get_write_buffer_size) == unsent:
            assert caller.socket.recv(1_000_000)
        server.pass_time(LIMITS.read_s + LATER_S)
        assert is_open(server)
    for times in range(2, 6):  # the system's own buffers take some more
        server.pass_time(times * (LIMITS.read_s + LATER_S))
    assert server.wait_for(lambda: not server.connections)
    assert server.wait_for(ended.is_set)


def test_a_stop_closes_what_waits(serve, echo):
    """Idle connections, half a head, and those that linger; not what is under way."""
    server = serve(echo)
    idle, half, refused, busy = (server.connect(data) for data in (REQUEST, REQUEST[:-2], b"\0", POST))
    assert [200, 400] == [idle.answer().status, refused.answer().status]
    server.wait_for(lambda: len(server.connections) == 4 and any(one.exchange for one in server.connections))
    server.in_loop(lambda: [one.shutdown() for one in server.connections])
    assert [b"", b"", b""] == [caller.rest() for caller in (idle, half, refused)]
    busy.send(b"0123456789")
    answer = busy.answer()
    assert (200, b"close") == (answer.status, answer.headers[b"connection"])


class Connection:
    def __init__(self, deadline_s: float, *, fails: bool = False) -> None:
        self.deadline_s = deadline_s
        self.ended_at_s: list[float] = []
        self._fails = fails

    def on_deadline(self, now_s: float) -> None:
        self.ended_at_s.append(now_s)
        if self._fails:
            raise RuntimeError("broken")


class Loop:
    """An event loop's timers, rung by hand."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.now_s = 0.0

    def time(self) -> float:
        return self.now_s

    def call_later(self, after_s: float, call: Any) -> object:
        self.calls.append((after_s, call))
        return object()


def test_one_timer_looks_after_all_connections(caplog):
    """While there are any; one that fails is not the others' trouble."""
    loop = Loop()
    connections = [Connection(5, fails=True), Connection(10), *(Connection(5) for _ in range(1000))]
    sweeper = Sweeper(loop, connections)  # type: ignore[arg-type]  # a stand-in
    for _ in connections:
        sweeper.start()
    assert 1 == len(loop.calls)
    loop.now_s = 6
    after_s, look = loop.calls.pop()
    look()
    assert Sweeper.EVERY_S == after_s
    assert 1001 == sum(len(one.ended_at_s) for one in connections)
    assert [] == connections[1].ended_at_s
    assert 1 == len(loop.calls)
    connections.clear()
    loop.calls.pop()[1]()
    assert [] == loop.calls
    assert "a connection could not be ended in time" in caplog.messages
