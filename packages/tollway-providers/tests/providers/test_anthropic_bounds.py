"""A stream of Anthropic's keeps little of what it passes on, and in linear time."""

from __future__ import annotations

import time

import orjson

from tollway.provider import Answer, Call, ResponseError, Task, sse
from tollway.providers._anthropic_stream import AnthropicStream


def no_body(body: bytes) -> Answer:
    raise ResponseError("this is a stream")


def stream() -> AnthropicStream:
    return AnthropicStream(Call(Task.CHAT, {}, b"{}", stream=True), str, 0, no_body)


def event(kind: str, **fields: object) -> bytes:
    return sse.event(orjson.dumps({"type": kind, **fields}), kind.encode())


def begin(index: int, kind: str = "thinking") -> bytes:
    return event("content_block_start", index=index, content_block={"type": kind})


def thought(text: str, index: int = 0) -> bytes:
    delta = {"type": "thinking_delta", "thinking": text}
    return event("content_block_delta", index=index, delta=delta)


def test_thinking_is_joined_in_linear_time():
    def cpu_s(count: int) -> float:
        decoder = stream()
        data = begin(0) + thought("thoughts " * 40) * count + event("content_block_stop", index=0)
        began_s = time.process_time()
        decoder.feed(data)
        return time.process_time() - began_s

    cpu_s(100)
    assert cpu_s(8_000) < 64 * cpu_s(500)


def test_thinking_is_given_back_whole():
    decoder = stream()
    signature = {"type": "signature_delta", "signature": "sig"}
    said = decoder.feed(
        begin(0)
        + thought("one ")
        + thought("two")
        + event("content_block_delta", index=0, delta=signature)
        + event("content_block_stop", index=0)
    )
    assert b'"thinking_blocks":[{"index":0,"type":"thinking","thinking":"one two","signature":"sig"}]' in said


def test_thinking_without_end_is_cut_off():
    """What has to be kept until a block ends is no more than an event may have."""
    decoder = stream()
    decoder.feed(begin(0))
    for _ in range(20):
        decoder.feed(thought("x" * 1_000_000))
    assert decoder.error is not None
    assert "thinking has more than" in decoder.error.message


def test_thoughts_that_ended_make_room():
    """Only what is under way counts: a stream may think as long as it likes, block by block."""
    decoder = stream()
    for index in range(20):
        decoder.feed(
            begin(index) + thought("x" * 1_000_000, index) + event("content_block_stop", index=index)
        )
    assert decoder.error is None


def test_open_blocks_are_counted():
    decoder = stream()
    decoder.feed(b"".join(begin(index, "text") for index in range(129)))
    assert decoder.error is not None
    assert "too many content blocks" in decoder.error.message


def test_long_names_do_not_go_out_with_every_chunk():
    decoder = stream()
    decoder.feed(event("message_start", message={"id": "i" * 1_000_000, "model": "m" * 1_000_000}))
    said = decoder.feed(begin(0) + thought("x"))
    assert len(said) < 2_000


def test_unknown_counts_are_not_kept():
    decoder = stream()
    for number in range(1000):
        decoder.feed(event("message_delta", delta={}, usage={f"count_{number}": 1, "output_tokens": number}))
    assert {"output_tokens": 999} == decoder._counts
