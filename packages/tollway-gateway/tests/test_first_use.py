"""What is made at its first use is made once, and the event loop goes on meanwhile."""

import asyncio
import gc
import threading

import pytest

from tollway.gateway.first_use import FirstUse

WAIT_S = 20


def test_the_event_loop_goes_on_while_it_is_made():
    """The loop must come back to set what `make` waits for."""
    ready = threading.Event()

    def make() -> bool:
        return ready.wait(WAIT_S)

    async def use() -> bool:
        getting = asyncio.ensure_future(FirstUse(make).get())
        await asyncio.sleep(0)
        ready.set()
        return await getting

    assert asyncio.run(use())


def test_callers_that_come_together_get_the_same_one():
    made = []

    async def use() -> list[object]:
        first = FirstUse(lambda: made.append(object()) or made[-1])
        return [*await asyncio.gather(*(first.get() for _ in range(5))), await first.get()]

    got = asyncio.run(use())
    assert 1 == len(made)
    assert made * 6 == got


def test_a_failure_is_raised_and_the_next_caller_tries_again():
    results = [ImportError("not today"), "there"]

    def make() -> str:
        if isinstance(result := results.pop(0), Exception):
            raise result
        return result

    async def use() -> str:
        first = FirstUse(make)
        with pytest.raises(ImportError, match="not today"):
            await first.get()
        return await first.get()

    assert "there" == asyncio.run(use())


def test_a_caller_that_hangs_up_takes_it_from_nobody():
    ready = threading.Event()

    async def use() -> bool:
        first = FirstUse(lambda: ready.wait(WAIT_S))
        gone, stays = asyncio.ensure_future(first.get()), asyncio.ensure_future(first.get())
        await asyncio.sleep(0)
        gone.cancel()
        ready.set()
        return await stays

    assert asyncio.run(use())


def test_the_garbage_collector_does_not_look_at_it_again():
    """A full collection would stop requests for as long as it takes to walk through all of FastAPI."""
    before = gc.get_freeze_count()
    value = asyncio.run(FirstUse(lambda: [[] for _ in range(10_000)]).get())
    assert gc.get_freeze_count() >= before + len(value)
    assert gc.isenabled()
    gc.unfreeze()
