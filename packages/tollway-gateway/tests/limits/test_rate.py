"""Rates in whole numbers."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tollway.gateway.limits import Rate

DAY_US = 86_400_000_000


@given(st.integers(1, 10_000), st.integers(1, 86_400), st.integers(1, 10_000))
def test_a_rate_of_whole_seconds_is_exact(calls: int, period_s: int, burst: int):
    """A microsecond gives back exactly its part of a token."""
    rate = Rate(calls, period_s * 1_000_000, burst)
    assert Fraction(calls, period_s * 1_000_000) == Fraction(rate.speed, rate.interval)
    assert burst * rate.interval == rate.capacity


@given(st.integers(1, 2**52), st.integers(1, 100 * DAY_US), st.integers(1, 2**52))
def test_all_numbers_are_exact_in_a_double(calls: int, period_us: int, burst: int):
    """Redis' scripts have no other numbers."""
    assume(burst * period_us <= 2**52 * calls)
    rate = Rate(calls, period_us, burst)
    assert 0 < rate.interval <= rate.capacity <= 2**52
    assert 0 < rate.speed <= 2**52


@given(st.integers(1, 10**6), st.integers(1, DAY_US), st.integers(1, 10**6))
def test_what_does_not_fit_is_rounded_by_little(calls: int, period_us: int, burst: int):
    """By less than one in a hundred million, for any burst up to a million."""
    assume(burst * period_us <= 2**52 * calls)
    rate = Rate(calls, period_us, burst)
    exact = Fraction(calls, period_us)
    assert abs(Fraction(rate.speed, rate.interval) - exact) <= exact / 10**8


def test_a_bucket_that_takes_ages_to_fill_is_refused():
    """Its rate could not be written in whole numbers: one call a day is not twenty."""
    with pytest.raises(ValueError, match="142 years"):
        Rate(1, DAY_US, 10**6)


@pytest.mark.parametrize(("calls", "period_us", "burst"), [(0, 1, 1), (1, 0, 1), (1, 1, 0), (-1, 1, 1)])
def test_a_rate_is_positive(calls: int, period_us: int, burst: int):
    with pytest.raises(ValueError, match="positive"):
        Rate(calls, period_us, burst)
