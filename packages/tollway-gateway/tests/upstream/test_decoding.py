"""Answers that are compressed although none was asked for are read all the same, within the same bounds."""

from __future__ import annotations

import gzip
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from tollway.gateway.upstream._decoding import Decoder, UnknownCodingError, decoder_of
from tollway.provider import ResponseError, UpstreamConnectionError

from .conftest import CONNECT_S, post, run

TEXT = b'{"text": "' + b"ha " * 50_000 + b'"}'
BOMB = gzip.compress(bytes(50_000_000))
LIMIT = 1_000_000


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def in_members(data: bytes) -> bytes:
    half = len(data) // 2
    return gzip.compress(data[:half]) + gzip.compress(data[half:]) + b"\0" * 20


CODED = [
    pytest.param("gzip", gzip.compress, id="gzip"),
    pytest.param("X-GZip", gzip.compress, id="x-gzip"),
    pytest.param("gzip", in_members, id="members and padding"),
    pytest.param("deflate", zlib.compress, id="zlib"),
    pytest.param("deflate", raw_deflate, id="raw deflate"),
    pytest.param("identity", bytes, id="identity"),
    pytest.param("identity, gzip", gzip.compress, id="identity and gzip"),
]

Compress = Callable[[bytes], bytes]


def answering(body: bytes, coding: str, status: int = 200):
    return lambda exchange: exchange.answer(body, status, f"content-encoding: {coding}\r\n")


def test_no_coding_is_asked_for(upstream):
    """Without the field an upstream may choose any coding (RFC 9110 section 12.5.3)."""
    server = upstream(lambda exchange: exchange.answer({}))
    run(lambda client: client.send(post(server.url), CONNECT_S))
    run(lambda client: client.send(post(server.url, b"", ("Accept-Encoding", "gzip")), CONNECT_S))
    seen = [server.requests.get_nowait().headers["accept-encoding"] for _ in range(2)]
    assert ["identity", "gzip"] == seen


@pytest.mark.parametrize("status", [200, 429])
@pytest.mark.parametrize(("coding", "compress"), CODED)
def test_whole_answers_are_decoded(upstream, coding: str, compress: Compress, status: int):
    server = upstream(answering(compress(TEXT), coding, status))
    response = run(lambda client: client.send(post(server.url), CONNECT_S))
    assert (status, TEXT) == (response.status, response.body)


@pytest.mark.parametrize(("coding", "compress"), CODED)
def test_streams_are_decoded_as_they_come(upstream, coding: str, compress: Compress):
    """Whatever pieces a compressed stream comes in, what it says is the same."""
    coded = compress(TEXT)

    def script(exchange):
        exchange.send(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-encoding: %b\r\n\r\n" % coding.encode()
        )
        exchange.chunk(coded[:1])
        for at in range(1, len(coded), 97):
            exchange.chunk(coded[at : at + 97])
        exchange.end_stream()

    server = upstream(script)
    assert TEXT == run(lambda client: read_all(client, server.url))


async def read_all(client, url: str) -> bytes:
    stream = await client.open(post(url), CONNECT_S)
    body = b""
    try:
        while piece := await stream.read():
            body += piece
    finally:
        stream.close()
    return body


def test_event_is_there_when_it_was_flushed(upstream):
    """A compressed event is passed on when the upstream flushed it, not at the end."""
    compressor = zlib.compressobj(wbits=31)
    pieces = [compressor.compress(b"data: 1\n\n") + compressor.flush(zlib.Z_SYNC_FLUSH)]
    pieces.append(compressor.compress(b"data: 2\n\n") + compressor.flush())

    def script(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-encoding: gzip\r\n\r\n")
        exchange.chunk(pieces[0])
        exchange._connection.recv(1)

    server = upstream(script)

    async def first(client):
        stream = await client.open(post(server.url), CONNECT_S)
        piece = await stream.read()
        stream.close()
        return piece

    assert b"data: 1\n\n" == run(first)


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "gzip, br", "\xff", "x" * 300])
def test_unknown_codings_are_refused(upstream, coding: str):
    """What cannot be decoded is a 502 that says so; an error keeps its status, without a body."""
    server = upstream(answering(b"???", coding))
    for ask in (lambda client: client.send(post(server.url), CONNECT_S), lambda c: read_all(c, server.url)):
        with pytest.raises(ResponseError, match="content coding") as caught:
            run(ask)
        assert (502, "upstream_unknown_encoding") == (caught.value.status, caught.value.code)
        assert len(caught.value.message) < 250
    failing = upstream(answering(b"???", coding, 429))
    response = run(lambda client: client.send(post(failing.url), CONNECT_S))
    assert (429, b"") == (response.status, response.body)


def test_whole_answer_is_bounded_decoded(upstream):
    """50 kB that stand for 50 MB are refused, and never take their memory."""
    server = upstream(answering(BOMB, "gzip"))

    async def measured(client):
        tracemalloc.start()
        try:
            with pytest.raises(ResponseError, match="larger"):
                await client.send(post(server.url), CONNECT_S)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert run(measured, max_answer_bytes=LIMIT) < 4 * LIMIT


def test_error_is_cut_decoded(upstream):
    """Of a compressed error the beginning is decoded."""
    server = upstream(answering(BOMB, "gzip", 500))
    response = run(lambda client: client.send(post(server.url), CONNECT_S))
    assert (500, 256 * 1024) == (response.status, len(response.body))


def test_stream_is_decoded_in_bounded_pieces(upstream):
    """A bomb in a stream flows like one that is not compressed."""
    server = upstream(answering(BOMB, "gzip"))

    async def largest(client):
        stream = await client.open(post(server.url), CONNECT_S)
        sizes = []
        while piece := await stream.read():
            sizes.append(len(piece))
        stream.close()
        return max(sizes), sum(sizes)

    assert (65536, 50_000_000) == run(largest)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (gzip.compress(TEXT)[:-9], "too early"),
        (gzip.compress(TEXT)[:1], "too early"),
        (b"plain text", "damaged"),
        (gzip.compress(TEXT)[:-8] + b"\0" * 8, "damaged"),
    ],
)
def test_damaged_answers_are_errors(upstream, body: bytes, message: str):
    """Half of what was compressed, or something else, is never passed off as an answer."""
    server = upstream(answering(body, "gzip"))
    with pytest.raises(ResponseError, match=message):
        run(lambda client: client.send(post(server.url), CONNECT_S))
    with pytest.raises((ResponseError, UpstreamConnectionError), match=message):
        run(lambda client: read_all(client, server.url))
    failing = upstream(answering(body, "gzip", 500))
    assert 500 == run(lambda client: client.send(post(failing.url), CONNECT_S)).status


def test_empty_body_needs_no_decoding(upstream):
    """An answer without a body may name a coding all the same."""
    server = upstream(answering(b"", "gzip"))
    assert b"" == run(lambda client: client.send(post(server.url), CONNECT_S)).body


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_bound_is_kept_in_every_step(size: int):
    """`decode` gives at most what was asked for, and says when there is more."""
    decoder = Decoder("gzip")
    decoded = decoder.decode(gzip.compress(TEXT), size)
    while decoder.pending:
        piece = decoder.decode(b"", size)
        assert len(piece) <= size
        decoded += piece
    assert decoder.at_end
    assert TEXT == decoded


def test_empty_members_are_bounded():
    """A file of nothing but empty members costs no more than the first of them."""
    decoder = decoder_of(b"gzip")
    assert decoder is not None
    with pytest.raises(ResponseError, match="too many parts"):
        decoder.decode(gzip.compress(b"") * 100_000, 10)


def test_time_is_linear_in_small_members():
    """Members that are small, but not too small, cost the same each, however many there are."""

    def cpu_s(count: int) -> float:
        body = gzip.compress(bytes(100)) * count
        began_s = time.process_time()
        Decoder("gzip").decode(body, 10_000_000)
        return time.process_time() - began_s

    cpu_s(100)
    assert cpu_s(16_000) < 50 * cpu_s(2_000)


def test_nothing_to_decode():
    assert decoder_of(b"") is None
    assert decoder_of(b", identity ,") is None
    with pytest.raises(UnknownCodingError):
        decoder_of(b"br")
