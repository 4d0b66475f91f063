import asyncio

import pytest

from tollway.gateway.config.values import ConcurrencyConfig
from tollway.gateway.resilience.shedding import OPEN, ConcurrencyLimit, Shed, gate_of


def limit(in_flight: int = 1, queue: int = 10, wait_s: float = 60) -> ConcurrencyLimit:
    return ConcurrencyLimit(ConcurrencyConfig(max_in_flight=in_flight, max_queue=queue, max_wait_s=wait_s))


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_beyond_both_bounds_a_request_is_refused_at_once() -> None:
    async def scenario() -> None:
        gate = limit(in_flight=2, queue=1)
        await gate.enter()
        await gate.enter()
        waiting = asyncio.create_task(gate.enter())
        await settle()
        assert (2, 1) == (gate.in_flight, gate.queued)
        with pytest.raises(Shed) as shed:
            await gate.enter()
        assert ("queue_full", 1) == (shed.value.reason, shed.value.retry_after_s)
        gate.leave(0.1)
        await waiting
        assert (2, 0) == (gate.in_flight, gate.queued)

    asyncio.run(scenario())


def test_without_a_queue_nobody_waits() -> None:
    async def scenario() -> None:
        gate = limit(queue=0)
        await gate.enter()
        with pytest.raises(Shed):
            await gate.enter()

    asyncio.run(scenario())


def test_first_come_first_served_and_nobody_takes_a_place_in_between() -> None:
    async def scenario() -> None:
        gate = limit()
        await gate.enter()
        order: list[int] = []

        async def request(number: int) -> None:
            await gate.enter()
            order.append(number)

        tasks = [asyncio.create_task(request(number)) for number in range(5)]
        await settle()
        for _ in range(5):
            gate.leave(0.1)
            assert not gate.enter_nowait()
            await settle()
        await asyncio.gather(*tasks)
        assert [0, 1, 2, 3, 4] == order
        gate.leave(0.1)
        assert 0 == gate.in_flight

    asyncio.run(scenario())


def test_who_has_waited_too_long_is_refused() -> None:
    async def scenario() -> None:
        gate = limit(wait_s=0.001)
        await gate.enter()
        with pytest.raises(Shed) as shed:
            await gate.enter()
        assert "queue_timeout" == shed.value.reason
        assert (1, 0) == (gate.in_flight, gate.queued)

    asyncio.run(scenario())


@pytest.mark.parametrize("leave_first", [True, False])
def test_a_caller_that_hangs_up_leaves_its_place_to_the_next(leave_first: bool) -> None:
    """Also in the very moment in which its turn comes."""

    async def scenario() -> None:
        gate = limit()
        await gate.enter()
        gone, stays = (asyncio.create_task(gate.enter()) for _ in range(2))
        await settle()
        for step in (lambda: gate.leave(0.1), gone.cancel)[:: 1 if leave_first else -1]:
            step()
        await stays
        assert gone.cancelled() or await asyncio.gather(gone, return_exceptions=True)
        assert (1, 0) == (gate.in_flight, gate.queued)
        gate.leave(0.1)
        assert 0 == gate.in_flight

    asyncio.run(scenario())


def test_retry_after_is_the_time_until_those_who_wait_are_served() -> None:
    async def scenario() -> None:
        gate = limit(in_flight=2, queue=3)
        for _ in range(200):  # requests of ten seconds each
            await gate.enter()
            gate.leave(10.0)
        for _ in range(2):
            await gate.enter()
        tasks = [asyncio.create_task(gate.enter()) for _ in range(3)]
        await settle()
        with pytest.raises(Shed) as shed:
            await gate.enter()
        assert 20 == shed.value.retry_after_s
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(scenario())


def test_without_a_section_everybody_is_let_in() -> None:
    assert OPEN is gate_of(None)
    assert all(OPEN.enter_nowait() for _ in range(1000))
