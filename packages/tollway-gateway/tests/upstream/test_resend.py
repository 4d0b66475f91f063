"""A request is sent a second time only where the first was not worked on (RFC 9110 section 9.2.2)."""

from __future__ import annotations

import pytest

from tollway.gateway.upstream import HTTP1Client
from tollway.provider import UpstreamConnectionError

from .conftest import CONNECT_S, post, run


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def closing_second(upstream, clock: Clock, after_s: float, first_bytes: bytes = b""):
    """An upstream that answers each connection's first request, and closes on its second after so long."""
    seen = {}

    def script(exchange):
        count = seen[exchange._connection] = seen.get(exchange._connection, 0) + 1
        if count == 1:
            exchange.answer({"connection": server.connections})
            return
        clock.now_s += after_s
        if first_bytes:
            exchange.send(first_bytes)
        exchange.cut()

    server = upstream(script)
    return server


async def twice(client: HTTP1Client, url: str, method: str = "POST") -> bytes:
    await client.send(post(url)._replace(method=method), CONNECT_S)
    return (await client.send(post(url)._replace(method=method), CONNECT_S)).body


@pytest.mark.parametrize(("method", "after_s"), [("POST", 0.0), ("POST", 0.04), ("PUT", 3.0), ("GET", 3.0)])
def test_closed_within_a_round_trip_is_sent_again(upstream, method: str, after_s: float):
    """The upstream closed its unused connection as the request was on its way: once more, and counted."""
    clock, resends = Clock(), []
    server = closing_second(upstream, clock, after_s)
    body = run(
        lambda client: twice(client, server.url, method), clock=clock, on_resend=lambda: resends.append(1)
    )
    assert b'{"connection": 2}' == body
    assert (3, [1]) == (server.requests.qsize(), resends)


@pytest.mark.parametrize(
    ("after_s", "first_bytes"),
    [(0.06, b""), (3.0, b""), (0.0, b"H"), (0.0, b"HTTP/1.1 100 Continue\r\n\r\n")],
)
def test_what_may_have_been_worked_on_is_not_sent_again(upstream, after_s: float, first_bytes: bytes):
    """An upstream that took its time, or had begun to answer, may have done the work, and will bill it."""
    clock, resends = Clock(), []
    server = closing_second(upstream, clock, after_s, first_bytes)
    with pytest.raises(UpstreamConnectionError):
        run(lambda client: twice(client, server.url), clock=clock, on_resend=lambda: resends.append(1))
    assert (2, []) == (server.requests.qsize(), resends)


@pytest.mark.parametrize(
    ("connected_in_s", "after_s", "sent"), [(0.2, 0.15, 3), (0.2, 0.25, 2), (9.0, 0.6, 2)]
)
def test_far_upstream_has_a_longer_round_trip(upstream, connected_in_s: float, after_s: float, sent: int):
    """A round trip is what it took to connect, up to half a second."""
    clock = Clock()
    server = closing_second(upstream, clock, after_s)

    async def far(client):
        await client.send(post(server.url), CONNECT_S)
        (pool,) = client._pools.values()
        pool._idle[0].connected_in_s = connected_in_s
        return await client.send(post(server.url), CONNECT_S)

    try:
        run(far, clock=clock)
    except UpstreamConnectionError:
        assert sent == 2
    assert sent == server.requests.qsize()


def test_second_failure_is_final(upstream):
    """A request goes out twice at most."""
    seen = []

    def script(exchange):
        seen.append(exchange)
        if len(seen) == 1:
            exchange.answer({})
        else:
            exchange.cut()

    server = upstream(script)
    with pytest.raises(UpstreamConnectionError):
        run(lambda client: twice(client, server.url), clock=Clock())
    assert 3 == len(seen)
