"""All requests in flight share one budget of memory."""

from __future__ import annotations

from array import array

import pytest

from tollway.gateway.guard.memory import Hold, MemoryBudget

MIB = 1024 * 1024


@pytest.fixture
def budget() -> MemoryBudget:
    return MemoryBudget(16 * MIB)


def held_by(budget: MemoryBudget, size: int) -> Hold:
    hold = Hold(budget)
    assert hold.grow_to(size)
    return hold


def test_what_is_released_is_free_again(budget: MemoryBudget):
    """Growing in steps, across the border of large requests, and a second release leave nothing behind."""
    holds = [Hold(budget) for _ in range(5)]
    for step in (1000, MIB // 2, MIB + 1, 2 * MIB):
        assert all(hold.grow_to(step) for hold in holds)
    assert budget.held == 10 * MIB
    for hold in holds * 2:
        hold.release()
    assert budget.held == 0
    assert held_by(budget, 15 * MIB)


def test_growing_to_less_changes_nothing(budget: MemoryBudget):
    hold = held_by(budget, 100)
    assert hold.grow_to(50)
    assert budget.held == 100


def test_what_nobody_has_read_takes_from_large_requests_only(budget: MemoryBudget):
    """It may fill their part; small requests keep theirs."""
    assert budget.count_unread(12 * MIB)
    assert not budget.count_unread(1)
    assert budget.count_unread(-1)
    for _ in range(8):
        held_by(budget, MIB // 2)
    budget.count_unread(-12 * MIB)
    assert budget.held == 4 * MIB


def test_a_large_request_is_admitted_beside_what_nobody_has_read(budget: MemoryBudget):
    """The only large one always is, or it might never be."""
    budget.count_unread(8 * MIB)
    held_by(budget, 20 * MIB)


def test_large_requests_leave_a_quarter_for_small_ones(budget: MemoryBudget):
    """Large ones are refused at three quarters; small ones go on being admitted."""
    for _ in range(6):
        held_by(budget, 2 * MIB)
    assert not Hold(budget).grow_to(2 * MIB)
    for _ in range(8):
        held_by(budget, MIB // 2)
    assert not Hold(budget).grow_to(MIB // 2)
    assert budget.held == 16 * MIB


def test_the_only_large_request_is_admitted_whatever_it_needs(budget: MemoryBudget):
    """It does not starve the small ones, and the next large one waits for its end."""
    large = held_by(budget, 100 * MIB)
    assert not Hold(budget).grow_to(2 * MIB)
    small = [held_by(budget, MIB) for _ in range(4)]
    assert not Hold(budget).grow_to(MIB)
    large.release()
    held_by(budget, 2 * MIB)
    for hold in small:
        hold.release()
    assert budget.held == 2 * MIB


def test_a_request_that_is_refused_keeps_what_it_held(budget: MemoryBudget):
    """A refused growth holds nothing more, and the release gives back what was held before."""
    held_by(budget, 12 * MIB)
    hold = held_by(budget, MIB)
    assert not hold.grow_to(3 * MIB)
    assert budget.held == 13 * MIB
    hold.release()
    assert budget.held == 12 * MIB


def test_many_empty_containers_weigh_more_than_text(budget: MemoryBudget):
    """Once an eighth of the budget is held, the parsed form of every body is measured."""
    body, payload = b'{"x":[' + b"{}," * 1000 + b"1]}", {"x": [{}] * 1000 + [1]}
    hold = Hold(budget)
    rough = hold.measure(body, payload)
    held_by(budget, 2 * MIB)
    assert rough < 10 * len(body)
    assert hold.measure(body, payload) > 60 * len(body)


def test_held_bytes_are_kept_in_the_cell_of_the_gauge():
    cells = array("d", [0.0, 7.0])
    Hold(MemoryBudget(MIB, cells, 1)).grow_to(100)
    assert cells.tolist() == [0.0, 107.0]
