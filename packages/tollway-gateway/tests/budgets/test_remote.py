"""Budgets in a real Redis: gateways spend from the same amount, and count alone while it is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC
from functools import partial
from pathlib import Path

import pytest

from support.redis_server import RedisServer, redis_server
from tollway.gateway.budgets.budget import Budget
from tollway.gateway.budgets.collector import storage_families
from tollway.gateway.budgets.file import BudgetFile
from tollway.gateway.budgets.remote import RemoteBudgets
from tollway.gateway.budgets.store import Denial
from tollway.gateway.limits.redis_client import address_of, clients_of

NOW_S = 4_102_444_800 - 43_200  # noon of the last day of 2099: no key of the tests expires
DAY_S = 86_400
PATIENT_S = 20.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as one:
        yield one


class Gateways:
    """Gateways on machines of their own, which share a Redis."""

    def __init__(self, server: RedisServer, folder: Path, stack: AsyncExitStack) -> None:
        self.server = server
        self._folder = folder
        self._stack = stack
        self.now_s = NOW_S
        self.up = asyncio.Event()
        self.down = asyncio.Event()

    def _changed(self, is_up: bool) -> None:
        (self.up if is_up else self.down).set()

    def add(self, name: str, wait_s: float = PATIENT_S) -> RemoteBudgets:
        local = BudgetFile(self._folder / name, lambda: self.now_s)
        address = address_of(self.server.url)
        store = RemoteBudgets(
            partial(clients_of, address),
            "redis",
            local,
            on_change=self._changed,
            wait_s=wait_s,
            start_s=PATIENT_S,
        )
        self._stack.push_async_callback(store.stop)
        return store


@pytest.fixture
def run(server: RedisServer, tmp_path: Path) -> Callable[[Callable[[Gateways], Awaitable[None]]], None]:
    """Runs a test in an event loop, with an empty Redis."""

    def run(test: Callable[[Gateways], Awaitable[None]]) -> None:
        async def main() -> None:
            async with asyncio.timeout(60), AsyncExitStack() as stack:
                await test(Gateways(server, tmp_path, stack))

        server.ask("FLUSHALL")
        asyncio.run(main())

    return run


def budget(store: RemoteBudgets, amount: int = 100, *, alert: int | None = None) -> Budget:
    made = Budget("a", b"a" * 16, amount, "day", UTC, store, alert_picousd=alert)
    store.place(made)
    return made


async def reserve(one: Budget, picousd: int = 10) -> list[int] | Denial:
    reserved = one.store.reserve_nowait([one], picousd)
    return await one.store.reserve([one], picousd) if reserved is None else reserved


async def spend(one: Budget, picousd: int, held: int = 10, told: list[int] | None = None) -> bool:
    """Make one call; say whether it passed."""
    starts = await reserve(one, held)
    if isinstance(starts, Denial):
        return False
    one.store.charge(
        [one], starts, held, picousd, lambda _, spent: [] if told is None else told.append(spent)
    )
    return True


def test_gateways_spend_from_the_same_amount(run):
    """Ten calls of a tenth pass, whichever gateway they come to, and the eleventh does not."""

    async def test(gateways: Gateways) -> None:
        both = [budget(gateways.add(name)) for name in ("one", "two")]
        assert [True] * 10 + [False] * 2 == [await spend(both[n % 2], 10) for n in range(12)]

    run(test)


def test_calls_in_flight_count_everywhere(run):
    async def test(gateways: Gateways) -> None:
        first, second = (budget(gateways.add(name)) for name in ("one", "two"))
        starts = await reserve(first, 100)
        denial = await reserve(second)
        assert isinstance(denial, Denial)
        assert not denial.is_spent
        assert isinstance(starts, list)
        first.store.charge([first], starts, 100, 30, lambda *_: None)
        assert isinstance(await reserve(first), list)  # behind the charge, on the same connection
        assert await spend(second, 60)
        assert isinstance(await reserve(second), Denial)  # 30 + 60 spent, 10 reserved

    run(test)


def test_all_budgets_allow_a_call_or_none_is_charged(run):
    async def test(gateways: Gateways) -> None:
        store = gateways.add("one")
        wide, narrow = budget(store), Budget("b", b"b" * 16, 5, "day", UTC, store)
        store.place(narrow)
        assert await spend(narrow, 5)
        assert isinstance(await store.reserve([wide, narrow], 90), Denial)
        assert [True] * 10 + [False] == [await spend(wide, 10) for _ in range(11)]

    run(test)


def test_large_amounts_are_exact(run):
    """Beyond 2^53, where a script's own numbers are not."""

    async def test(gateways: Gateways) -> None:
        one = budget(gateways.add("one"), 10**18)
        for _ in range(3):
            await spend(one, 2**53 + 1)
        await reserve(one, 0)
        assert (3 * (2**53 + 1), 0) == one.store.spent(one)

    run(test)


def test_the_alert_is_told_by_the_gateway_that_passes_it(run):
    async def test(gateways: Gateways) -> None:
        told: tuple[list[int], list[int]] = ([], [])
        both = [budget(gateways.add(name), alert=50) for name in ("one", "two")]
        for n in range(4):
            await spend(both[n % 2], 20, told=told[n % 2])
            await reserve(both[n % 2], 0)
        assert ([60], []) == told

    run(test)


def test_a_period_has_a_key_of_its_own_that_expires(run):
    async def test(gateways: Gateways) -> None:
        one = budget(gateways.add("one"))
        await spend(one, 100)
        gateways.now_s += DAY_S
        assert await spend(one, 10)
        await reserve(one, 0)
        key = f"tollway:{{budgets}}:{(b'a' * 16).hex()}:{one.window(gateways.now_s).start_s}"
        assert int(gateways.server.ask("TTL", key)[1:]) > DAY_S

    run(test)


def test_a_reservation_of_a_gateway_that_died_lapses(run):
    """It is of a slice of time, and old slices do not count."""

    async def test(gateways: Gateways) -> None:
        one = budget(gateways.add("one"))
        key = f"tollway:{{budgets}}:{(b'a' * 16).hex()}:{one.window(NOW_S).start_s}"
        gateways.server.ask("HSET", key, "12", "100")
        assert await spend(one, 10)

    run(test)


def test_while_redis_is_away_this_machine_counts_and_makes_up_for_it(run, tmp_path):
    async def test(gateways: Gateways) -> None:
        with redis_server(tmp_path) as gateways.server:
            first = budget(gateways.add("one"))
            assert await spend(first, 40)
            await reserve(first, 0)
            gateways.server.stop()
            await reserve(first, 0)
            await gateways.down.wait()
            assert [True] * 2 == [await spend(first, 10) for _ in range(2)]  # 60 with what Redis said
            gateways.up.clear()
            gateways.server.start()  # and it has lost everything
            await gateways.up.wait()
            second = budget(gateways.add("two"))
            await reserve(first, 0)
            assert [True] * 4 + [False] == [await spend(second, 10) for _ in range(5)]

    run(test)


def test_a_redis_that_hangs_stalls_nobody(run, tmp_path):
    """After the wait this machine decides; what Redis reserves later is given back."""

    async def test(gateways: Gateways) -> None:
        with redis_server(tmp_path) as gateways.server:
            one = budget(gateways.add("one", wait_s=0.005))
            assert await spend(one, 10)
            gateways.server.hang()
            starts = await reserve(one, 50)
            assert isinstance(starts, list)
            gateways.server.go_on()
            one.store.charge([one], starts, 50, 20, lambda *_: None)

    run(test)


def test_without_redis_the_first_call_is_decided_here(run, tmp_path):
    async def test(gateways: Gateways) -> None:
        with redis_server(tmp_path) as gateways.server:
            gateways.server.stop()
            one = budget(gateways.add("one"))
            assert [True] * 10 + [False] == [await spend(one, 10) for _ in range(11)]

    run(test)


def test_a_metric_says_whether_redis_serves(run, tmp_path):
    """It is there once the first call has connected."""

    def shown(store: RemoteBudgets) -> list[float]:
        return [sample.value for family in storage_families(store) for sample in family.samples]

    async def test(gateways: Gateways) -> None:
        with redis_server(tmp_path) as gateways.server:
            store = gateways.add("one")
            assert [] == shown(store)
            assert await spend(budget(store), 10)
            assert [1] == shown(store)
            gateways.down.clear()
            gateways.server.stop()
            await spend(budget(store), 10)
            await gateways.down.wait()
            assert [0] == shown(store)

    run(test)
