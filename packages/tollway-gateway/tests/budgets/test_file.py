"""Budgets in files: what is spent survives, what is reserved does not; exact between workers."""

from __future__ import annotations

import os
import signal
from datetime import UTC
from pathlib import Path

import pytest

from tollway.gateway.budgets.budget import Budget
from tollway.gateway.budgets.file import BudgetFile
from tollway.gateway.budgets.store import BudgetFileError, Denial

NOON_S = 1_796_040_000
DAY_S = 86_400


class Clock:
    def __init__(self) -> None:
        self.now_s = NOON_S

    def __call__(self) -> int:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, str]:
    shared = tmp_path / "shared-run1"
    shared.mkdir()
    return tmp_path / "state", str(shared)


def budget(store: BudgetFile, amount: int = 100, *, name: bytes = b"a", alert: int | None = None) -> Budget:
    made = Budget("a", name.ljust(16), amount, "day", UTC, store, alert_picousd=alert)
    store.place(made)
    return made


def settle(one: Budget, starts: object, held: int, picousd: int) -> list[int]:
    """End a reservation; return what is spent where that passes the alert."""
    assert isinstance(starts, list)
    told: list[int] = []
    one.store.charge([one], starts, held, picousd, lambda _, spent: told.append(spent))
    return told


def spend(one: Budget, picousd: int, estimate: int = 10) -> list[int]:
    return settle(one, one.store.reserve_nowait([one], estimate), estimate, picousd)


def workers(folders: tuple[Path, str], clock: Clock, count: int = 2) -> list[BudgetFile]:
    return [BudgetFile(folders[0], clock, (folders[1], number)) for number in range(count)]


def test_ten_calls_of_a_tenth_pass_and_the_eleventh_does_not(tmp_path, clock):
    one = budget(BudgetFile(tmp_path, clock))
    for _ in range(10):
        spend(one, 10)

    denial = one.store.reserve_nowait([one], 10)

    assert Denial(one, one.window(NOON_S), is_spent=True) == denial


def test_calls_in_flight_count_as_what_they_reserved(folders, clock):
    """Whatever worker they are in; one of them is told that it may ask again soon."""
    stores = workers(folders, clock)
    ours, others = (budget(store) for store in stores)
    for n in range(10):
        assert isinstance(
            (ours if n % 2 else others).store.reserve_nowait([ours if n % 2 else others], 10), list
        )

    denial = ours.store.reserve_nowait([ours], 10)

    assert isinstance(denial, Denial)
    assert not denial.is_spent


def test_amounts_beyond_every_budget_stay_within_their_words(tmp_path, clock):
    """A call may ask for so many tokens that no 64 bits hold what they cost."""
    one = budget(BudgetFile(tmp_path, clock))

    assert isinstance(one.store.reserve_nowait([one], 10**30), list)
    assert isinstance(one.store.reserve_nowait([one], 10**30), Denial)
    settle(one, [one.window(NOON_S).start_s], 10**30, 10**30)
    settle(one, [one.window(NOON_S).start_s], 0, 10**30)

    assert (2**61, 0) == one.store.spent(one)


def test_all_budgets_allow_a_call_or_none_is_charged(tmp_path, clock):
    store = BudgetFile(tmp_path, clock)
    wide, narrow = budget(store, 100, name=b"wide"), budget(store, 10, name=b"narrow")
    spend(narrow, 10)

    assert isinstance(store.reserve_nowait([wide, narrow], 10), Denial)
    assert (0, 0) == store.spent(wide)


def test_a_reservation_ends_with_the_charge(tmp_path, clock):
    one = budget(BudgetFile(tmp_path, clock))
    holds = one.store.reserve_nowait([one], 70)

    assert (0, 70) == one.store.spent(one)
    settle(one, holds, 70, 30)
    assert (30, 0) == one.store.spent(one)


def test_the_next_period_begins_with_nothing(tmp_path, clock):
    """A call counts in the period in which it passed, also if it ends in the next."""
    one = budget(BudgetFile(tmp_path, clock))
    late = one.store.reserve_nowait([one], 50)
    spend(one, 60)

    clock.now_s += DAY_S
    early = one.store.reserve_nowait([one], 7)
    settle(one, late, 50, 50)

    assert (0, 7) == one.store.spent(one)
    settle(one, early, 7, 7)
    assert (7, 0) == one.store.spent(one)


def test_the_alert_is_told_once_a_period(tmp_path, clock):
    one = budget(BudgetFile(tmp_path, clock), alert=80)

    told = [bool(spend(one, 30)) for _ in range(4)]
    clock.now_s += DAY_S
    told += [bool(spend(one, 30)) for _ in range(3)]

    assert [False, False, True, False, False, False, True] == told


def test_what_is_spent_survives_a_restart_and_what_is_reserved_does_not(tmp_path, clock):
    """Killed with SIGKILL: nothing was closed."""
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        one = budget(BudgetFile(tmp_path, clock))
        spend(one, 42)
        one.store.reserve_nowait([one], 50)
        os.write(told, b"x")
        signal.pause()
    os.read(ready, 1)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)

    again = budget(BudgetFile(tmp_path, clock), amount=200)

    assert (42, 0) == again.store.spent(again)


def test_a_worker_that_replaces_another_takes_its_reservations_back(folders, clock):
    stores = workers(folders, clock)
    first, second = (budget(store) for store in stores)
    first.store.reserve_nowait([first], 60)
    second.store.reserve_nowait([second], 20)

    again = budget(BudgetFile(folders[0], clock, (folders[1], 0)))

    assert (0, 20) == again.store.spent(again)


def test_a_reservation_of_the_period_before_is_not_taken_back_twice(folders, clock):
    stores = workers(folders, clock)
    first, second = (budget(store) for store in stores)
    first.store.reserve_nowait([first], 60)
    clock.now_s += DAY_S
    second.store.reserve_nowait([second], 20)

    again = budget(BudgetFile(folders[0], clock, (folders[1], 0)))

    assert (0, 20) == again.store.spent(again)


def test_two_gateways_do_not_share_a_working_directory(folders, clock, tmp_path):
    """One that is alone, or the workers of one that has several."""
    state, _ = folders
    alone = BudgetFile(state, clock)
    with pytest.raises(BudgetFileError, match="another gateway keeps its budgets"):
        BudgetFile(state, clock, (folders[1], 0), patience_s=0)
    with pytest.raises(BudgetFileError, match="start this one in another working directory"):
        BudgetFile(state, clock, patience_s=0)
    assert alone.spent(budget(alone)) == (0, 0)


def test_another_runs_workers_do_not_join(folders, clock, tmp_path):
    other = tmp_path / "shared-run2"
    other.mkdir()
    held = workers(folders, clock)
    with pytest.raises(BudgetFileError):
        BudgetFile(folders[0], clock, (str(other), 0), patience_s=0)
    assert 2 == len(held)


def test_a_gateway_waits_for_workers_that_are_ending(tmp_path, clock, monkeypatch):
    """Those of one that was killed, say."""
    held = BudgetFile(tmp_path, clock)
    monkeypatch.setattr("tollway.gateway.budgets.file.sleep", lambda _: held.close())

    assert BudgetFile(tmp_path, clock, patience_s=60)


def test_budgets_whose_period_is_long_over_make_room(tmp_path, clock):
    store = BudgetFile(tmp_path, clock, slots=2)
    for name in (b"one", b"two"):
        spend(budget(store, name=name), 5)
    with pytest.raises(BudgetFileError, match="no place for more than 2"):
        budget(store, name=b"three")

    clock.now_s += 3 * DAY_S
    three = budget(store, name=b"three")

    assert (0, 0) == store.spent(three)


def test_workers_together_admit_no_more_than_the_amount(folders, clock):
    """Four processes at once, each until it is denied: a hundred calls of a hundredth pass."""
    pids, ends = [], []
    for number in range(4):
        out, into = os.pipe()
        pid = os.fork()
        if pid == 0:
            one = budget(BudgetFile(folders[0], clock, (folders[1], number)), 1000)
            passed = 0
            while isinstance(holds := one.store.reserve_nowait([one], 10), list):
                passed += 1
                settle(one, holds, 10, 10)
            os.write(into, b"%d" % passed)
            os._exit(0)
        pids.append(pid)
        ends.append(out)
    passed = [int(os.read(end, 16)) for end in ends]
    for pid in pids:
        os.waitpid(pid, 0)

    assert 100 == sum(passed)
