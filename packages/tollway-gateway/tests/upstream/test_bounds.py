"""What an upstream sends is bounded in each of its parts; over a bound the request fails."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest

from tollway.gateway.upstream.connection_core import ConnectionCore
from tollway.provider import ResponseError

from .conftest import CONNECT_S, post, run

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
LIMIT = 100_000


def repeating(start: bytes, unit: bytes, total: int = 64 * 1024 * 1024):
    """A script that sends `start`, then `unit` again and again; `sent` counts what got out."""
    block = unit * (65536 // len(unit))
    sent = [0]

    def script(exchange):
        exchange._connection.settimeout(20)
        with contextlib.suppress(OSError):
            exchange.send(start)
            while sent[0] < total:
                exchange.send(block)
                sent[0] += len(block)
        exchange.closed = True

    return script, sent


async def ask_whole(client, url):
    return await client.send(post(url), CONNECT_S)


async def ask_stream(client, url):
    stream = await client.open(post(url), CONNECT_S)
    try:
        while await stream.read():
            pass
    finally:
        stream.close()


@pytest.mark.parametrize("ask", [ask_whole, ask_stream])
@pytest.mark.parametrize(
    ("start", "unit"),
    [
        (b"HTTP/1.1 200 ", b"x"),
        (HEAD + b"x: ", b"x"),
        (HEAD, b"a: b\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"),
        (b"HTTP/1.1 103 Early Hints\r\nlink: ", b"x"),
        (CHUNKED + b"1;", b"x"),
        (CHUNKED + b"1\r\n{\r\n0\r\nx: ", b"x"),
        (CHUNKED + b"1\r\n{\r\n0\r\n", b"a: b\r\n"),
    ],
    ids=["reason", "value", "fields", "interim", "hints", "hint", "extension", "trailer", "trailers"],
)
def test_what_is_no_body_is_bounded(upstream, ask, start: bytes, unit: bytes):
    """Heads, interim answers, chunk extensions and trailers are cut off after 64 KiB without a body."""
    script, sent = repeating(start, unit)
    server = upstream(script)
    with pytest.raises(ResponseError, match="too large"):
        run(lambda client: ask(client, server.url))
    assert sent[0] < 32 * 1024 * 1024


@pytest.mark.parametrize("count", [256, 257])
def test_fields_are_counted(upstream, count: int):
    """A head of 256 fields is taken, one of 257 is not: a field takes more memory than its bytes."""
    head = HEAD + b"content-length: 2\r\n" + b"a: b\r\n" * (count - 1) + b"\r\n{}"
    server = upstream(lambda exchange: exchange.send(head))
    with contextlib.nullcontext() if count == 256 else pytest.raises(ResponseError, match="header"):
        run(lambda client: ask_whole(client, server.url))


@pytest.mark.parametrize("fields", [b"", b"content-length: %d\r\n" % (LIMIT + 1)])
def test_whole_answer_over_the_limit_is_refused(upstream, fields: bytes):
    """`max_answer_bytes` bounds a whole answer, with a stable code."""

    def script(exchange):
        with contextlib.suppress(OSError):
            exchange.send(HEAD + fields + b"\r\n" + b"x" * (LIMIT + 1))
        exchange.cut()

    server = upstream(script)
    with pytest.raises(ResponseError, match=f"{LIMIT} bytes") as caught:
        run(lambda client: ask_whole(client, server.url), max_answer_bytes=LIMIT)
    assert (502, "upstream_response_too_large") == (caught.value.status, caught.value.code)


@pytest.mark.parametrize("limit", [10, 65536, LIMIT])
def test_whole_answer_of_the_limit_is_taken(upstream, limit: int):
    server = upstream(lambda exchange: exchange.answer(b"x" * limit))
    response = run(lambda client: ask_whole(client, server.url), max_answer_bytes=limit)
    assert limit == len(response.body)


def test_announced_length_over_the_limit_is_not_waited_for(upstream):
    """An answer that says itself that it is too large is refused when its first bytes are there."""
    gone = threading.Event()

    def script(exchange):
        exchange.send(HEAD + b"content-length: 9999999999\r\n\r\n" + b"x" * 65537)
        exchange.wait_until_gone()
        gone.set()

    server = upstream(script)
    with pytest.raises(ResponseError, match="larger"):
        run(lambda client: ask_whole(client, server.url), max_answer_bytes=LIMIT)
    assert gone.wait(20)


def test_small_chunks_take_no_more_memory_than_their_bytes(upstream):
    """A whole answer in many tiny chunks arrives whole."""
    body = bytes(range(256)) * 100
    chunks = b"".join(b"2\r\n%b\r\n" % body[i : i + 2] for i in range(0, len(body), 2))
    server = upstream(lambda exchange: exchange.send(CHUNKED + chunks + b"0\r\n\r\n"))
    assert body == run(lambda client: ask_whole(client, server.url)).body


def test_error_body_is_cut(upstream):
    """Of an error's body the beginning is enough: the rest is not read, and the status stays."""
    script, sent = repeating(b"HTTP/1.1 503 X\r\nretry-after: 7\r\ncontent-length: 9999999999\r\n\r\n", b"x")
    server = upstream(script)
    response = run(lambda client: ask_whole(client, server.url))
    assert (503, "7", 256 * 1024) == (response.status, response.headers["retry-after"], len(response.body))
    assert sent[0] < 32 * 1024 * 1024


def test_stream_has_no_bound_in_sum(upstream):
    """A stream may be larger than a whole answer, for it is not held."""
    server = upstream(lambda exchange: exchange.answer(b"x" * 1_000_000))

    async def read(client):
        stream = await client.open(post(server.url), CONNECT_S)
        total = 0
        while piece := await stream.read():
            total += len(piece)
        stream.close()
        return total

    assert 1_000_000 == run(read, max_answer_bytes=LIMIT)


@pytest.mark.parametrize("ask", [ask_whole, ask_stream])
@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 000 X\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 099 X\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 101 X\r\n\r\n",
        b"HTTP/1.1 101 X\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nhello",
        HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        HEAD + b"content-length: 2, 2\r\n\r\n{}",
        HEAD + b"content-length: -2\r\n\r\n{}",
        HEAD + b"content-length: 99999999999999999999999\r\n\r\n{}",
        HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        HEAD + b"transfer-encoding: gzip\r\n\r\n{}",
        HEAD + b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        HEAD + b"x: a\rcontent-length: 2\r\n\r\n{}",
        HEAD + b"x: a\ncontent-length: 2\r\n\r\n{}",
        HEAD + b"content-length : 2\r\n\r\n{}",
        HEAD + b"x: a\r\n content-length: 9\r\ncontent-length: 2\r\n\r\n{}",
        b"<html>",
    ],
)
def test_answer_that_could_be_read_in_two_ways_is_refused(upstream, ask, head: bytes):
    """What does not say clearly where it ends (RFC 9112 section 6.3) is no answer."""

    def script(exchange):
        exchange.send(head)
        exchange.cut()

    server = upstream(script)
    with pytest.raises(ResponseError):
        run(lambda client: ask(client, server.url))


def test_methods_whose_answers_end_elsewhere_are_refused(upstream):
    """The answer to HEAD has a length and no body: the next answer would be taken for it."""
    server = upstream(lambda exchange: exchange.answer({}))
    for method in ("HEAD", "CONNECT"):
        with pytest.raises(Exception, match=method):
            run(lambda client, m=method: client.send(post(server.url)._replace(method=m), CONNECT_S))


def in_chunks(body: bytes, size: int) -> bytes:
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


@pytest.mark.parametrize("size", [1, 20])
def test_an_answer_in_tiny_chunks_comes_whole(upstream, size: int):
    """Whole or read as it comes, and its connection is used again."""
    body = bytes(range(97, 123)) * 1000
    data = CHUNKED + in_chunks(body, size) + b"0\r\n\r\n"
    server = upstream(lambda exchange: exchange.send(data))

    async def ask(client):
        whole = await client.send(post(server.url), CONNECT_S)
        stream = await client.open(post(server.url), CONNECT_S)
        read = b""
        while piece := await stream.read():
            read += piece
        stream.close()
        return whole.body, read

    assert (body, body) == run(ask)
    assert 1 == server.connections


@pytest.mark.parametrize("ask", [ask_whole, ask_stream])
def test_nothing_but_tiny_chunks_fails(upstream, ask):
    script, sent = repeating(CHUNKED, in_chunks(b"x" * 9000, 1))
    server = upstream(script)
    with pytest.raises(ResponseError, match="chunks of a few bytes"):
        run(lambda client: ask(client, server.url))
    assert sent[0] < 32 * 1024 * 1024


class Pausable(asyncio.Transport):
    """A transport that notes whether it is read."""

    reads = True
    aborted = False

    def write(self, data):
        pass

    def pause_reading(self):
        self.reads = False

    def resume_reading(self):
        self.reads = True

    def abort(self):
        self.aborted = True

    def is_closing(self):
        return self.aborted

    def get_write_buffer_size(self):
        return 0


def asked() -> tuple[ConnectionCore, Pausable]:
    """Return a connection that waits for an answer, and its transport."""
    connection, transport = ConnectionCore(asyncio.get_running_loop()), Pausable()
    connection.connection_made(transport)
    connection.ask(b"x")
    return connection, transport


def test_chunks_are_read_in_turns():
    """What is read at once is parsed little by little, and nothing more is read meanwhile."""

    async def turns():
        connection, transport = asked()
        connection.data_received(CHUNKED + in_chunks(b"x" * 40_000, 1))
        yield connection.read_nowait()
        while not transport.reads:
            await asyncio.sleep(0)
            yield connection.read_nowait() or b""

    async def read():
        return [len(piece) async for piece in turns()]

    sizes = asyncio.run(read())
    assert (40_000, True) == (sum(sizes), max(sizes) < 8000)


def test_what_comes_behind_an_answer_ends_the_connection_at_its_turn():
    async def ask():
        connection, transport = asked()
        answer = CHUNKED + in_chunks(b"x" * 20_000, 1) + b"0\r\n\r\n"
        connection.data_received(answer + b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n" + b"x" * 40_000)
        for _ in range(10):
            await asyncio.sleep(0)
        assert (True, False) == (connection.complete, connection.reusable)
        assert transport.aborted

    asyncio.run(ask())
