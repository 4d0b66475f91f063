"""Requests behind one another: read when there is room, answered in order, and nothing is kept of them."""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tollway.gateway.server.body import ChunkedBody, LengthBody
from tollway.gateway.server.exchange import Exchange
from tollway.gateway.server.head import RequestHead
from tollway.gateway.server.http1 import HTTPProtocol

NEXT = b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n"
MADE = (Exchange, HTTPProtocol, RequestHead, LengthBody, ChunkedBody)


def get(path: str, lines: bytes = b"") -> bytes:
    return b"GET /%b HTTP/1.1\r\nHost: x\r\n%b\r\n" % (path.encode(), lines)


def post(path: str, body: bytes) -> bytes:
    return b"POST /%b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (path.encode(), len(body), body)


def post_in_chunks(path: str, body: bytes) -> bytes:
    head = b"POST /%b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" % path.encode()
    return head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


@pytest.mark.parametrize("step", [1, 7, 1000, 10_000_000])
def test_answers_keep_the_order_of_requests(echoing, echo, step: int):
    """However requests are cut into packets, also with bodies of both kinds."""
    asked = []
    data = b""
    for number in range(30):
        body = b"%d" % number * (200 if number % 3 else 1)
        data += (post, post_in_chunks)[number % 2](str(number), body)
        asked.append(("POST", f"/{number}", body))
    caller = echoing.connect()
    for start in range(0, len(data), step):
        caller.send(data[start : start + step])
    assert [f"/{number}" for number in range(30)] == [caller.answer().json["path"] for _ in range(30)]
    assert asked == echo.seen


def test_large_bodies_may_follow_one_another(echoing, echo):
    bodies = [bytes([number]) * 300_000 for number in range(4)]
    caller = echoing.connect(
        b"".join((post, post_in_chunks)[i % 2]("a", body) for i, body in enumerate(bodies))
    )
    assert [200] * 4 == [caller.answer().status for _ in bodies]
    assert bodies == [body for _, _, body in echo.seen]


class OneAtATime:
    """An application that counts how many requests it has at once."""

    def __init__(self) -> None:
        self.running = 0
        self.most = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        for _ in range(3):
            await asyncio.sleep(0)
        self.running -= 1
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})


def test_a_connection_has_one_request_at_a_time(serve):
    app = OneAtATime()
    caller = serve(app).connect(NEXT * 50)
    assert [200] * 50 == [caller.answer().status for _ in range(50)]
    assert 1 == app.most


def test_nothing_follows_the_last_request(echoing, echo):
    """What a caller sends behind `Connection: close` is not asked."""
    caller = echoing.connect(get("last", b"Connection: close\r\n") + NEXT)
    assert 200 == caller.answer().status
    assert b"" == caller.rest()
    assert ["/last"] == [path for _, path, _ in echo.seen]


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def made() -> Counter[str]:
    return Counter(type(thing).__name__ for thing in gc.get_objects() if type(thing) in MADE)


async def never(scope: Any, receive: Any, send: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@pytest.mark.parametrize(
    "behind",
    [NEXT * 2000, post("a", b"x" * 100)[:-10], b"GARBAGE", NEXT + b"\0"],
    ids=["requests", "half a body", "half a head", "garbage"],
)
@pytest.mark.parametrize("asked", [b"", NEXT], ids=["nothing under way", "a request under way"])
def test_nothing_is_left_of_a_connection_that_is_gone(serve, no_collector, asked: bytes, behind: bytes):
    """Without Python's collector; and no request that never ran was ever made."""
    server = serve(never)
    before = made()
    callers = [server.connect(asked + behind) for _ in range(3)]
    server.wait_for(lambda: len(server.connections) == 3)
    exchanges = server.wait_for(lambda: made()["Exchange"] - before["Exchange"] <= 3)
    assert exchanges
    for caller in callers:
        caller.close()
    end_s = time.monotonic() + 20
    while made() != before and time.monotonic() < end_s:
        server.in_loop(lambda: None)
    assert before == made()


def test_nothing_is_left_of_refused_requests(serve, no_collector):
    server = serve(never)
    before = made()
    for data in (
        b"\0",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        post("a", b"x").replace(b"1.1", b"1.7"),
    ):
        caller = server.connect(data)
        assert caller.answer().status in (400, 505)
        caller.close()
    end_s = time.monotonic() + 20
    while made() != before and time.monotonic() < end_s:
        server.in_loop(lambda: None)
    assert before == made()


def test_an_idle_connection_keeps_nothing_of_its_last_request(echoing, no_collector):
    before = made()
    caller = echoing.connect(post("a", b"x" * 1000))
    caller.answer()
    assert Counter(HTTPProtocol=1) == echoing.wait_for(
        lambda: made() - before if made()["Exchange"] == before["Exchange"] else None
    )


def test_a_hang_up_is_noticed_behind_requests_that_wait(serve):
    """As long as they are few: when there are many, the connection is not read."""
    gone = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await never(scope, receive, send)
        gone.set()

    server = serve(app)
    caller = server.connect(NEXT * 10)
    server.exchange()
    caller.close()
    assert server.wait_for(gone.is_set)
