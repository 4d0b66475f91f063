"""Two attempts side by side, in virtual time: when the second one begins, who answers, who is cancelled."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tollway.gateway.errors import CallerGone
from tollway.provider import ProviderError

from .conftest import run
from .scripted import DOWN, ROLE, TOKEN, WHOLE, World

LONG = 1000.0
FIRST, SECOND = b'{"choices": [1]}', b'{"choices": [2]}'
both = pytest.mark.parametrize("stream", [False, True])


def world(**more: Any) -> World:
    """Return an endpoint that hedges after a second, with a fallback."""
    timeout = {"first_token_s": 20, "idle_s": 20, "total_s": 60}
    return World({"hedge": {"after_s": 1, "budget": 1}, "timeout": timeout, **more}, {"timeout": timeout})


@both
def test_an_answer_in_time_is_not_hedged(stream: bool) -> None:
    async def test() -> None:
        w = world()
        w.script("a", [0.9, FIRST])
        assert FIRST == await w.ask(stream=stream)
        assert [(0, "a")] == w.asked
        w.check_nothing_is_left()

    run(test)


@both
def test_the_second_attempt_begins_when_the_time_is_over_and_may_win(stream: bool) -> None:
    """The first one is cancelled at once, and linked to the one that was faster."""

    async def test() -> None:
        w = world()
        w.script("a", [LONG, FIRST])
        w.script("b", [0.5, SECOND])
        assert SECOND == await w.ask(stream=stream)
        assert ([(0, "a"), (1, "b")], 1.5) == (w.asked, w.now_s())
        first, second = w.spans()
        assert [(None, None), ("hedge", None)] == w.outcomes()
        assert [second.context.span_id] == [link.context.span_id for link in first.links]
        assert [first.context.span_id] == [link.context.span_id for link in second.links]
        assert ["cancelled"] == [event.name for event in first.events]
        w.check_nothing_is_left()

    run(test)


@both
def test_the_first_attempt_may_win_after_all(stream: bool) -> None:
    async def test() -> None:
        w = world()
        w.script("a", [1.5, FIRST])
        w.script("b", [LONG, SECOND])
        assert FIRST == await w.ask(stream=stream)
        assert 1.5 == w.now_s()
        assert ["cancelled"] == [event.name for event in w.spans()[1].events]
        w.check_nothing_is_left()

    run(test)


def test_of_two_good_answers_at_the_same_time_one_is_let_go() -> None:
    """Its stream is closed; the caller gets the events of one."""

    async def test() -> None:
        w = world()
        w.script("a", [1.5, TOKEN])
        w.script("b", [0.5, TOKEN])
        assert TOKEN == await w.ask(stream=True)
        assert [1, 1] == [events.closed for name in "ab" for events in w.scripts[name].streams]
        w.check_nothing_is_left()

    run(test)


@both
def test_a_failure_before_the_time_is_no_reason_to_hedge(stream: bool) -> None:
    """It goes the way of every failure."""

    async def test() -> None:
        w = world()
        w.script("a", [0.5, DOWN])
        w.script("b", [SECOND])
        assert SECOND == await w.ask(stream=stream)
        assert ([(0, "a"), (0.5, "b")], "fallback") == (w.asked, w.outcomes()[1][0])

    run(test)


@both
@pytest.mark.parametrize("failing", ["a", "b"])
def test_the_one_that_is_left_is_waited_for_when_the_other_fails(failing: str, stream: bool) -> None:
    async def test() -> None:
        w = world()
        good = "b" if failing == "a" else "a"
        w.script(failing, [1.2, DOWN])
        w.script(good, [5.0, WHOLE])
        assert WHOLE == await w.ask(stream=stream)
        assert {(None, None), ("hedge", None)} & set(w.outcomes())
        assert "down" in {error for _, error in w.outcomes()}
        w.check_nothing_is_left()

    run(test)


@both
def test_when_both_fail_the_later_error_is_told(stream: bool) -> None:
    async def test() -> None:
        w = world()
        w.script("a", [1.2, DOWN])
        w.script("b", [3.0, ProviderError("no", status=400)])
        with pytest.raises(ProviderError, match="no"):
            await w.ask(stream=stream)
        assert 4 == w.now_s()
        w.check_nothing_is_left()

    run(test)


@both
def test_one_that_failed_beside_the_first_is_not_asked_once_more(stream: bool) -> None:
    """The candidate after it is."""

    async def test() -> None:
        w = World({"hedge": {"after_s": 1, "budget": 1}}, {}, {})
        w.script("a", [4.0, DOWN])
        w.script("b", [0.5, DOWN])
        w.script("c", [SECOND])
        assert SECOND == await w.ask(stream=stream)
        assert [(0, "a"), (1, "b"), (4, "c")] == w.asked
        assert ["hedge", "fallback"] == [reason for reason, _ in w.outcomes() if reason]
        w.check_nothing_is_left()

    run(test)


def test_one_that_is_silent_beside_the_first_is_not_asked_once_more() -> None:
    async def test() -> None:
        w = world(timeout={"first_token_s": 4, "total_s": 60})
        w.script("a", [LONG])
        w.script("b", [LONG])
        with pytest.raises(ProviderError) as late:
            await w.ask(stream=True)
        assert ([(0, "a"), (1, "b")], 4) == (w.asked, w.now_s())
        assert "first_token_timeout" == late.value.code
        w.check_nothing_is_left()

    run(test)


def test_without_a_fallback_the_same_endpoint_is_asked_again() -> None:
    async def test() -> None:
        w = World({"hedge": {"after_s": 1, "budget": 1}})
        w.script("a", [LONG, FIRST], [SECOND])
        assert SECOND == await w.ask()
        assert [(0, "a"), (1, "a")] == w.asked
        w.check_nothing_is_left()

    run(test)


def test_a_spent_budget_lets_the_first_attempt_go_on() -> None:
    async def test() -> None:
        w = world(hedge={"after_s": 1, "budget": 0})
        w.script("a", [2.0, FIRST])
        assert FIRST == await w.ask()
        assert [(0, "a")] == w.asked

    run(test)


def test_a_fallback_without_a_place_is_not_hedged_to() -> None:
    """Its bound holds for hedges too."""

    async def test() -> None:
        busy = {"max_in_flight": 1, "max_queue": 0, "max_wait_s": 1}
        w = World({"hedge": {"after_s": 1, "budget": 1}}, {"concurrency": busy})
        w.script("a", [2.0, FIRST])
        assert w.endpoints["b"].gate.enter_nowait()
        assert FIRST == await w.ask()
        assert [(0, "a")] == w.asked

    run(test)


def test_a_hedge_gives_its_place_back() -> None:
    async def test() -> None:
        narrow = {"max_in_flight": 1, "max_queue": 0, "max_wait_s": 1}
        w = World({"hedge": {"after_s": 1, "budget": 1}}, {"concurrency": narrow})
        w.script("a", [LONG, FIRST])
        w.script("b", [SECOND])
        for _ in range(3):
            await w.ask()
        assert 6 == len(w.asked)
        assert 0 == w.endpoints["b"].gate.in_flight

    run(test)


@both
def test_the_deadline_ends_both(stream: bool) -> None:
    async def test() -> None:
        timeout = {"first_token_s": 4, "total_s": 8}
        w = World({"hedge": {"after_s": 1, "budget": 1}, "timeout": timeout})
        w.script("a", [ROLE, LONG, FIRST] if stream else [LONG])
        with pytest.raises(ProviderError) as late:
            await w.ask(stream=stream)
        assert (4 if stream else 8, 2) == (w.now_s(), len(w.asked))
        assert ("first_token_timeout" if stream else "upstream_timeout") == late.value.code
        w.check_nothing_is_left()

    run(test)


@both
def test_a_caller_that_hangs_up_ends_both(stream: bool) -> None:
    async def test() -> None:
        w = world()
        w.script("a", [LONG])
        w.script("b", [LONG])
        asyncio.get_running_loop().call_later(2.5, w.hang_up.set)
        with pytest.raises(CallerGone):
            await w.ask(stream=stream)
        assert (2.5, 2) == (w.now_s(), len(w.asked))
        assert [["client_disconnected"]] * 2 == [[one.name for one in span.events] for span in w.spans()]
        w.check_nothing_is_left()

    run(test)


def test_a_stream_that_won_and_breaks_is_told() -> None:
    """It has begun: what breaks then is no longer hedged."""

    async def test() -> None:
        w = world()
        w.script("a", [LONG, TOKEN])
        w.script("b", [TOKEN, 1.0, DOWN])
        with pytest.raises(ProviderError, match="down"):
            await w.ask(stream=True)
        assert (TOKEN, [(0, "a"), (1, "b")]) == (w.said, w.asked)
        w.check_nothing_is_left()

    run(test)


def test_a_percentile_is_learned_before_it_is_used() -> None:
    """Hedges wait for what the slowest of the answers so far took; the hedged ones do not count."""

    async def test() -> None:
        w = world(hedge={"after_quantile": 0.95, "budget": 1})
        w.script("a", *[[0.2, FIRST]] * 100, [LONG, FIRST])
        w.script("b", [SECOND])
        for _ in range(100):
            await w.ask()
        assert {"a"} == {name for _, name in w.asked}
        before_s = w.now_s()
        await w.ask()
        at_s, name = w.asked[-1]
        assert ("b", pytest.approx(0.2, abs=0.05)) == (name, at_s - before_s)

    run(test)
