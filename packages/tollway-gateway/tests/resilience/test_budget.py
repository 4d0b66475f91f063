from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.resilience.budget import NO_BUDGET, WINDOW_S, ShareBudget

from .conftest import Clock


def test_a_busy_upstream_has_a_share_of_its_requests(clock: Clock) -> None:
    budget = ShareBudget(0.2, 10, clock)
    for _ in range(1000):
        budget.deposit()

    assert 200 == sum(budget.withdraw() for _ in range(1000))
    assert 800 == budget.exhausted


def test_a_quiet_upstream_has_its_minimum(clock: Clock) -> None:
    budget = ShareBudget(0.2, 10, clock)
    budget.deposit()

    assert 10 == sum(budget.withdraw() for _ in range(20))


def test_what_was_spent_comes_back_with_time(clock: Clock) -> None:
    budget = ShareBudget(0.2, 1, clock)
    assert budget.withdraw()
    assert not budget.withdraw()
    clock.advance(WINDOW_S)
    assert budget.withdraw()


def test_a_share_of_nothing_is_nothing(clock: Clock) -> None:
    budget = ShareBudget(0.0, 10, clock)
    budget.deposit()

    assert not budget.withdraw()


def test_who_makes_no_retries_has_none_to_pay() -> None:
    NO_BUDGET.deposit()
    assert not NO_BUDGET.withdraw()


@given(
    st.floats(0.01, 1),
    st.integers(0, 5),
    st.lists(st.tuples(st.sampled_from(["request", "retry"]), st.floats(0, 3)), max_size=200),
)
def test_retries_within_any_window_are_bounded(
    share: float, minimum: int, steps: list[tuple[str, float]]
) -> None:
    """Whatever happens when: an outage is never amplified beyond the share, or the minimum."""
    clock = Clock()
    budget = ShareBudget(share, minimum, clock)
    requests: list[float] = []
    retries: list[float] = []
    for what, by_s in steps:
        clock.advance(by_s)
        if what == "request":
            budget.deposit()
            requests.append(clock.now_s)
        elif budget.withdraw():
            retries.append(clock.now_s)
            recent = [at for at in requests if clock.now_s - at < WINDOW_S]
            spent = [at for at in retries if clock.now_s - at < WINDOW_S * 0.9]
            assert len(spent) <= max(minimum, share * len(recent))
