"""The watch, against `receive` functions as servers write them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tollway.gateway.pipeline.watch import CallerGone, Watch

GONE = {"type": "http.disconnect"}


class LateError(Exception):
    pass


def run(test: Callable[[], Awaitable[Any]]) -> Any:
    return asyncio.run(asyncio.wait_for(test(), 20))


def receiver(*messages: Any):
    """Give each message when its event is set, as Uvicorn does; then wait for ever."""
    events = [asyncio.Event() for _ in messages]
    left = iter(zip(messages, events, strict=True))

    async def receive():
        message, event = next(left, (None, asyncio.Event()))
        await event.wait()
        return message

    return receive, events


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


def test_hang_up_interrupts_and_leaves_the_task_whole():
    """The reason comes out of the `with`, and the task can go on awaiting."""

    async def test():
        receive, (event,) = receiver(GONE)
        asyncio.get_running_loop().call_soon(event.set)
        with pytest.raises(CallerGone), Watch(receive):
            await forever()
        await asyncio.sleep(0)
        assert asyncio.current_task().cancelling() == 0

    run(test)


def test_messages_before_the_hang_up_are_passed_over():
    async def test():
        receive, events = receiver({"type": "http.request"}, {"type": "http.request"}, GONE)
        for event in events:
            asyncio.get_running_loop().call_soon(event.set)
        with pytest.raises(CallerGone), Watch(receive):
            await forever()

    run(test)


def test_hang_up_that_is_already_there():
    async def test():
        async def receive():
            return GONE

        with pytest.raises(CallerGone), Watch(receive):
            await forever()

    run(test)


def test_receive_that_yields_to_the_loop():
    async def test():
        async def receive():
            await asyncio.sleep(0)
            return GONE

        with pytest.raises(CallerGone), Watch(receive):
            await forever()

    run(test)


def test_undisturbed_work_is_left_alone():
    """No task is made, and a later hang-up changes nothing."""

    async def test():
        receive, (event,) = receiver(GONE)
        tasks = asyncio.all_tasks()
        with Watch(receive) as watch:
            watch.expect(60, LateError)
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == tasks
        event.set()
        for _ in range(3):
            await asyncio.sleep(0)
        assert asyncio.current_task().cancelling() == 0

    run(test)


def test_hang_up_in_the_same_moment_as_the_end():
    """A hang-up that is noticed when the work is just done does not undo it."""

    async def test():
        receive, (event,) = receiver(GONE)
        with Watch(receive):
            event.set()
        for _ in range(3):
            await asyncio.sleep(0)
        return "done"

    assert run(test) == "done"


def test_time_limit_interrupts():
    async def test():
        receive, _ = receiver()

        async def work():
            with Watch(receive) as watch:
                watch.expect(0.01, LateError)
                await forever()

        with pytest.raises(LateError):
            await work()

    run(test)


@pytest.mark.parametrize("steps", [[60, 0.01], [0.01, 60, 0.01], [0.01, 0.02, 0.03]])
def test_last_time_limit_counts(steps: list[float]):
    """Each `expect` replaces the one before, be it shorter or longer."""

    async def test():
        receive, _ = receiver()

        async def work():
            with Watch(receive) as watch:
                for n, step in enumerate(steps, start=1):
                    watch.expect(step, lambda n=n: LateError(str(n)))
                await forever()

        with pytest.raises(LateError, match=str(len(steps))):
            await work()

    run(test)


def test_error_of_the_work_passes():
    async def test():
        receive, _ = receiver()
        with pytest.raises(ZeroDivisionError), Watch(receive):
            raise ZeroDivisionError

    run(test)


def test_cancellation_from_outside_stays_one():
    """A server that stops cancels its tasks: that is no hang-up."""

    async def test():
        receive, _ = receiver()
        ready = asyncio.Event()

        async def work():
            with Watch(receive):
                ready.set()
                await forever()

        task = asyncio.create_task(work())
        await ready.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(test)


def test_receive_that_raises_is_not_watched():
    """A server whose `receive` cannot be driven costs the watch, not the request."""

    async def test():
        async def receive():
            raise RuntimeError("a task is needed")

        with Watch(receive):
            await asyncio.sleep(0)

    run(test)
