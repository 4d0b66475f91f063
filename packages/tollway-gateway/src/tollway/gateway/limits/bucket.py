"""The token bucket: its rate (a value), its state, and the algorithm; no clock, no I/O, no rounding.

The state is one number, the moment at which the bucket is full again (the "theoretical arrival time" of
the Generic Cell Rate Algorithm, ITU-T I.371): a bucket with `n` tokens missing is full `n` intervals from
now. Time is counted in ticks, `calls` to the nanosecond, so that the interval between two tokens is a whole
number of ticks for every rate, and `burst` calls at one instant are never denied one by a rounding error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Rate:
    """`calls` tokens in every `period_ns` nanoseconds, at most `burst` at once."""

    calls: int
    period_ns: int
    burst: int

    def __post_init__(self) -> None:
        if min(self.calls, self.period_ns, self.burst) < 1:
            raise ValueError(f"calls, period and burst must be positive: {self}")


@dataclass(slots=True)
class Bucket:
    """The state of one bucket; a new one is full."""

    full_at_ticks: int = 0


class Decision(NamedTuple):
    """What became of one call: `remaining` whole tokens, and the waits in nanoseconds, rounded up.

    `wait_ns` is the time until the next call would be allowed (0 when it is now), `full_in_ns` the time until
    the bucket is full.
    """

    allowed: bool
    remaining: int
    wait_ns: int
    full_in_ns: int


def take(rate: Rate, bucket: Bucket, now_ns: int) -> Decision:
    """Take one token at `now_ns` of a clock that begins at 0 or later and never goes back.

    A denied call takes nothing.
    """
    interval = rate.period_ns  # one token, in ticks
    capacity = interval * rate.burst
    now = now_ns * rate.calls
    full_at = max(now, bucket.full_at_ticks)
    allowed = full_at + interval - now <= capacity
    if allowed:
        full_at += interval
        bucket.full_at_ticks = full_at
    missing = full_at - now
    wait = missing + interval - capacity
    return Decision(
        allowed,
        (capacity - missing) // interval,
        -(-wait // rate.calls) if wait > 0 else 0,
        -(-missing // rate.calls),
    )
