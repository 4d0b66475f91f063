"""Where a body ends, whatever pieces it comes in."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.errors import RequestRejected
from tollway.gateway.server.body import Body, ChunkedBody, LengthBody


def fed(body: Body, pieces: list[bytes]) -> tuple[bytes, bytes]:
    """Feed pieces; return the body, and what came behind it."""
    taken = b""
    for index, piece in enumerate(pieces):
        taken += body.feed(piece)
        while body.rest and not body.complete:
            taken += body.feed(body.rest)
        if body.complete:
            return taken, body.rest + b"".join(pieces[index + 1 :])
    return taken, b""


def chunked(*pieces: bytes, extension: bytes = b"", trailers: bytes = b"") -> bytes:
    chunks = b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces)
    return chunks + b"0%b\r\n%b\r\n" % (extension, trailers)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


PLACES = st.lists(st.integers(0, 10_000), max_size=20)


@given(st.binary(min_size=1, max_size=300), st.binary(max_size=50), PLACES)
def test_a_body_of_known_length(content: bytes, behind: bytes, places: list[int]):
    body = LengthBody(len(content))
    assert (content, behind) == fed(body, cut(content + behind, places))
    assert body.complete


@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.binary(max_size=50), PLACES, st.booleans()
)
def test_a_body_in_chunks(chunks: list[bytes], behind: bytes, places: list[int], extended: bool):
    """Extensions and trailers are dropped; what is behind stays what it was."""
    extras = {"extension": b' ; a="b;c"', "trailers": b"x-a: 1\r\nContent-Length: 7\r\n"} if extended else {}
    body = ChunkedBody()
    assert (b"".join(chunks), behind) == fed(body, cut(chunked(*chunks, **extras) + behind, places))
    assert body.complete


@pytest.mark.parametrize(
    "size", [b"5", b"05", b"0000000000000000000000000000005", b"5;a", b"5;", b"5 ;a=b", b"5\t;\xe9"]
)
def test_a_chunk_size_may_be(size: bytes):
    assert (b"hello", b"") == fed(ChunkedBody(), [size + b"\r\nhello\r\n0\r\n\r\n"])


@pytest.mark.parametrize(
    "data",
    [
        *(
            b"\r\nhello",
            b" 5\r\n",
            b"5 \r\n",
            b"+5\r\n",
            b"-5\r\n",
            b"0x5\r\n",
            b"5_0\r\n",
            b"g\r\n",
            b"5,\r\n",
            b"\xb2\r\n",
        ),
        *(b"5\nhello", b"5\r\r\n", b"5;a\n", b"5;a\rb\r\n", b"5;a\0b\r\n", b"5;\x0b\r\n", b"5\0\r\n"),
        *(b"1" + b"0" * 15 + b"\r\n", b"f" * 16 + b"\r\n", b"f" * 17 + b"\r\n", b"8" + b"0" * 15 + b"\r\n"),
        *(
            b"5\r\nhelloX\r\n",
            b"5\r\nhelloXX0\r\n\r\n",
            b"5\r\nhello\n0\r\n",
            b"5\r\nhello0\r\n\r\n",
            b"5\r\nhello\r0\r\n",
        ),
        *(
            b"0\r\nx\r\n",
            b"0\r\n: a\r\n",
            b"0\r\nx y: a\r\n",
            b"0\r\nx : a\r\n",
            b"0\r\n x: a\r\n",
            b"0\r\nx: a\n\r\n",
        ),
        *(b"0\r\nx: a\0\r\n", b"0\r\nx: a\rb\r\n", b"0\r\n\n", b"0\n\r\n"),
    ],
)
@pytest.mark.parametrize("in_bytes", [False, True])
def test_what_is_not_chunked_is_rejected(data: bytes, in_bytes: bool):
    """Strictly: what two readers could take for two different lengths is no body."""
    body = ChunkedBody()
    pieces = [bytes([one]) for one in data] if in_bytes else [data]
    with pytest.raises(RequestRejected) as rejected:
        fed(body, pieces)
    assert (400, "invalid_chunk") == (rejected.value.failure.status, rejected.value.failure.code)
    assert not body.complete


def endless(body: Body, first: bytes, unit: bytes, limit: int) -> tuple[RequestRejected, int]:
    """Feed a unit again and again; return what ends it, and after how many bytes."""
    body.feed(first)
    fed_bytes = 0
    while fed_bytes < limit:
        try:
            body.feed(unit)
        except RequestRejected as rejected:
            return rejected, fed_bytes
        fed_bytes += len(unit)
    raise AssertionError("it never ends")


@pytest.mark.parametrize(
    ("first", "unit", "status"),
    [
        (b"5;", b"a", 400),
        (b"", b"0", 400),
        (b"", b"1;" + b"a" * 100 + b"\r\nx\r\n", 400),
        (b"0\r\nx: ", b"a" * 100, 431),
        (b"0\r\n", b"x: " + b"a" * 1000 + b"\r\n", 431),
        (b"0\r\n", b"x:\r\n", 431),
    ],
    ids=["an extension", "a size", "many extensions", "a trailer", "long trailers", "many trailers"],
)
def test_what_is_beside_a_body_is_bounded(first: bytes, unit: bytes, status: int):
    rejected, _ = endless(ChunkedBody(), first, unit, 200_000)
    assert status == rejected.failure.status


def test_chunks_of_one_byte_are_not_rejected_for_their_sizes():
    assert (b"x" * 50_000, b"") == fed(ChunkedBody(), [b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n"])


@pytest.mark.parametrize("size", [1, 7, 100])
def test_chunks_are_read_in_turns(size: int):
    """What one turn costs does not depend on how much came: the rest is for later."""
    data = b"%x\r\n%b\r\n" % (size, b"x" * size) * 10_000
    body = ChunkedBody()
    turns = [body.feed(data)]
    while body.rest:
        turns.append(body.feed(body.rest))
    assert 1024 * size >= max(map(len, turns))
    assert b"x" * size * 10_000 == b"".join(turns)


def test_nothing_but_tiny_chunks_is_rejected():
    with pytest.raises(RequestRejected) as rejected:
        fed(ChunkedBody(), [b"f\r\n%b\r\n" % (b"x" * 15) * 100_000])
    assert (400, "invalid_chunk") == (rejected.value.failure.status, rejected.value.failure.code)


def test_tiny_chunks_that_come_slowly_are_not_rejected():
    """Byte by byte, as a model at the other end of a pipe may write."""
    body = ChunkedBody()
    assert 100_000 == sum(len(body.feed(b"1\r\nx\r\n")) for _ in range(100_000))


def test_a_line_in_single_bytes_costs_what_it_has():
    """Twice the bytes take twice the time, not four times."""

    def took_s(size: int) -> float:
        body = ChunkedBody()
        body.feed(b"0\r\nx:")
        start_s = time.process_time()
        for _ in range(size):
            body.feed(b"a")
        return time.process_time() - start_s

    short_s = min(took_s(8_000) for _ in range(3))
    assert min(took_s(64_000) for _ in range(3)) < 24 * short_s  # eight times when linear, 64 when quadratic
