"""What every store promises of its buckets; each test runs on each of them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tollway.gateway.limits import Claim, Decision, Rate

A, B = b"a" * 16, b"b" * 16
HOUR_US = 3_600_000_000

rates = st.builds(
    Rate,
    calls=st.integers(1, 10_000),
    period_us=st.integers(1, 86_400).map(lambda seconds: seconds * 1_000_000),
    burst=st.integers(1, 40),
)

each = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def take(buckets, rate: Rate, key: bytes = A, tokens: int = 1) -> Decision:
    (decision,) = buckets.take(Claim(rate, key, tokens))
    return decision


def empty(buckets, rate: Rate) -> Decision:
    """Take all there is; return the denial."""
    while (decision := take(buckets, rate)).allowed:
        pass
    return decision


class Exact:
    """A bucket in fractions of tokens: what all of them are compared with."""

    def __init__(self, rate: Rate, now_us: int) -> None:
        self.rate, self.level, self.since_us = rate, Fraction(rate.burst), now_us

    def refill(self, now_us: int) -> None:
        gained = Fraction((now_us - self.since_us) * self.rate.calls, self.rate.period_us)
        self.level, self.since_us = min(Fraction(self.rate.burst), self.level + gained), now_us


@each
@given(rates, rates, st.data())
def test_decisions_are_those_of_exact_buckets(new_buckets, first: Rate, second: Rate, data: st.DataObject):
    """Two buckets, claimed alone or together, in any numbers, at any times."""
    buckets = new_buckets()
    exact = {A: Exact(first, buckets.clock.now_us), B: Exact(second, buckets.clock.now_us)}
    keys = st.sampled_from([(A,), (B,), (A, B)])
    for gap_us in data.draw(st.lists(st.integers(0, 5_000_000), max_size=25)):
        buckets.wait(gap_us)
        claims = [
            Claim(exact[key].rate, key, data.draw(st.integers(1, exact[key].rate.burst)))
            for key in data.draw(keys)
        ]
        for claim in claims:
            exact[claim.key].refill(buckets.clock.now_us)
        expected = [exact[claim.key].level >= claim.tokens for claim in claims]
        if all(expected):
            for claim in claims:
                exact[claim.key].level -= claim.tokens
        decisions = buckets.take(*claims)
        assert expected == [decision.allowed for decision in decisions]
        left = [int(exact[claim.key].level) for claim in claims]
        assert left == [decision.remaining for decision in decisions]


@each
@given(rates)
def test_a_new_bucket_holds_exactly_burst(new_buckets, rate: Rate):
    """So many at one instant, and not one more."""
    buckets = new_buckets()
    decisions = [take(buckets, rate) for _ in range(rate.burst + 1)]
    assert [True] * rate.burst + [False] == [decision.allowed for decision in decisions]
    assert [*range(rate.burst - 1, -1, -1), 0] == [decision.remaining for decision in decisions]


@each
@given(rates, st.data())
def test_the_wait_is_true(new_buckets, rate: Rate, data: st.DataObject):
    """Who waits so long is allowed as many tokens as it was denied, and a microsecond earlier it is not."""
    buckets = new_buckets()
    empty(buckets, rate)
    tokens = data.draw(st.integers(1, rate.burst))
    wait_us = take(buckets, rate, tokens=tokens).wait_us
    assert wait_us > 0
    buckets.wait(wait_us - 1)
    assert not take(buckets, rate, tokens=tokens).allowed
    buckets.wait(1)
    assert take(buckets, rate, tokens=tokens).allowed


@each
@given(rates, st.lists(st.integers(0, 5_000_000), min_size=1, max_size=10))
def test_it_is_full_when_it_says(new_buckets, rate: Rate, gaps_us: list[int]):
    """After that time without a call the bucket holds `burst` again."""
    buckets = new_buckets()
    for gap_us in gaps_us:
        buckets.wait(gap_us)
        decision = take(buckets, rate)
    buckets.wait(decision.full_in_us)
    assert [True] * rate.burst == [take(buckets, rate).allowed for _ in range(rate.burst)]


def test_what_is_denied_costs_nothing(buckets):
    """However often a caller is denied, the next token comes no later."""
    rate = Rate(7, 60_000_000, 3)
    empty(buckets, rate)
    assert 1 == len({take(buckets, rate).wait_us for _ in range(10)})


@pytest.mark.parametrize("order", [(A, B), (B, A)])
def test_of_several_claims_all_or_none_is_taken(buckets, order: tuple[bytes, bytes]):
    """One that would be allowed alone keeps its tokens when another is denied, whichever is asked first."""
    rates = {A: Rate(1, HOUR_US, 5), B: Rate(1, HOUR_US, 1)}
    claims = [Claim(rates[key], key, 1) for key in order]
    assert [True, True] == [decision.allowed for decision in buckets.take(*claims)]
    denied = dict(zip(order, buckets.take(*claims), strict=True))
    assert (True, 4) == denied[A][:2]
    assert (False, 0) == denied[B][:2]
    assert 3 == take(buckets, rates[A], A).remaining


def test_what_is_given_back_can_be_taken_again(buckets):
    """And a bucket never holds more than its burst."""
    rate = Rate(1, HOUR_US, 10)
    assert 4 == take(buckets, rate, tokens=6).remaining
    buckets.adjust(Claim(rate, A, -4))
    assert 7 == take(buckets, rate).remaining
    buckets.adjust(Claim(rate, A, -1000))
    assert 9 == take(buckets, rate).remaining


def test_what_was_used_beyond_the_estimate_is_owed(buckets):
    """Nothing is allowed until it is refilled."""
    rate = Rate(10, 10_000_000, 10)
    take(buckets, rate, tokens=10)
    buckets.adjust(Claim(rate, A, 5))
    assert (False, 0, 6_000_000, 15_000_000) == take(buckets, rate)
    buckets.wait(6_000_000)
    assert take(buckets, rate).allowed


def test_a_debt_has_a_bound(buckets):
    """A usage that a model made up does not shut a bucket for ever, nor break the numbers."""
    rate = Rate(10, 10_000_000, 10)
    for tokens in (2**62, -(2**62)):
        buckets.adjust(Claim(rate, A, tokens))
    assert 9 == take(buckets, rate).remaining


def test_a_clock_that_goes_back_gives_nothing(buckets):
    """Redis' may, when it is set."""
    rate = Rate(1, 1_000_000, 2)
    empty(buckets, rate)
    buckets.wait(-500_000)
    assert not take(buckets, rate).allowed
