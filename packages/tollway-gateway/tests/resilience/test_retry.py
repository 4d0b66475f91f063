import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.config.values import RetryConfig
from tollway.gateway.resilience.budget import NO_BUDGET, Budget, ShareBudget
from tollway.gateway.resilience.retry import NO_RETRY, Backoff, retry_policy
from tollway.provider import (
    ErrorKind,
    PayloadError,
    ProviderError,
    UpstreamConnectionError,
    UpstreamError,
    UpstreamTimeoutError,
)

from .conftest import Clock, never

FOREVER = math.inf
BUSY = UpstreamError("busy", upstream_status=503, status=503)


def most() -> float:
    return 1.0 - 2**-53


@pytest.fixture
def budget(clock: Clock) -> Budget:
    return ShareBudget(1.0, 1000, clock)


def policy(attempts: int = 5, backoff_s: float = 0.5, max_backoff_s: float = 8, random=most) -> Backoff:
    return Backoff(RetryConfig(attempts=attempts, backoff_s=backoff_s, max_backoff_s=max_backoff_s), random)


def test_the_longest_delay_doubles_up_to_the_maximum(budget: Budget) -> None:
    delays = [policy(attempts=9).delay_s(attempts, BUSY, FOREVER, budget) for attempts in range(1, 9)]

    assert pytest.approx([0.5, 1, 2, 4, 8, 8, 8, 8]) == delays


def test_the_shortest_delay_is_none(budget: Budget) -> None:
    """Full jitter: anything from nothing up."""
    assert 0 == policy(random=never).delay_s(4, BUSY, FOREVER, budget)


def test_attempts_are_counted_with_the_first_one(budget: Budget) -> None:
    assert policy(attempts=2).delay_s(1, BUSY, FOREVER, budget) is not None
    assert policy(attempts=2).delay_s(2, BUSY, FOREVER, budget) is None


@pytest.mark.parametrize(
    ("error", "retried"),
    [
        (BUSY, True),
        (UpstreamConnectionError("refused"), True),
        (UpstreamError("m", upstream_status=429, status=429), True),
        (UpstreamTimeoutError("silent"), False),
        (PayloadError("bad"), False),
        (UpstreamError("m", upstream_status=401), False),
        (ProviderError("m", kind=ErrorKind.CONTEXT_LENGTH), False),
        (ProviderError("m", kind=ErrorKind.QUOTA_EXHAUSTED), False),
        (ProviderError("m", kind=ErrorKind.CONTENT_FILTER), False),
    ],
)
def test_only_what_may_succeed_is_retried(error: ProviderError, retried: bool, budget: Budget) -> None:
    assert retried is (policy().delay_s(1, error, FOREVER, budget) is not None)


def asking(retry_after_s: float) -> ProviderError:
    return UpstreamError("busy", upstream_status=429, status=429, retry_after_s=retry_after_s)


@pytest.mark.parametrize("retry_after_s", [0.0, 0.25, 3.0, 8.0])
def test_a_retry_after_is_waited_for_and_a_little_longer(retry_after_s: float, budget: Budget) -> None:
    assert retry_after_s == policy(random=never).delay_s(1, asking(retry_after_s), FOREVER, budget)
    delay_s = policy(random=most).delay_s(1, asking(retry_after_s), FOREVER, budget)
    assert delay_s is not None
    assert retry_after_s <= delay_s <= retry_after_s * 1.1


def test_a_retry_after_beyond_the_maximum_is_left_to_the_next_candidate(budget: Budget) -> None:
    assert policy().delay_s(1, asking(8.1), FOREVER, budget) is None


def test_a_delay_beyond_the_deadline_is_left_to_the_next_candidate(budget: Budget) -> None:
    assert policy(random=never).delay_s(1, asking(3), 2.9, budget) is None
    assert policy(random=never).delay_s(1, asking(3), 3.1, budget) is not None


def test_a_spent_budget_ends_retries_and_what_is_not_made_is_not_paid_for(clock: Clock) -> None:
    budget = ShareBudget(1.0, 1, clock)

    assert policy().delay_s(1, asking(100), FOREVER, budget) is None
    assert policy().delay_s(1, BUSY, FOREVER, budget) is not None
    assert policy().delay_s(1, BUSY, FOREVER, budget) is None
    assert 1 == budget.exhausted


@pytest.mark.parametrize("config", [None, RetryConfig(attempts=1)])
def test_without_a_section_and_with_one_attempt_there_are_no_retries(config: RetryConfig | None) -> None:
    made = retry_policy(config, never)

    assert NO_RETRY is made
    assert made.delay_s(1, BUSY, FOREVER, NO_BUDGET) is None


@given(st.integers(1, 10_000), st.floats(0, 1e6), st.floats(0.001, 1e6), st.floats(0, 1, exclude_max=True))
def test_no_delay_is_longer_than_the_maximum(
    attempts: int, backoff_s: float, max_backoff_s: float, chance: float
) -> None:
    clock = Clock()
    made = policy(10_001, backoff_s, max_backoff_s, lambda: chance)
    delay_s = made.delay_s(attempts, BUSY, FOREVER, ShareBudget(1.0, 1, clock))

    assert delay_s is not None
    assert 0 <= delay_s <= max_backoff_s
