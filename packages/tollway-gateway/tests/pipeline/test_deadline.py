"""A request's deadline, against `receive` functions as servers write them; and the timers behind it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tollway.gateway.errors import CallerGone
from tollway.gateway.pipeline.deadline import Deadline, TimeLimit, Timers

from .conftest import run

GONE = {"type": "http.disconnect"}


class LateError(Exception):
    pass


def receiver(*messages: Any):
    """Give each message when its event is set, as Uvicorn does; then wait for ever."""
    events = [asyncio.Event() for _ in messages]
    left = iter(zip(messages, events, strict=True))

    async def receive():
        message, event = next(left, (None, asyncio.Event()))
        await event.wait()
        return message

    return receive, events


def deadline_of(receive, **limits: Any) -> Deadline:
    return Deadline(receive, Timers(), **limits)


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


def test_hang_up_interrupts_and_leaves_the_task_whole():
    """The reason comes out of the `with`, and the task can go on awaiting."""

    async def test():
        receive, (event,) = receiver(GONE)
        asyncio.get_running_loop().call_soon(event.set)
        with pytest.raises(CallerGone), deadline_of(receive):
            await forever()
        await asyncio.sleep(0)
        assert asyncio.current_task().cancelling() == 0

    run(test)


def test_messages_before_the_hang_up_are_passed_over():
    async def test():
        receive, events = receiver({"type": "http.request"}, {"type": "http.request"}, GONE)
        for event in events:
            asyncio.get_running_loop().call_soon(event.set)
        with pytest.raises(CallerGone), deadline_of(receive):
            await forever()

    run(test)


def test_hang_up_that_is_already_there():
    async def test():
        async def receive():
            return GONE

        with pytest.raises(CallerGone), deadline_of(receive):
            await forever()

    run(test)


def test_receive_that_yields_to_the_loop():
    async def test():
        async def receive():
            await asyncio.sleep(0)
            return GONE

        with pytest.raises(CallerGone), deadline_of(receive):
            await forever()

    run(test)


def test_undisturbed_work_is_left_alone():
    """No task is made, and a later hang-up changes nothing."""

    async def test():
        receive, (event,) = receiver(GONE)
        tasks = asyncio.all_tasks()
        with deadline_of(receive) as deadline:
            deadline.expect(TimeLimit(60, LateError))
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
        with deadline_of(receive):
            event.set()
        for _ in range(3):
            await asyncio.sleep(0)
        return "done"

    assert run(test) == "done"


def test_time_limit_interrupts():
    async def test():
        receive, _ = receiver()

        async def work():
            with deadline_of(receive) as deadline:
                deadline.expect(TimeLimit(0.01, LateError))
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
            with deadline_of(receive) as deadline:
                for n, step in enumerate(steps, start=1):
                    deadline.expect(TimeLimit(step, lambda n=n: LateError(str(n))))
                await forever()

        with pytest.raises(LateError, match=str(len(steps))):
            await work()

    run(test)


def test_error_of_the_work_passes():
    async def test():
        receive, _ = receiver()
        with pytest.raises(ZeroDivisionError), deadline_of(receive):
            raise ZeroDivisionError

    run(test)


def test_cancellation_from_outside_stays_one():
    """A server that stops cancels its tasks: that is no hang-up."""

    async def test():
        receive, _ = receiver()
        ready = asyncio.Event()

        async def work():
            with deadline_of(receive):
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

        with deadline_of(receive):
            await asyncio.sleep(0)

    run(test)


def test_total_cuts_a_longer_limit_short():
    """Nothing is awaited beyond the deadline, and the error is the deadline's."""

    async def test():
        receive, _ = receiver()

        async def work():
            with deadline_of(receive, total=TimeLimit(0.01, lambda: LateError("total"))) as deadline:
                deadline.expect(TimeLimit(60, lambda: LateError("step")))
                await forever()

        with pytest.raises(LateError, match="total"):
            await work()

    run(test)


def test_caller_that_takes_nothing_is_gone_at_the_deadline():
    async def test():
        receive, _ = receiver()

        async def work():
            with deadline_of(receive, total=TimeLimit(0.02, LateError)) as deadline:
                deadline.expect(TimeLimit(0.01, LateError))
                deadline.expect_caller()
                await forever()

        with pytest.raises(CallerGone):
            await work()

    run(test)


def test_deadline_is_one_for_all_attempts():
    """Entered again after an attempt that failed, it still ends when it would have."""

    async def test():
        receive, _ = receiver()
        deadline = deadline_of(receive, total=TimeLimit(0.02, lambda: LateError("total")))

        async def attempt(within_s: float):
            with deadline:
                deadline.expect(TimeLimit(within_s, lambda: LateError("step")))
                await forever()

        with pytest.raises(LateError, match="step"):
            await attempt(0.01)
        with pytest.raises(LateError, match="total"):
            await attempt(60)
        assert deadline.left_s() == 0

    run(test)


def test_attempts_leave_no_lanes_behind():
    """What is left of a deadline is another length for every attempt; lanes are those of the limits."""

    async def test():
        receive, _ = receiver()
        timers = Timers()
        for _ in range(100):
            deadline = Deadline(receive, timers, total=TimeLimit(5, LateError))
            for _ in range(3):
                with deadline:
                    deadline.expect(TimeLimit(60, LateError))
                    deadline.expect(TimeLimit(2, LateError))
        assert {5, 2} >= set(timers.lanes)

    run(test)


def test_timer_out_of_its_lanes_order_rings_in_time():
    """What is left of an old deadline ends before newer ones that were set first."""

    async def test():
        timers, done = Timers(), asyncio.Event()
        newer = timers.set(30, timers.loop.time() + 30, lambda: None)
        timers.set(30, timers.loop.time() + 0.01, done.set)
        await done.wait()
        newer.cancel()

    run(test)


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
