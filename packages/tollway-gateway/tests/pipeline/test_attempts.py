"""One attempt after another, in virtual time: who is asked when, what callers get, what is left behind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tollway.gateway.errors import CallerGone
from tollway.provider import ErrorKind, ProviderError

from .conftest import run
from .scripted import COMMENT, DONE, DOWN, ROLE, TOKEN, WHOLE, World

LIMITS = {"connect_s": 1, "first_token_s": 2, "idle_s": 3, "total_s": 10}
RETRY = {"attempts": 3, "backoff_s": 1, "max_backoff_s": 4, "budget": 1}
CUT = ProviderError("cut", code="cut")
NEVER = ProviderError("no", code="no", status=400)
LONG = 1000.0


def world(*endpoints: dict[str, Any]) -> World:
    return World(*({"timeout": LIMITS, **one} for one in endpoints))


@pytest.mark.parametrize("stream", [False, True])
def test_the_first_good_attempt_answers(stream: bool) -> None:
    async def test() -> None:
        w = world({}, {})
        w.script("a", [TOKEN, DONE])
        assert (TOKEN + DONE if stream else TOKEN) == await w.ask(stream=stream)
        assert ([(0, "a")], [(None, None)]) == (w.asked, w.outcomes())
        w.check_nothing_is_left()

    run(test)


@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_that_nobody_saw_is_followed_by_the_next_candidate(stream: bool) -> None:
    """Also after a comment and a role: nothing of the failed attempt reaches the caller."""

    async def test() -> None:
        w = world({}, {})
        w.script("a", [COMMENT, ROLE, DOWN] if stream else [DOWN])
        w.script("b", [TOKEN])
        assert TOKEN == await w.ask(stream=stream)
        assert [(None, "down"), ("fallback", None)] == w.outcomes()
        w.check_nothing_is_left()

    run(test)


def test_retries_wait_longer_each_time_and_come_before_the_fallback() -> None:
    """Half of a backoff that doubles: chance gives 0.5 here."""

    async def test() -> None:
        w = world({"retry": RETRY}, {})
        w.script("a", [DOWN])
        w.script("b", [WHOLE])
        assert WHOLE == await w.ask()
        assert [(0, "a"), (0.5, "a"), (1.5, "a"), (1.5, "b")] == w.asked
        assert [None, "retry", "retry", "fallback"] == [reason for reason, _ in w.outcomes()]

    run(test)


def test_an_error_that_asks_for_a_wait_gets_it() -> None:
    async def test() -> None:
        w = world({"retry": RETRY})
        w.script("a", [ProviderError("later", status=429, retry_after_s=2)], [WHOLE])
        await w.ask()
        assert [(0, "a"), (2.1, "a")] == w.asked

    run(test)


@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_succeed_is_the_callers_answer(stream: bool) -> None:
    async def test() -> None:
        w = world({"retry": RETRY}, {})
        w.script("a", [NEVER])
        with pytest.raises(ProviderError, match="no"):
            await w.ask(stream=stream)
        assert ([(0, "a")], b"", None) == (w.asked, w.said, w.status)
        w.check_nothing_is_left()

    run(test)


def test_a_silent_stream_is_given_up_after_its_first_token_limit() -> None:
    """Comments and a role do not prolong it, and it is not asked again."""

    async def test() -> None:
        w = world({"retry": RETRY}, {})
        w.script("a", [1.5, COMMENT, 0.4, ROLE, LONG, TOKEN])
        w.script("b", [TOKEN])
        assert TOKEN == await w.ask(stream=True)
        assert [(0, "a"), (2, "b")] == w.asked
        assert (None, "first_token_timeout") == w.outcomes()[0]
        w.check_nothing_is_left()

    run(test)


def test_a_whole_answer_has_half_of_the_time_where_another_may_be_asked() -> None:
    async def test() -> None:
        w = world({}, {})
        w.script("a", [LONG])
        w.script("b", [LONG])
        with pytest.raises(ProviderError) as late:
            await w.ask()
        assert [(0, "a"), (5, "b")] == w.asked
        assert (10, "upstream_timeout") == (w.now_s(), late.value.code)
        w.check_nothing_is_left()

    run(test)


def test_one_deadline_ends_all_attempts() -> None:
    async def test() -> None:
        w = world({"retry": {**RETRY, "attempts": 9, "backoff_s": 4}})
        w.script("a", [2.5, DOWN])
        with pytest.raises(ProviderError) as late:
            await w.ask()
        assert [(0, "a"), (4.5, "a"), (9, "a")] == w.asked
        assert (10, "upstream_timeout") == (w.now_s(), late.value.code)
        w.check_nothing_is_left()

    run(test)


def test_a_retry_that_would_begin_after_the_deadline_is_not_waited_for() -> None:
    async def test() -> None:
        w = world({"retry": RETRY})
        w.script("a", [8.0, ProviderError("later", status=429, retry_after_s=3)])
        with pytest.raises(ProviderError, match="later"):
            await w.ask()
        assert 8 == w.now_s()

    run(test)


def test_a_stream_may_be_silent_for_its_idle_limit_between_events() -> None:
    """Each event begins it anew; what comes too late is told, after the text that came."""

    async def test() -> None:
        w = world({}, {})
        w.script("a", [TOKEN, 2.9, TOKEN, 2.9, TOKEN, LONG])
        with pytest.raises(ProviderError) as late:
            await w.ask(stream=True)
        assert (TOKEN * 3, [(0, "a")]) == (w.said, w.asked)
        assert ("idle_timeout", 8.8) == (late.value.code, w.now_s())
        w.check_nothing_is_left()

    run(test)


def test_a_stream_ends_at_the_deadline_however_much_it_says() -> None:
    async def test() -> None:
        w = world({})
        w.script("a", [TOKEN, 1.0] * 20)
        with pytest.raises(ProviderError) as late:
            await w.ask(stream=True)
        assert (10, "upstream_timeout") == (w.now_s(), late.value.code)
        assert TOKEN * 10 == w.said

    run(test)


def test_a_stream_that_broke_after_its_first_token_is_not_asked_again() -> None:
    async def test() -> None:
        w = world({"retry": RETRY}, {})
        w.script("a", [ROLE, TOKEN, CUT])
        with pytest.raises(ProviderError, match="cut"):
            await w.ask(stream=True)
        assert (200, ROLE + TOKEN, [(0, "a")]) == (w.status, w.said, w.asked)
        w.check_nothing_is_left()

    run(test)


def test_what_says_much_before_its_first_token_has_begun() -> None:
    """It is not held without bound."""

    async def test() -> None:
        w = world({}, {})
        w.script("a", [COMMENT] * 10_000 + [CUT])
        with pytest.raises(ProviderError, match="cut"):
            await w.ask(stream=True)
        assert (200, [(0, "a")]) == (w.status, w.asked)

    run(test)


@pytest.mark.parametrize("stream", [False, True])
def test_a_caller_that_hangs_up_ends_the_attempt_at_once(stream: bool) -> None:
    """Nobody else is asked, and it is nobody's failure."""

    async def test() -> None:
        w = world({"retry": RETRY}, {})
        w.script("a", [TOKEN, LONG] if stream else [LONG])
        asyncio.get_running_loop().call_later(1.5, w.hang_up.set)
        with pytest.raises(CallerGone):
            await w.ask(stream=stream)
        assert (1.5, [(0, "a")], [(None, None)]) == (w.now_s(), w.asked, w.outcomes())
        assert ["client_disconnected"] == [event.name for event in w.spans()[0].events]
        w.check_nothing_is_left()

    run(test)


def test_a_caller_may_hang_up_between_two_attempts() -> None:
    async def test() -> None:
        w = world({"retry": RETRY})
        w.script("a", [DOWN])
        asyncio.get_running_loop().call_later(0.2, w.hang_up.set)
        with pytest.raises(CallerGone):
            await w.ask()
        assert (0.2, [(0, "a")]) == (w.now_s(), w.asked)
        w.check_nothing_is_left()

    run(test)


def test_an_open_breaker_is_no_attempt() -> None:
    """The next candidate is asked, without a span or a wait for the first one."""

    async def test() -> None:
        w = world({"breaker": {"consecutive_failures": 2, "open_for_s": 5}}, {})
        w.script("a", [DOWN])
        w.script("b", [WHOLE])
        for _ in range(4):
            await w.ask()
        assert ["a", "b", "a", "b", "b", "b"] == [name for _, name in w.asked]
        w.check_nothing_is_left()

    run(test)


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        (ErrorKind.RETRYABLE, ["a", "a", "a", "b"]),
        (ErrorKind.SILENT, ["a", "b"]),
        (ErrorKind.CONTEXT_LENGTH, ["a", "b"]),
        (ErrorKind.QUOTA_EXHAUSTED, ["a", "b"]),
        (ErrorKind.CONTENT_FILTER, ["a"]),
        (ErrorKind.NEVER, ["a"]),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_the_kind_of_an_error_decides(kind: ErrorKind, asked: list[str], stream: bool) -> None:
    async def test() -> None:
        w = world({"retry": RETRY}, {})
        w.script("a", [ProviderError("it failed", kind=kind)])
        w.script("b", [WHOLE])
        if "b" in asked:
            await w.ask(stream=stream)
        else:
            with pytest.raises(ProviderError, match="it failed"):
                await w.ask(stream=stream)
        assert asked == [name for _, name in w.asked]

    run(test)
