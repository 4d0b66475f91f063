"""What is recognised without being parsed, held to what parsing says."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.provider._openai_refrain import Refrain
from tollway.provider._openai_stream import OpenAIStream
from tollway.provider._values import Call, Task


def chunk(text: str | None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None, **more}
    return {"id": "c-1", "model": "m", "choices": [choice]}


def event(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def learnt(text: str = "one", **more: Any) -> Refrain:
    refrain = Refrain()
    refrain.learn(event(chunk(text, **more)), chunk(text, **more))
    return refrain


def test_events_that_differ_in_their_text_only_are_recognised():
    data = event(chunk("two")) + event(chunk("three")) + event(chunk(""))
    assert len(data) == learnt().follow(data)
    assert (
        len(data) - 9 > learnt().follow(data[:-9]) == learnt().follow(data[:-9], len(event(chunk("two")))) > 0
    )


@pytest.mark.parametrize(
    "data",
    [
        event(chunk("two", finish_reason="stop")),
        event(chunk("two", index=1)),
        event(chunk('a "quote"')),
        event(chunk("a\nline")),
        event(chunk("two") | {"usage": {"prompt_tokens": 1}}),
        event({"error": {"message": "no"}}),
        b"data: [DONE]\n\n",
        event(chunk("two"))[:-1],
        event(chunk("two\x00")).replace(b"\\u0000", b"\n"),
        b": ping\n\n" + event(chunk("two")),
        b"",
    ],
)
def test_whatever_else_is_parsed(data: bytes):
    assert 0 == learnt().follow(data)


@pytest.mark.parametrize(
    ("text", "more"), [("stop", {"finish_reason": "stop"}), (None, {}), ("", {}), ("content", {}), ('"', {})]
)
def test_events_that_cannot_be_learnt_from_make_it_forget(text: str | None, more: dict[str, Any]):
    """Nothing is recognised by an event that ends the answer, or whose text cannot be told from its keys."""
    refrain = learnt()
    refrain.learn(event(chunk(text, **more)), chunk(text, **more))
    assert 0 == refrain.follow(event(chunk("two")))


PIECES = st.lists(
    st.sampled_from(
        [
            event(chunk("a")),
            event(chunk("b")),
            event(chunk('"')),
            event(chunk("c", index=1)),
            event(chunk("", finish_reason="stop")),
            event(chunk("d"))[:-7],
            event({"error": {"message": "no"}}),
            b"data: [DONE]\n\n",
            b": ping\n\n",
        ]
    )
)


@given(PIECES, st.lists(st.integers(0, 2000)))
def test_a_stream_means_the_same_with_and_without(pieces: list[bytes], cuts: list[int]):
    """However a stream is cut, the decoder gives the bytes, facts and end that parsing all of it gives."""
    whole = b"".join(pieces)
    bounds = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]
    call = Call(Task.CHAT, {"messages": []}, b"{}", True)
    quick, slow = OpenAIStream(call, str), OpenAIStream(call, str)
    out = b"".join(quick.feed(whole[a:b]) for a, b in pairwise(bounds)) + quick.end()
    parsed = b"".join(slow.feed(bytes([byte])) for byte in whole) + slow.end()
    assert (parsed, slow.complete, slow.info) == (out, quick.complete, quick.info)
    assert type(slow.error) is type(quick.error)
