import pytest

from tollway.gateway.config.values import HedgeConfig
from tollway.gateway.resilience.hedge import MINIMUM_HEDGES, NO_HEDGE, Hedge, hedge_policy

from .conftest import Clock


def test_after_a_fixed_time(clock: Clock) -> None:
    policy = Hedge(HedgeConfig(after_s=0.8), clock)

    assert [0.8, 0.8] == [policy.after_s(stream=stream) for stream in (False, True)]


def test_after_a_quantile_of_its_own_for_streams_and_whole_answers(clock: Clock) -> None:
    policy = Hedge(HedgeConfig(after_quantile=0.95), clock)
    assert policy.after_s(stream=True) is None
    for _ in range(20):
        policy.observe(0.5, stream=True)
        policy.observe(5.0, stream=False)

    assert [pytest.approx(0.5, rel=0.1), pytest.approx(5.0, rel=0.1)] == [
        policy.after_s(stream=stream) for stream in (True, False)
    ]


def test_no_more_than_the_budgets_share_is_hedged(clock: Clock) -> None:
    policy = Hedge(HedgeConfig(after_s=0.8, budget=0.05), clock)
    for _ in range(1000):
        policy.after_s(stream=False)

    assert 50 == sum(policy.allow() for _ in range(1000))
    assert 950 == policy.exhausted


def test_a_quiet_endpoint_may_hedge_too(clock: Clock) -> None:
    policy = Hedge(HedgeConfig(after_s=0.8), clock)
    policy.after_s(stream=False)

    assert MINIMUM_HEDGES == sum(policy.allow() for _ in range(100))


def test_without_a_section_nothing_is_hedged(clock: Clock) -> None:
    policy = hedge_policy(None, clock)
    policy.observe(1.0, stream=True)

    assert NO_HEDGE is policy
    assert (None, False, 0) == (policy.after_s(stream=True), policy.allow(), policy.exhausted)
