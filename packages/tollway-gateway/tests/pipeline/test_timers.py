"""Timers of one length share one of the loop's, and each rings at its own time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tollway.gateway.pipeline.timers import Timers


def run(test: Callable[[], Awaitable[Any]]) -> Any:
    return asyncio.run(asyncio.wait_for(test(), 20))


def test_timers_ring_in_their_order_and_not_when_cancelled():
    async def test():
        timers, rung, done = Timers(), [], asyncio.Event()
        now_s = timers.loop.time()
        timers.set(0.01, now_s + 0.01, lambda: rung.append("a"))
        timers.set(0.01, now_s + 0.011, lambda: rung.append("cancelled")).cancel()
        timers.set(0.01, now_s + 0.012, lambda: rung.append("b"))
        timers.set(0.02, now_s + 0.02, done.set)
        await done.wait()
        return rung

    assert run(test) == ["a", "b"]


def test_timer_after_an_idle_time_rings_too():
    """A lane whose only timer was cancelled, and whose loop timer has rung, is set again."""

    async def test():
        timers, first, second = Timers(), asyncio.Event(), asyncio.Event()
        timers.set(0.01, timers.loop.time() + 0.01, first.set)
        await first.wait()
        timers.set(0.01, timers.loop.time() + 0.01, second.set)
        await second.wait()

    run(test)


def test_timer_that_cancels_another_as_it_rings():
    """Both are due at once; the second is cancelled by the first, and does not ring."""

    async def test():
        timers, rung, done = Timers(), [], asyncio.Event()
        now_s = timers.loop.time()
        entries = []
        timers.set(0.01, now_s, lambda: (rung.append(1), entries[0].cancel()))
        entries.append(timers.set(0.01, now_s, lambda: rung.append(2)))
        timers.set(0.02, now_s + 0.01, done.set)
        await done.wait()
        return rung

    assert run(test) == [1]


def test_cancelling_twice_is_cancelling_once():
    async def test():
        timers = Timers()
        timer = timers.set(5, timers.loop.time() + 5, lambda: None)
        timer.cancel()
        timer.cancel()

    run(test)
