from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.limits import Bucket, Rate, take

SECOND = 1_000_000_000

rates = st.builds(
    Rate,
    calls=st.integers(1, 10_000),
    period_ns=st.integers(1, 86_400 * SECOND),
    burst=st.integers(1, 50),
)
gaps = st.lists(st.integers(0, 100 * SECOND), max_size=60)


@given(rates, st.integers(0, 10**18))
def test_new_bucket_is_full_and_holds_exactly_burst(rate: Rate, now_ns: int):
    """A new bucket allows `burst` calls at one instant, and not one more."""
    bucket = Bucket()
    decisions = [take(rate, bucket, now_ns) for _ in range(rate.burst + 1)]
    assert [True] * rate.burst + [False] == [d.allowed for d in decisions]
    assert [*range(rate.burst - 1, -1, -1), 0] == [d.remaining for d in decisions]


@given(rates, gaps)
def test_never_more_than_burst_plus_rate(rate: Rate, steps: list[int]):
    """In any span of time, no more calls pass than the burst and what was refilled meanwhile."""
    bucket, now, passed = Bucket(), 0, []
    for step in steps:
        now += step
        if take(rate, bucket, now).allowed:
            passed.append(now)
    for i, start in enumerate(passed):
        for count, end in enumerate(passed[i:], start=1):
            refilled = (end - start) * rate.calls / rate.period_ns
            assert count <= rate.burst + refilled + 1e-6


@given(rates, gaps)
def test_told_wait_is_true(rate: Rate, steps: list[int]):
    """Who waits `wait_ns` is allowed, and a nanosecond earlier is denied."""
    now = sum(steps)
    early, exact = Bucket(), Bucket()
    for bucket in (early, exact):
        while take(rate, bucket, now).allowed:
            pass
    wait_ns = take(rate, exact, now).wait_ns
    assert wait_ns > 0
    assert not take(rate, early, now + wait_ns - 1).allowed
    assert take(rate, exact, now + wait_ns).allowed


@given(rates, gaps)
def test_full_again_when_said(rate: Rate, steps: list[int]):
    """After `full_in_ns` without a call the bucket holds `burst` again."""
    bucket, now = Bucket(), 0
    decision = take(rate, bucket, now)
    for step in steps:
        now += step
        decision = take(rate, bucket, now)
    then = now + decision.full_in_ns
    assert [True] * rate.burst == [take(rate, bucket, then).allowed for _ in range(rate.burst)]


@given(rates, st.integers(1, 20))
def test_denied_calls_cost_nothing(rate: Rate, denials: int):
    """However often a caller is denied, the next token comes no later."""
    bucket = Bucket()
    while take(rate, bucket, 0).allowed:
        pass
    waits = {take(rate, bucket, 0).wait_ns for _ in range(denials)}
    assert len(waits) == 1


@pytest.mark.parametrize(("calls", "period_ns", "burst"), [(0, 1, 1), (1, 0, 1), (1, 1, 0), (-1, 1, 1)])
def test_rate_must_be_positive(calls: int, period_ns: int, burst: int):
    with pytest.raises(ValueError, match="positive"):
        Rate(calls, period_ns, burst)
