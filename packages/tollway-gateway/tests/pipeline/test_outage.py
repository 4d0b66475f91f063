"""A minute's outage under twenty callers, through the whole pipeline, in virtual time."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import pairwise
from typing import Any

import pytest

from tollway.gateway.config.values import BreakerConfig

from .conftest import run
from .scripted import DOWN, WHOLE, World

CALLERS = 20
BEGINS_S, ENDS_S, LAST_S = 10.0, 70.0, 100.0
BREAKER = BreakerConfig()
FALLBACK = b'{"choices": ["b"]}'


async def call_again_and_again(w: World, number: int, answers: list[tuple[float, bytes]]) -> None:
    """Call about once a second; note when each call began and who answered it."""
    await asyncio.sleep(number / CALLERS)
    while w.now_s() < LAST_S:
        began_s = w.now_s()
        answers.append((began_s, await w.ask()))
        await asyncio.sleep(1.0)


def outage(**more: Any) -> tuple[World, list[tuple[float, bytes]]]:
    """Run the callers through the outage; return what is left of it."""

    async def test() -> tuple[World, list[tuple[float, bytes]]]:
        w = World(more, {})
        primary = w.script("a", [0.2, WHOLE])
        w.script("b", [0.2, FALLBACK])
        loop = asyncio.get_running_loop()
        loop.call_later(BEGINS_S, lambda: setattr(primary, "attempts", deque([[0.1, DOWN]])))
        loop.call_later(ENDS_S, lambda: setattr(primary, "attempts", deque([[0.2, WHOLE]])))
        answers: list[tuple[float, bytes]] = []
        await asyncio.gather(*(call_again_and_again(w, number, answers) for number in range(CALLERS)))
        w.check_nothing_is_left()
        return w, sorted(answers)

    return run(test)


@pytest.mark.parametrize("more", [{}, {"retry": {"attempts": 3, "backoff_s": 0.5, "budget": 0.2}}])
def test_an_outage_of_a_minute(more: dict[str, Any]) -> None:
    """Nobody sees an error, the primary gets few probes, and all are back within one probe interval.

    The breaker has the settings that it has without a configuration.
    """
    w, answers = outage(**more)
    assert {WHOLE, FALLBACK} == {body for _, body in answers}
    assert CALLERS * 60 < len(answers)

    served = [body for began_s, body in answers if BEGINS_S <= began_s < ENDS_S]
    assert {FALLBACK} == set(served)

    asked_s = [at_s for at_s, name in w.asked if name == "a" and BEGINS_S <= at_s < ENDS_S]
    opened_s = BEGINS_S + 2.0
    probes_s = [at_s for at_s in asked_s if at_s > opened_s]
    assert len(asked_s) - len(probes_s) <= BREAKER.consecutive_failures + CALLERS
    gaps_s = [after - before for before, after in pairwise(probes_s)]
    assert len(probes_s) <= 8
    assert min(gaps_s) >= 0.9 * BREAKER.open_for_s
    assert max(gaps_s) <= BREAKER.max_open_for_s + 1.0

    back_s = min(began_s for began_s, body in answers if body == WHOLE and began_s >= ENDS_S)
    assert back_s - ENDS_S <= BREAKER.max_open_for_s
    assert {WHOLE} == {body for began_s, body in answers if began_s > back_s + 1.0}
    assert 0 == w.metric("gateway_breaker_state", endpoint="a")


def test_without_a_breaker_an_outage_is_served_by_the_fallback_all_the_same() -> None:
    """Every call asks the primary first, once."""
    w, answers = outage(breaker=None)
    assert {FALLBACK} == {body for began_s, body in answers if BEGINS_S <= began_s < ENDS_S}
    calls = sum(BEGINS_S <= began_s < ENDS_S for began_s, _ in answers)
    assert calls == sum(name == "a" and BEGINS_S <= at_s < ENDS_S for at_s, name in w.asked)
