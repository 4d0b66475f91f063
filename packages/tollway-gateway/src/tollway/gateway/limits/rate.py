"""How fast a bucket refills and how much it holds, in whole numbers that every state can compute with."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

_EXACT = 2**52
"""Whole numbers up to twice this are exact in Redis' scripts, whose only numbers are doubles."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`calls` tokens in every `period_us` microseconds, at most `burst` at once.

    Time and tokens are counted in ticks: one token is `interval` ticks, a microsecond gives back `speed` of
    them, a full bucket holds `capacity`. So the bucket of nearly every rate is exact; where the numbers would
    exceed 2^52, the nearest rate that fits is taken (for a burst of a million, off by less than 1 in 10^9).
    """

    calls: int
    period_us: int
    burst: int
    interval: int = field(init=False)
    speed: int = field(init=False)
    capacity: int = field(init=False)

    def __post_init__(self) -> None:
        if min(self.calls, self.period_us, self.burst) < 1:
            raise ValueError(f"calls, period and burst must be positive: {self.calls}, {self.period_us}")
        if self.burst > _EXACT:
            raise ValueError(f"burst must be at most 2^52, not {self.burst}")
        fitting = Fraction(self.calls, self.period_us).limit_denominator(_EXACT // self.burst)
        object.__setattr__(self, "interval", fitting.denominator)
        object.__setattr__(self, "speed", min(max(1, fitting.numerator), _EXACT))
        object.__setattr__(self, "capacity", self.burst * fitting.denominator)
