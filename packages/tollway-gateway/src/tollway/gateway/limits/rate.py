"""How fast a bucket refills and how much it holds, in whole numbers that every state can compute with."""

from __future__ import annotations

from fractions import Fraction

from tollway.tracing.compiled import accept_proxies

MAX_BURST = 2**52
"""The most tokens of a bucket. Redis' scripts compute with doubles, which are exact up to twice this."""


class Rate:
    """`calls` tokens in every `period_us` microseconds, at most `burst` at once.

    Time and tokens are counted in ticks: one token is `interval` ticks, a microsecond gives back `speed` of
    them, a full bucket holds `capacity`. So the bucket of nearly every rate is exact; where the numbers would
    exceed 2^52, the nearest rate that fits is taken (for a burst of a million, off by less than 1 in 10^9).

    Raises:
        ValueError: a number is not positive, the burst too large, or the rate so low that the bucket would
            take more than 2^52 microseconds to fill.
    """

    def __init__(self, calls: int, period_us: int, burst: int) -> None:
        if calls < 1 or period_us < 1 or burst < 1:
            raise ValueError(f"calls, period and burst must be positive: {calls}, {period_us}, {burst}")
        if burst > MAX_BURST:
            raise ValueError(f"burst must be at most 2^52, not {burst}")
        if burst * period_us > MAX_BURST * calls:
            raise ValueError(f"a burst of {burst} would take more than 142 years to come back")
        fitting = Fraction(calls, period_us).limit_denominator(MAX_BURST // burst)
        self.calls = calls
        self.period_us = period_us
        self.burst = burst
        self.interval = fitting.denominator
        self.speed = min(max(1, fitting.numerator), MAX_BURST)
        self.capacity = burst * self.interval

    @classmethod
    def per_period(cls, calls: int, period_s: float, burst: int | None = None) -> Rate:
        """Return the rate of `calls` in `period_s` seconds; `burst` is `calls` where it is not given."""
        return cls(calls, max(1, round(period_s * 1e6)), burst or calls)

    def __repr__(self) -> str:
        return f"Rate({self.calls}, {self.period_us}, {self.burst})"


accept_proxies(Rate)
