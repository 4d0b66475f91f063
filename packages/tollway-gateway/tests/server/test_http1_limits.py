"""What one connection can make the server hold, read or compute is bounded."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest

from tollway.gateway.guard.memory import MemoryBudget
from tollway.gateway.server.head import MAX_FIELDS, MAX_HEAD_BYTES

NEXT = b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
HELD_BYTES = 65_536 + 262_144
"""What may wait on a connection: up to the limit, and what one read of the loop brings more."""


def head_of(size: int) -> bytes:
    start = b"GET /a HTTP/1.1\r\nHost: x\r\nX-A: "
    return start + b"a" * (size - len(start) - 4) + b"\r\n\r\n"


def target_of(size: int) -> bytes:
    return b"GET /" + b"a" * (size - 1) + b" HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("parts", [1, 50])
@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (head_of(MAX_HEAD_BYTES), 200, None),
        (head_of(MAX_HEAD_BYTES + 1), 431, "head_too_large"),
        (head_of(1_000_000), 431, "head_too_large"),
        (target_of(60_000), 200, None),
        (target_of(MAX_HEAD_BYTES), 414, "target_too_long"),
        (target_of(1_000_000), 414, "target_too_long"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a:b\r\n" * (MAX_FIELDS - 1) + b"\r\n", 200, None),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a:b\r\n" * MAX_FIELDS + b"\r\n", 431, "head_too_large"),
        (b"A" * 1_000_000, 414, "target_too_long"),
    ],
    ids=[
        *("64 KiB", "a byte more", "1 MB", "60 kB of target", "64 KiB of target", "1 MB of target"),
        *("100 lines", "101 lines", "1 MB of method"),
    ],
)
def test_a_head_is_bounded(echoing, data: bytes, status: int, code: str | None, parts: int):
    """Whoever sends more can still read why it is refused."""
    caller = echoing.connect()
    size = -(-len(data) // parts)
    for start in range(0, len(data), size):
        caller.send(data[start : start + size])
    answer = caller.answer()
    assert status == answer.status
    if code is not None:
        assert (code, b"close") == (answer.json["error"]["code"], answer.headers[b"connection"])
        assert b"" == caller.rest()


def test_a_head_in_single_bytes_costs_what_it_has(echoing):
    """Four times the bytes take four times the time, not sixteen."""

    def took_s(size: int) -> float:
        caller = echoing.connect(b"G")
        connection = echoing.connection()

        def feed() -> float:
            start_s = time.process_time()
            for byte in head_of(size)[1:-1]:
                connection.data_received(bytes([byte]))
            return time.process_time() - start_s

        took = echoing.in_loop(feed)
        caller.close()
        echoing.wait_for(lambda: not echoing.connections)
        return took

    short_s = min(took_s(8_000) for _ in range(3))
    assert min(took_s(64_000) for _ in range(3)) < 24 * short_s  # eight times when linear, 64 when quadratic


class Blocked:
    """An application whose answers wait until a test lets them go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go_on: asyncio.Event | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append(scope["path"])
        if self.go_on is None:
            self.go_on = asyncio.Event()
        await self.go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


def flood(connection: socket.socket, unit: bytes, limit: int) -> int:
    """Send until the other side takes no more; return how much it took."""
    block = unit * max(1, 65_536 // len(unit))
    connection.settimeout(0.5)
    sent = 0
    try:
        while sent < limit:
            sent += connection.send(block[sent % len(block) :])
    except TimeoutError:
        pass
    return sent


def waiting_bytes(server: Any) -> int:
    return server.in_loop(lambda: len(server.connections[0]._waiting))


def test_what_follows_a_request_that_is_not_answered_waits_unread(serve):
    app = Blocked()
    server = serve(app)
    caller = server.connect(NEXT)
    server.wait_for(lambda: app.asked)
    assert flood(caller.socket, NEXT, 64_000_000) < 64_000_000
    assert ["/next"] == app.asked
    assert waiting_bytes(server) <= HELD_BYTES
    caller.socket.settimeout(20)
    server.in_loop(app.go_on.set)
    assert [200] * 100 == [caller.answer().status for _ in range(100)]


def test_a_body_that_nobody_takes_waits_unread(serve):
    app = Blocked()
    server = serve(app)
    caller = server.connect(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
    assert flood(caller.socket, b"x", 64_000_000) < 64_000_000
    assert 0 < server.exchange().untaken <= HELD_BYTES


def test_requests_are_not_begun_for_who_does_not_read_answers(serve):
    """Else a caller that sends and never reads would fill the memory with answers."""
    begun = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal begun
        begun += 1
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000000")]}
        )
        await send({"type": "http.response.body", "body": b"x" * 1_000_000})

    server = serve(app)
    caller = server.connect(NEXT * 1000)
    connection = server.wait_for(lambda: next((one for one in server.connections if one.write_paused), None))
    assert server.in_loop(connection.transport.get_write_buffer_size) <= 1_100_000
    before = begun
    assert before < 100  # what the system's own buffers take
    assert [1_000_000] * 200 == [len(caller.answer().body) for _ in range(200)]


def test_a_flood_of_tiny_chunks_is_read_in_turns(serve):
    """Between the turns everybody else is served; what one read brings takes many of them."""
    server = serve(Blocked())
    server.connect(CHUNKED)
    exchange = server.exchange()

    def first_turn() -> int:
        server.connections[0].data_received(b"1\r\nx\r\n" * 40_000)
        return exchange.untaken

    assert 1024 == server.in_loop(first_turn)
    server.wait_for(lambda: exchange.untaken == 40_000)


@pytest.mark.parametrize("in_first_packet", [False, True])
def test_a_body_in_tiny_chunks_comes_whole(echoing, echo, in_first_packet: bool):
    """And what is behind it is the next request."""
    body = bytes(range(97, 123)) * 1000
    data = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n" + NEXT
    caller = echoing.connect(CHUNKED + data if in_first_packet else CHUNKED)
    if not in_first_packet:
        caller.send(data)
    assert [200, 200] == [caller.answer().status, caller.answer().status]
    assert [("POST", "/", body), ("GET", "/next", b"")] == echo.seen


def test_an_endless_flood_of_tiny_chunks_is_refused(echoing):
    caller = echoing.connect(CHUNKED)
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        caller.send(b"1\r\nx\r\n" * 20_000_000)
    assert echoing.wait_for(lambda: not echoing.connections)


def test_a_rest_in_tiny_chunks_is_skipped_in_turns(serve):
    """Of a request that was answered early; the next one is served."""
    caller = serve(refusing()).connect(CHUNKED)
    assert 404 == caller.answer().status
    caller.send(b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n" + NEXT)
    assert 404 == caller.answer().status


def test_a_hang_up_behind_a_flood_of_tiny_chunks_is_noticed(serve):
    server = serve(Blocked())
    caller = server.connect(CHUNKED + b"1\r\nx\r\n" * 20_000)
    exchange = server.exchange()
    server.wait_for(lambda: exchange.untaken == 20_000)
    caller.close()
    assert server.wait_for(lambda: exchange.disconnected)


def test_empty_lines_before_a_request_are_few(echoing):
    assert 200 == echoing.ask(b"\r\n" * 16 + NEXT).status
    caller = echoing.connect(b"\r\n" * 100_000)
    assert (400, b"close") == ((answer := caller.answer()).status, answer.headers[b"connection"])


class TestSharedBudget:
    """What connections hold and no request has read yet is in the budget of all of them."""

    @pytest.fixture
    def app(self) -> Blocked:
        return Blocked()

    @pytest.fixture
    def server(self, serve, app) -> Any:
        server = serve(app)
        server.connect().close()
        server.wait_for(lambda: "tollway.server" in server._state)
        server.memory = memory = MemoryBudget(1_000_000)
        server.service.memory = lambda: memory
        return server

    @pytest.mark.parametrize(
        "data",
        [
            NEXT + b"GET /" + b"a" * 50_000,
            b"GET /" + b"a" * 50_000,
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n" + b"x" * 50_000,
            CHUNKED + b"c350\r\n" + b"x" * 50_000,
        ],
        ids=["behind a request", "a head", "a body", "chunks"],
    )
    def test_it_counts_what_is_held(self, server, data: bytes):
        caller = server.connect()
        caller.send(data[:40_000])
        caller.send(data[40_000:])
        assert server.wait_for(lambda: 49_000 < server.memory.held < 51_000)
        caller.close()
        assert server.wait_for(lambda: server.memory.held == 0)

    def test_what_an_application_takes_is_its_own(self, echoing):
        echoing.ask(NEXT)
        memory = MemoryBudget(1_000_000)
        echoing.service.memory = lambda: memory
        caller = echoing.connect(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n")
        caller.send(b"x" * 200_000)
        caller.send(b"x" * 100_000 + NEXT)
        assert [200, 200] == [caller.answer().status, caller.answer().status]
        assert 0 == memory.held

    def test_another_budget_counts_what_comes_from_then_on(self, server):
        """Of a configuration that was loaded meanwhile: what was counted in the first is given back to it."""
        caller = server.connect(b"GET /" + b"a" * 20_000)
        server.wait_for(lambda: server.memory.held == 20_005)
        second = MemoryBudget(1_000_000)
        server.service.memory = lambda: second
        server.connect(b"GET /" + b"a" * 30_000)
        server.wait_for(lambda: second.held == 30_005)
        caller.close()
        server.wait_for(lambda: server.memory.held == 0)
        assert 30_005 == second.held

    def test_a_head_without_room_is_refused(self, server):
        server.memory.count_unread(760_000)
        answer = server.ask(b"GET /" + b"a" * 20_000)
        assert (503, "gateway_overloaded", b"1") == (
            answer.status,
            answer.json["error"]["code"],
            answer.headers[b"retry-after"],
        )
        assert server.wait_for(lambda: server.memory.held == 760_000)

    def test_requests_without_room_are_not_waited_for(self, server, app):
        """The one before them is answered, and says that no other is."""
        server.memory.count_unread(760_000)
        caller = server.connect(NEXT)
        server.wait_for(lambda: app.asked)
        exchange = server.exchange()
        caller.send(NEXT * 1000)
        server.wait_for(lambda: not exchange.keep_alive)
        server.in_loop(app.go_on.set)
        answer = caller.answer()
        assert (200, b"close") == (answer.status, answer.headers[b"connection"])
        assert b"" == caller.rest()
        assert 760_000 == server.memory.held

    def test_small_things_are_always_taken(self, server, app):
        server.memory.count_unread(2_000_000)
        caller = server.connect(b"GET /a HTT")
        server.connection()
        caller.send(b"P/1.1\r\nHost: x\r\n\r\n")
        server.wait_for(lambda: app.asked)
        caller.send(NEXT)
        server.in_loop(app.go_on.set)
        assert [200, 200] == [caller.answer().status, caller.answer().status]


def refusing(status: int = 404) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"no"})

    return app


ENDLESS = {
    "a long body": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000000\r\n\r\n", b"a"),
    "chunks": (CHUNKED, b"1000\r\n" + b"a" * 4096 + b"\r\n"),
    "a head": (b"GET / HTTP/1.1\r\nX-A: ", b"a"),
    "requests behind a last one": (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", NEXT),
    "garbage": (b"\0", b"\0"),
}


@pytest.mark.parametrize(("first", "unit"), ENDLESS.values(), ids=ENDLESS)
def test_what_follows_an_early_answer_is_not_read_without_end(serve, first: bytes, unit: bytes):
    """It is thrown away, up to a limit, so that the answer can be read; then the connection is gone."""
    server = serve(refusing())
    caller = server.connect(first)
    data = unit * (200_000_000 // len(unit))
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        caller.send(data)
    assert server.wait_for(lambda: not server.connections)


@pytest.mark.parametrize("size", [1, 300_000, 1_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_the_rest_of_a_short_body_is_read_for_the_next_request(serve, size: int, chunked: bool):
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size) if chunked else b"x" * size
    head = CHUNKED if chunked else b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
    caller = serve(refusing()).connect(head)
    answer = caller.answer()
    assert (404, None) == (answer.status, answer.headers.get(b"connection"))
    caller.send(body + NEXT)
    assert 404 == caller.answer().status


def test_a_long_body_is_not_waited_for(serve):
    """The answer says so, and comes through although the caller is still sending."""
    caller = serve(refusing(413)).connect(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 40000000\r\n\r\n")
    caller.send(b"x" * 500_000)
    answer = caller.answer()
    assert (413, b"close") == (answer.status, answer.headers[b"connection"])
    assert b"" == caller.rest()


def test_answers_leave_at_once(echoing):
    """No answer waits for the acknowledgement of the one before (TCP_NODELAY)."""
    echoing.connect(NEXT).answer()
    transport = echoing.connection().transport
    assert echoing.in_loop(
        lambda: transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    )
