"""Bodies in gzip, deflate and zstd are read like others, within the same bounds."""

from __future__ import annotations

import gzip
import json
import sys
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from tollway.gateway.errors import RequestRejected
from tollway.gateway.guard.memory import Hold, MemoryBudget
from tollway.gateway.pipeline.compressed_body import decompress

zstd = pytest.importorskip("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")

CHAT = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "hi" * 100}]}).encode()
PATH = "/v1/chat/completions"
ZEROS = bytes(50_000_000)
MAX = 1_000_000

Compress = Callable[[bytes], bytes]


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def in_frames(data: bytes) -> bytes:
    return zstd.compress(data[:50]) + zstd.compress(data[50:])


CODED = [
    pytest.param("gzip", gzip.compress, id="gzip"),
    pytest.param("X-GZip", gzip.compress, id="x-gzip"),
    pytest.param("deflate", zlib.compress, id="zlib"),
    pytest.param("deflate", raw_deflate, id="raw deflate"),
    pytest.param("zstd", zstd.compress, id="zstd"),
    pytest.param("zstd", in_frames, id="zstd in frames"),
    pytest.param("identity, ZSTD", zstd.compress, id="identity and zstd"),
]


@pytest.fixture
def echo(model):
    return model(lambda payload: payload["messages"][0]["content"], server={"max_body_bytes": 1000})


def post(gateway, body: bytes, coding: str):
    return gateway.client.post(PATH, content=body, headers={"content-encoding": coding})


def decoded(body: bytes, coding: bytes, budget: MemoryBudget | None = None) -> bytes:
    return decompress(body, coding, MAX, Hold(budget or MemoryBudget(2**40)))


@pytest.mark.parametrize(("coding", "compress"), CODED)
def test_body_in_a_coding(echo, coding: str, compress: Compress):
    answer = post(echo, compress(CHAT), coding)
    assert (200, "hi" * 100) == (answer.status_code, answer.json()["choices"][0]["message"]["content"])


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "zstd, gzip", "x" * 1000])
def test_unknown_coding(echo, coding: str):
    """A 415 says what would be read (RFC 9110 section 15.5.16)."""
    answer = post(echo, CHAT, coding)
    assert (415, "unsupported_content_encoding") == (answer.status_code, answer.json()["error"]["code"])
    assert "gzip, deflate, zstd" == answer.headers["accept-encoding"]


@pytest.mark.parametrize(("coding", "compress"), CODED)
@pytest.mark.parametrize("damage", [lambda body: body[:-5], lambda body: b"\x01" + body[1:]])
def test_damaged_body(echo, coding: str, compress: Compress, damage: Compress):
    """What is not in its coding, or only its beginning, is the caller's fault."""
    body = damage(compress(CHAT))
    answer = post(echo, body, coding)
    assert 400 == answer.status_code
    assert answer.json()["error"]["code"] in ("invalid_content_encoding", "invalid_json")


@pytest.mark.parametrize(("coding", "compress"), CODED)
def test_larger_than_allowed_once_decoded(echo, coding: str, compress: Compress):
    body = compress(
        json.dumps({"model": "chat", "messages": [{"role": "u", "content": "x" * 1000}]}).encode()
    )
    assert len(body) < 1000
    answer = post(echo, body, coding)
    assert (413, "request_too_large") == (answer.status_code, answer.json()["error"]["code"])


@pytest.mark.parametrize(("coding", "compress"), CODED)
def test_bomb_is_refused_before_memory_grows(coding: str, compress: Compress):
    """No more is decoded than the bound, whatever the body stands for."""
    body = compress(ZEROS)
    tracemalloc.start()
    try:
        with pytest.raises(RequestRejected) as rejected:
            decoded(body, coding.encode())
        assert tracemalloc.get_traced_memory()[1] < 4 * MAX
    finally:
        tracemalloc.stop()
    assert 413 == rejected.value.failure.status


def test_window_that_asks_for_too_much_memory():
    """A zstd frame may ask for gigabytes before a byte is decoded; RFC 9659 allows 8 MiB."""
    options = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.content_size_flag: 0}
    body = zstd.ZstdCompressor(options=options).compress(CHAT, zstd.ZstdCompressor.FLUSH_FRAME)
    frame = bytes(body[:5]) + bytes([17 << 3]) + bytes(body[6:])  # its window descriptor: 2^27 bytes
    with pytest.raises(RequestRejected) as rejected:
        decoded(frame, b"zstd")
    assert 400 == rejected.value.failure.status


def test_decoded_bytes_count_in_the_memory_of_all_bodies():
    """What is decoded is held like what was sent."""
    body = gzip.compress(bytes(900_000))
    budget = MemoryBudget(2**20)
    assert Hold(budget).grow_to(700_000)
    with pytest.raises(RequestRejected):
        decoded(body, b"gzip", budget)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_coded_body_in_chunks(echo, size: int):
    """How it is framed does not matter."""
    body = zstd.compress(CHAT)
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    answer = echo.client.post(PATH, content=pieces, headers={"content-encoding": "zstd"})
    assert 200 == answer.status_code
