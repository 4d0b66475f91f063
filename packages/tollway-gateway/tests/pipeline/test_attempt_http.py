"""Streams whose connection breaks: what the decoder has seen decides whether the answer is whole."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import pytest

from tollway.gateway.guard.answer_size import AnswerSize
from tollway.gateway.pipeline.attempt_http import HTTPEvents
from tollway.provider import (
    Call,
    HTTPProvider,
    ProviderError,
    StreamError,
    Target,
    Task,
    UpstreamConnectionError,
    UpstreamError,
)


class Acme(HTTPProvider):
    base_url = "https://acme.test"


class BrokenStream:
    """An upstream's answer that is cut off after some pieces."""

    status = 200
    headers: Mapping[str, str] = {}
    waited_s = 0.0

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)

    async def read(self) -> bytes:
        if not self._pieces:
            raise UpstreamConnectionError("reset")
        return self._pieces.pop(0)

    def close(self) -> None:
        pass


class Attempt:
    def waited(self, for_s: float) -> None:
        pass


def chunk(text: str = "", finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


async def pieces_of(*pieces: bytes) -> list[bytes]:
    provider = Acme(Target("e", Task.CHAT, "m", {}))
    decoder = provider.stream(Call(Task.CHAT, {}, b"", stream=True))
    stream = BrokenStream(*pieces)
    events = HTTPEvents(stream, decoder, Attempt(), AnswerSize(1_000_000))  # type: ignore[arg-type]  # a stand-in
    forwarded = []
    while data := await events.next():
        forwarded.append(data)
    return forwarded


def read(*pieces: bytes) -> list[bytes]:
    return asyncio.run(pieces_of(*pieces))


def test_an_answer_that_lacks_only_its_terminator_is_complete() -> None:
    assert [chunk("Hi"), chunk(finish="stop"), b"data: [DONE]\n\n"] == read(chunk("Hi"), chunk(finish="stop"))


def test_an_answer_that_lacks_its_end_is_cut() -> None:
    with pytest.raises(StreamError, match="hung up in mid-answer") as caught:
        read(chunk("Hi"))

    assert isinstance(caught.value.__cause__, UpstreamConnectionError)


def test_an_error_that_came_before_the_cut_is_told() -> None:
    with pytest.raises(ProviderError) as caught:
        read(chunk("Hi"), b'{"error": {"message": "quota exceeded", "code": 429}}')

    assert isinstance(caught.value, UpstreamError)
    assert (429, "quota exceeded") == (caught.value.status, caught.value.message)


def test_what_comes_at_once_is_decoded_in_turns() -> None:
    """Everybody else has one after so many bytes; nothing is lost or told twice."""
    events = [chunk(str(number)) for number in range(5000)]
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def forward() -> list[bytes]:
        other = asyncio.create_task(others())
        forwarded = await pieces_of(b"".join(events), chunk(finish="stop"), b"data: [DONE]\n\n", b"")
        other.cancel()
        return forwarded

    pieces = asyncio.run(forward())
    assert b"".join(events) + chunk(finish="stop") + b"data: [DONE]\n\n" == b"".join(pieces)
    assert 70_000 > max(map(len, pieces))
    assert turns >= len(b"".join(events)) // 65_536
