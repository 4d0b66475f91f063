"""A model's answer has a bounded number of JSON values, since each takes more memory than its bytes."""

from __future__ import annotations

import pytest

from tollway.gateway.guard.answer_size import SMALL_EVENT_BYTES, AnswerSize, EventSize
from tollway.provider import ResponseError

MAX_BYTES = 4_000_000
MIB = 1024 * 1024


@pytest.fixture
def size() -> AnswerSize:
    return AnswerSize(MAX_BYTES)


@pytest.mark.parametrize("unit", [b"[],", b"{},", b"1,", b'{"a":[]},'])
def test_an_answer_of_nothing_but_values_is_refused(size: AnswerSize, unit: bytes):
    with pytest.raises(ResponseError, match="JSON values") as error:
        size.check(b"[" + unit * (MAX_BYTES // len(unit)) + b"1]")
    assert (502, "upstream_response_too_large") == (error.value.status, error.value.code)


@pytest.mark.parametrize(
    "unit",
    [b"-0.0123456,", b'{"token":"a","logprob":-1.5,"bytes":[97]},', b'"' + b"[{,}]" * 200 + b'",'],
    ids=["numbers", "log probabilities", "strings"],
)
def test_a_large_answer_is_passed_on(size: AnswerSize, unit: bytes):
    """Numbers as embeddings have them, log probabilities, and text that looks like JSON."""
    size.check(b"[" + unit * (MAX_BYTES // len(unit)) + b"1]")


def take(events: EventSize, data: bytes) -> None:
    events.so_far_bytes += len(data)
    if events.so_far_bytes > SMALL_EVENT_BYTES:
        events.check(data)


def watch(size: AnswerSize, data: bytes, piece_bytes: int) -> None:
    events = size.of_events()
    for start in range(0, len(data), piece_bytes):
        take(events, data[start : start + piece_bytes])


@pytest.mark.parametrize("piece_bytes", [100, 60_000, 3 * MIB])
def test_an_event_of_nothing_but_values_is_refused(size: AnswerSize, piece_bytes: int):
    data = b"data: [" + b"[]," * MIB
    with pytest.raises(ResponseError, match="JSON values"):
        watch(size, data, piece_bytes)


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_a_stream_may_have_any_number_of_values(size: AnswerSize, end: bytes):
    """In events of a usual size, however they are cut into pieces."""
    watch(size, (b'data: {"choices":[{"delta":{"content":"x"}}]}' + end) * 200_000, 10_007)


def test_a_large_event_may_be_text():
    """Or anything else that has a comma here and there."""
    events = AnswerSize(64 * MIB).of_events()
    for _ in range(16):
        take(events, b"data: " + b"text, as it is written, " * (MIB // 100))
