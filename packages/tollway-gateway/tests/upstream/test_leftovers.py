"""Bytes that no request asked for: the connection they came on is never used again."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest

from tollway.gateway.outbox import outbox_of
from tollway.gateway.upstream._dial import dial
from tollway.gateway.upstream._request import target_of
from tollway.provider import UpstreamConnectionError

from .conftest import CONNECT_S, post, run

GOOD = b'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n"good"'
EVIL = b'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n"evil"'


async def ask_whole(client, url):
    return (await client.send(post(url), CONNECT_S)).body


async def ask_stream(client, url):
    stream = await client.open(post(url), CONNECT_S)
    body = b""
    while piece := await stream.read():
        body += piece
    stream.close()
    return body


@pytest.mark.parametrize("ask", [ask_whole, ask_stream])
@pytest.mark.parametrize(
    ("first", "body"),
    [
        (GOOD + EVIL, b'"good"'),
        (GOOD + EVIL[:1], b'"good"'),
        (GOOD + EVIL[:20], b'"good"'),
        (GOOD + b"x", b'"good"'),
        (GOOD + b"\0" * 70_000, b'"good"'),
        (GOOD.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n") + EVIL, b'"good"'),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n" + EVIL, b"1"),
        (b"HTTP/1.1 204 No Content\r\ncontent-length: 6\r\n\r\n" + b'"evil"', b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n" + EVIL, b""),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 6\r\n\r\n" + EVIL, b""),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + GOOD + EVIL, b'"good"'),
    ],
)
def test_bytes_behind_an_answer_cost_the_connection(upstream, ask, first: bytes, body: bytes):
    """The answer stands, and the next request is answered on another connection."""
    server = upstream(lambda exchange: exchange.send(first if server.connections == 1 else GOOD))

    async def twice(client):
        return await ask(client, server.url), await ask(client, server.url)

    assert (body, b'"good"') == run(twice)
    assert 2 == server.connections


def test_bytes_between_requests_cost_the_connection(upstream):
    """What comes while a connection is unused closes it, before anyone asks on it."""
    idle, gone = threading.Event(), threading.Event()

    def script(exchange):
        exchange.send(GOOD)
        if server.connections == 1:
            idle.wait(20)
            exchange.send(EVIL)
            exchange.wait_until_gone()
            gone.set()

    server = upstream(script)

    async def twice(client):
        await ask_whole(client, server.url)
        idle.set()
        await asyncio.to_thread(gone.wait, 20)
        return await ask_whole(client, server.url)

    assert b'"good"' == run(twice)
    assert 2 == server.connections


def test_upstream_that_speaks_first_is_hung_up_on(upstream):
    """Bytes that are there before anything was asked are no answer: asking on that connection fails."""
    gone = threading.Event()

    def speak_first(connection):
        connection.sendall(EVIL)
        connection.settimeout(20)
        with contextlib.suppress(ConnectionResetError):
            connection.recv(1)
        gone.set()

    server = upstream(lambda exchange: None)
    server._talk = speak_first

    async def connect(client):
        connection = await dial(target_of(server.url).origin, None, client._shared.tls, client._clock)
        await asyncio.to_thread(gone.wait, 20)
        connection.ask(b"POST / HTTP/1.1\r\n\r\n")

    with pytest.raises(UpstreamConnectionError):
        run(connect)


def test_answer_before_the_request_left_is_no_answer(upstream):
    """A request still in the outbox has no answer: what arrives by then was sent to nobody."""
    arrived = threading.Event()

    def script(exchange):
        exchange.send(GOOD)
        if server.connections == 1:
            arrived.wait(20)
            exchange.send(EVIL)
            exchange.wait_until_gone()

    server = upstream(script)

    async def twice(client):
        outbox = outbox_of(asyncio.get_running_loop())
        await ask_whole(client, server.url)
        connection = client._pools[next(iter(client._pools))]._idle[-1]
        posted = []
        outbox.requests, outbox.post = 2, posted.append
        arrived.set()
        waiter = asyncio.ensure_future(connection.ask(b"POST / HTTP/1.1\r\n\r\n"))
        with pytest.raises(UpstreamConnectionError):
            await waiter
        assert connection.is_unsent
        return connection.may_resend("POST")

    assert run(twice)
