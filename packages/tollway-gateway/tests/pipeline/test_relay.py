"""How streams reach their callers, and what becomes of those that break, for each `stream_recovery`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tollway.provider import Call, ProviderError, ResponseError

from .conftest import run
from .scripted import COMMENT, DONE, DOWN, ROLE, TOKEN, World

CUT = ProviderError("cut", code="cut")
KEEP_ALIVE = b": keep-alive\n\n"


def event(**choice: Any) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, **choice}]}).encode() + b"\n\n"


def text(said: str) -> bytes:
    return event(delta={"content": said})


def world(recovery: str, **more: Any) -> World:
    """Return an endpoint whose streams are recovered so, with a fallback that takes a prefill."""
    timeout = {"first_token_s": 100, "idle_s": 100, "total_s": 1000}
    return World(
        {"stream_recovery": recovery, "timeout": timeout, **more}, {"prefill": True, "timeout": timeout}
    )


def last_message(call: Call) -> dict[str, Any]:
    return dict(call.payload["messages"][-1])


def test_events_pass_as_they_come() -> None:
    """None is held back for the next, whatever it is."""

    async def test() -> None:
        w = world("error")
        w.script("a", [TOKEN, 1.0, COMMENT, 1.0, TOKEN, 1.0, DONE])
        await w.ask(stream=True)
        assert [(0, TOKEN), (1, COMMENT), (2, TOKEN), (3, DONE), (3, b"")] == w.sent
        w.check_nothing_is_left()

    run(test)


def test_a_broken_stream_is_the_last_of_the_call() -> None:
    async def test() -> None:
        w = world("error")
        w.script("a", [TOKEN, CUT])
        with pytest.raises(ProviderError, match="cut"):
            await w.ask(stream=True)
        assert ([(0, TOKEN)], [(0, "a")]) == (w.sent, w.asked)

    run(test)


def test_a_model_that_can_goes_on_from_the_text_so_far() -> None:
    """It gets the text as the beginning of its answer; the caller reads on where it was."""

    async def test() -> None:
        w = world("continue")
        w.script("a", [ROLE, text("One "), text("two "), CUT])
        w.script("b", [text("three."), DONE])
        said = await w.ask(stream=True)
        assert ROLE + text("One ") + text("two ") + text("three.") + DONE == said
        assert {"role": "assistant", "content": "One two "} == last_message(w.calls[1])
        assert [(None, "cut"), ("continue", None)] == w.outcomes()
        w.check_nothing_is_left()

    run(test)


def test_a_continued_stream_may_be_continued_again() -> None:
    """What all of them said is the beginning for the next."""

    async def test() -> None:
        w = World({"stream_recovery": "continue"}, {"prefill": True}, {"prefill": False}, {"prefill": True})
        w.script("a", [text("One "), CUT])
        w.script("b", [text("two "), CUT])
        w.script("d", [text("three.")])
        assert text("One ") + text("two ") + text("three.") == await w.ask(stream=True)
        assert ["a", "b", "d"] == [name for _, name in w.asked]
        assert "One two " == last_message(w.calls[2])["content"]

    run(test)


def test_half_an_event_is_no_text() -> None:
    """What the caller could not read is not given to the next model as said."""

    async def test() -> None:
        w = world("continue")
        whole = text("two ")
        w.script("a", [text("One ") + whole[:20], CUT])
        w.script("b", [text("three.")])
        await w.ask(stream=True)
        assert "One " == last_message(w.calls[1])["content"]

    run(test)


@pytest.mark.parametrize(
    "more",
    [
        event(delta={"tool_calls": [{"index": 0, "function": {"name": "f"}}]}),
        event(delta={"reasoning_content": "hm"}),
        event(index=1, delta={"content": "another choice"}),
        event(delta={"content": "x"}, logprobs={"content": [1]}),
        event(delta={}, finish_reason="stop"),
    ],
)
def test_what_is_more_than_text_is_not_continued(more: bytes) -> None:
    async def test() -> None:
        w = world("continue")
        w.script("a", [text("One "), more, CUT])
        with pytest.raises(ProviderError, match="cut"):
            await w.ask(stream=True)
        assert [(0, "a")] == w.asked

    run(test)


@pytest.mark.parametrize("blank", [ROLE, text(" \n")])
def test_blank_text_is_no_beginning(blank: bytes) -> None:
    """Models refuse a prefill of white space."""

    async def test() -> None:
        w = world("continue")
        w.script("a", [text(" "), blank, CUT])
        with pytest.raises(ProviderError, match="cut"):
            await w.ask(stream=True)

    run(test)


def test_before_anything_was_shown_the_call_is_made_again_as_it_was() -> None:
    async def test() -> None:
        w = world("continue")
        w.script("a", [ROLE, DOWN])
        w.script("b", [TOKEN])
        assert TOKEN == await w.ask(stream=True)
        assert "user" == last_message(w.calls[1])["role"]
        assert "fallback" == w.outcomes()[1][0]

    run(test)


def test_a_buffered_stream_is_shown_when_it_is_done() -> None:
    """Comments keep the connection alive meanwhile: every five seconds of silence."""

    async def test() -> None:
        w = world("buffer")
        w.script("a", [text("One "), 12.0, text("two."), 1.0, DONE])
        await w.ask(stream=True)
        expected = [(5, KEEP_ALIVE), (10, KEEP_ALIVE), (13, text("One ") + text("two.") + DONE), (13, b"")]
        assert expected == w.sent
        w.check_nothing_is_left()

    run(test)


def test_what_broke_in_the_buffer_was_never_there() -> None:
    """Also after a comment went out: the caller sees the answer of the fallback alone."""

    async def test() -> None:
        w = world("buffer")
        w.script("a", [text("One "), 6.0, CUT])
        w.script("b", [text("Other."), DONE])
        assert KEEP_ALIVE + text("Other.") + DONE == await w.ask(stream=True)
        assert [(0, "a"), (6, "b")] == w.asked
        assert (200, "fallback") == (w.status, w.outcomes()[1][0])

    run(test)


def test_a_buffer_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next candidate is asked when an answer is too large to be held."""
    monkeypatch.setattr("tollway.gateway.pipeline.relay._MAX_BUFFERED_BYTES", 10 * len(TOKEN))

    async def test() -> None:
        w = world("buffer")
        w.script("a", [TOKEN] * 20)
        w.script("b", [TOKEN] * 11)
        with pytest.raises(ResponseError, match="too large"):
            await w.ask(stream=True)
        assert (["a", "b"], b"") == ([name for _, name in w.asked], w.said)
        w.check_nothing_is_left()

    run(test)
