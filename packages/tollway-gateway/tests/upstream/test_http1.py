from __future__ import annotations

import asyncio
import contextlib
import random
import threading

import pytest

from tollway.gateway.upstream import HTTP1Client
from tollway.provider import (
    ProviderError,
    ResponseError,
    UpstreamConnectionError,
    UpstreamTimeoutError,
)

from .conftest import CONNECT_S, post, run


def test_sends_what_it_was_given(upstream):
    """Method, path, query, headers and body arrive as the provider made them."""
    server = upstream(lambda exchange: exchange.answer({"ok": True}))
    request = post(f"{server.url}/v1/chat?x=1", b'{"a": 1}', ("authorization", "Bearer k"))
    response = run(lambda client: client.send(request, CONNECT_S))
    seen = server.requests.get_nowait()
    assert (seen.method, seen.path, seen.body) == ("POST", "/v1/chat?x=1", b'{"a": 1}')
    assert seen.headers["authorization"] == "Bearer k"
    assert seen.headers["host"] == f"127.0.0.1:{server.port}"
    assert (response.status, response.body) == (200, b'{"ok": true}')
    assert response.headers["content-type"] == "application/json"


def test_keeps_its_connection(upstream):
    """Requests one after another share a connection."""
    server = upstream(lambda exchange: exchange.answer({}))

    async def thrice(client):
        for _ in range(3):
            await client.send(post(server.url), CONNECT_S)

    run(thrice)
    assert server.connections == 1


def test_large_answers_are_whole(upstream):
    """An answer larger than every buffer arrives whole."""
    body = bytes(range(256)) * 8192
    server = upstream(lambda exchange: exchange.answer(body))
    assert run(lambda client: client.send(post(server.url), CONNECT_S)).body == body


def test_answer_that_lasts_until_the_connection_does(upstream):
    """A body without a length ends with its connection, which is not kept."""

    def script(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
        exchange.cut()

    server = upstream(script)
    assert run(lambda client: client.send(post(server.url), CONNECT_S)).body == b"until the end"


def test_interim_answers_are_skipped(upstream):
    """A 103 before the answer is not the answer."""

    def script(exchange):
        exchange.send(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")
        exchange.answer({"real": 1})

    server = upstream(script)
    response = run(lambda client: client.send(post(server.url), CONNECT_S))
    assert (response.status, response.body) == (200, b'{"real": 1}')
    assert "link" not in response.headers


def test_redirects_are_not_followed(upstream):
    """A redirect is an answer: a key never follows it to another host."""
    server = upstream(lambda exchange: exchange.answer({}, 302, "location: http://example.com/\r\n"))
    response = run(lambda client: client.send(post(server.url), CONNECT_S))
    assert (response.status, response.headers["location"]) == (302, "http://example.com/")


def test_stale_connection_is_replaced(upstream):
    """A kept connection that the upstream has closed does not fail the next request."""

    def script(exchange):
        exchange.answer({})
        exchange.cut()

    server = upstream(script)

    async def twice(client):
        await client.send(post(server.url), CONNECT_S)
        return await client.send(post(server.url), CONNECT_S)

    assert run(twice).status == 200


def test_cut_answer_is_an_error(upstream):
    """Half an answer is never passed off as one."""

    def script(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
        exchange.cut()

    server = upstream(script)
    with pytest.raises(UpstreamConnectionError):
        run(lambda client: client.send(post(server.url), CONNECT_S))


def test_silent_hang_up_on_a_new_connection_is_an_error(upstream):
    """A request is not sent twice when a new connection fails."""
    server = upstream(lambda exchange: exchange.cut())
    with pytest.raises(UpstreamConnectionError):
        run(lambda client: client.send(post(server.url), CONNECT_S))
    assert server.requests.qsize() == 1


def test_answer_that_is_not_http(upstream):
    server = upstream(lambda exchange: exchange.send(b"SSH-2.0-OpenSSH\r\n"))
    with pytest.raises(ResponseError):
        run(lambda client: client.send(post(server.url), CONNECT_S))


def test_endless_header_is_refused(upstream):
    """A header without end does not fill the memory."""
    server = upstream(lambda exchange: exchange.send(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 40_000))
    with pytest.raises(ResponseError):
        run(lambda client: client.send(post(server.url), CONNECT_S))


def test_refused_connection_names_no_address(upstream):
    """What the caller is told of a dead upstream holds no address."""
    server = upstream(lambda exchange: None)
    server.close()
    with pytest.raises(UpstreamConnectionError) as caught:
        run(lambda client: client.send(post(f"{server.url}/?key=secret"), CONNECT_S))
    assert "refused" in caught.value.message
    assert str(server.port) not in caught.value.message
    assert "secret" not in caught.value.message


def test_connect_time_limit():
    """A host that never answers a connection attempt costs `connect_s`, and is a 504."""
    with pytest.raises(UpstreamTimeoutError):
        run(lambda client: client.send(post("http://10.255.255.1:9/"), 0.0))


def test_stream_is_read_as_it_comes(upstream):
    """Each piece is there when it was sent: the next is sent only after it was read."""
    go_on = threading.Semaphore(0)

    def script(exchange):
        exchange.begin_stream()
        for piece in (b"one", b"two"):
            exchange.chunk(piece)
            go_on.acquire(timeout=20)
        exchange.end_stream()

    server = upstream(script)

    async def read(client):
        stream = await client.open(post(server.url), CONNECT_S)
        pieces = []
        while piece := await stream.read():
            pieces.append(piece)
            go_on.release()
        stream.close()
        return pieces

    assert run(read) == [b"one", b"two"]


def test_slow_reader_holds_the_upstream_back(upstream):
    """A stream that nobody reads stops its sender instead of filling the memory."""
    sent = 0
    stuck = threading.Event()

    def script(exchange):
        nonlocal sent
        exchange._connection.settimeout(1)
        exchange.begin_stream()
        try:
            while sent < 200 * 1024 * 1024:
                exchange.chunk(b"x" * 65536)
                sent += 65536
        except TimeoutError:
            stuck.set()
            exchange.closed = True

    server = upstream(script)

    async def wait(client):
        stream = await client.open(post(server.url), CONNECT_S)
        await asyncio.to_thread(stuck.wait, 20)
        stream.close()

    run(wait)
    assert stuck.is_set()
    assert sent < 100 * 1024 * 1024


@pytest.mark.parametrize("phase", ["head", "body"])
def test_cancelling_hangs_up(upstream, phase: str):
    """Who is cancelled while it waits leaves no call running upstream, before the head or after."""

    def script(exchange):
        if phase == "body":
            exchange.begin_stream()
            exchange.chunk(b"begun")
        exchange.wait_until_gone()

    server = upstream(script)

    async def cancel(client):
        task = asyncio.create_task(client.send(post(server.url), CONNECT_S))
        exchange = await asyncio.to_thread(server.requests.get, timeout=20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await asyncio.to_thread(exchange.gone.wait, 20)

    assert run(cancel)


def test_closing_an_unfinished_stream_hangs_up(upstream):
    def script(exchange):
        exchange.begin_stream()
        exchange.chunk(b"begun")
        exchange.wait_until_gone()

    server = upstream(script)

    async def leave(client):
        stream = await client.open(post(server.url), CONNECT_S)
        assert await stream.read() == b"begun"
        stream.close()
        return await asyncio.to_thread(server.requests.get(timeout=20).gone.wait, 20)

    assert run(leave)


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "a\0b", "snow ☃"])
def test_header_that_would_break_the_request_is_refused(upstream, value: str):
    """A key with a line break in it makes no second header."""
    server = upstream(lambda exchange: exchange.answer({}))
    with pytest.raises(ProviderError) as caught:
        run(lambda client: client.send(post(server.url, b"", ("authorization", value)), CONNECT_S))
    assert value not in caught.value.message
    assert server.connections == 0


@pytest.mark.parametrize(
    "url", ["ftp://x/", "nonsense", "http://", "http://x:99999/", "http://a b/", "http://é/"]
)
def test_address_that_is_none_is_refused(url: str):
    with pytest.raises(ProviderError):
        run(lambda client: client.send(post(url), CONNECT_S))


def test_plain_proxy_gets_the_whole_url(upstream):
    """With `HTTP_PROXY`, requests go to the proxy, with its credentials and the whole URL."""
    proxy = upstream(lambda exchange: exchange.answer({}))
    environ = {"HTTP_PROXY": f"http://me:p%20w@127.0.0.1:{proxy.port}"}
    run(lambda client: client.send(post("http://models.test/v1"), CONNECT_S), environ)
    seen = proxy.requests.get_nowait()
    assert seen.path == "http://models.test/v1"
    assert seen.headers["proxy-authorization"] == "Basic bWU6cCB3"


@pytest.mark.parametrize("no_proxy", ["127.0.0.1", "*", "other.test, 127.0.0.1"])
def test_no_proxy_names_what_is_reached_directly(upstream, no_proxy: str):
    server = upstream(lambda exchange: exchange.answer({}))
    environ = {"HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": no_proxy}
    run(lambda client: client.send(post(f"{server.url}/direct"), CONNECT_S), environ)
    assert server.requests.get_nowait().path == "/direct"


@pytest.mark.parametrize("seed", range(40))
def test_garbage_is_an_answer_or_a_provider_error(upstream, seed: int):
    """Whatever bytes an upstream sends, the call ends, and in nothing but the errors of the contract."""
    chance = random.Random(seed)
    pieces = [b"HTTP/1.1 200 OK\r\n", b"content-length: 3\r\n", b"transfer-encoding: chunked\r\n", b"\r\n"]
    pieces += [b"3\r\nabc\r\n", b"0\r\n\r\n", b"HTTP/1.1 101 Up\r\n", b"\x00\xff", b"abc", b"upgrade: x\r\n"]

    def script(exchange):
        exchange.send(b"".join(chance.choices(pieces, k=chance.randint(1, 8))))
        exchange.cut()

    server = upstream(script)
    with contextlib.suppress(ProviderError):
        run(lambda client: client.send(post(server.url), CONNECT_S))


def test_connections_are_never_more_than_the_limit(upstream):
    """Who needs one more waits for its turn, and gets it on a connection that is given back."""
    server = upstream(lambda exchange: exchange.answer({}))

    async def ten():
        client = HTTP1Client({}, max_connections=2)
        answers = await asyncio.gather(*(client.send(post(server.url), CONNECT_S) for _ in range(10)))
        await client.close()
        return [answer.status for answer in answers]

    assert asyncio.run(ten()) == [200] * 10
    assert server.connections <= 2


def test_turns_that_nobody_takes_are_passed_on(upstream):
    """Waiting for a connection is part of `connect`, and a waiter that left does not keep its place."""
    release = threading.Event()

    def script(exchange):
        if exchange.path == "/slow":
            release.wait(20)
        exchange.answer({})

    server = upstream(script)

    async def crowd():
        client = HTTP1Client({}, max_connections=1)
        slow = asyncio.create_task(client.send(post(f"{server.url}/slow"), CONNECT_S))
        await asyncio.to_thread(server.requests.get, timeout=20)
        gone = asyncio.create_task(client.send(post(server.url), CONNECT_S))
        with pytest.raises(UpstreamTimeoutError):
            await client.send(post(server.url), 0.01)
        gone.cancel()
        last = asyncio.create_task(client.send(post(server.url), CONNECT_S))
        await asyncio.sleep(0)
        release.set()
        statuses = [(await slow).status, (await last).status]
        await client.close()
        return statuses

    assert asyncio.run(crowd()) == [200, 200]


def test_heads_are_kept_apart_by_their_headers(upstream):
    """A head that is found again is that of the same headers, and fields of one request stay with it."""
    server = upstream(lambda exchange: exchange.answer({}))

    async def three(client):
        await client.send(post(server.url, b"{}", ("x-key", "a")), CONNECT_S, b"traceparent: 1\r\n")
        await client.send(post(server.url, b"{}", ("x-key", "b")), CONNECT_S)
        await client.send(post(server.url, b"{}", ("x-key", "a")), CONNECT_S, b"traceparent: 2\r\n")

    run(three)
    seen = [server.requests.get_nowait().headers for _ in range(3)]
    assert [("a", "1"), ("b", None), ("a", "2")] == [(h["x-key"], h.get("traceparent")) for h in seen]
