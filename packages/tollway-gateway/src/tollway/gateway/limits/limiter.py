"""A limit that an endpoint holds: its rate, its bucket and the clock, behind one method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tollway.gateway.config.values import LimitConfig

from .bucket import Bucket, Decision, Rate, take
from .headers import limit_headers, policy_header

Header = tuple[bytes, bytes]


class Limiter(Protocol):
    """Asked once for every request."""

    def admit(self) -> tuple[Decision | None, tuple[Header, ...]]:
        """Take one token; return the decision (None: nothing to decide) and what the caller is told of it."""


class NoLimit:
    """The limiter of an endpoint that has no limit."""

    def admit(self) -> tuple[None, tuple[Header, ...]]:
        """Admit."""
        return None, ()


class TokenBucketLimiter:
    """One bucket of this process, for every path that reaches the endpoint."""

    def __init__(self, name: str, rate: Rate, clock_ns: Callable[[], int]) -> None:
        self._rate = rate
        self._bucket = Bucket()
        self._clock_ns = clock_ns
        self._policy = policy_header(name, rate)
        self._name = name

    def admit(self) -> tuple[Decision, tuple[Header, ...]]:
        """Take one token."""
        decision = take(self._rate, self._bucket, self._clock_ns())
        return decision, (self._policy, *limit_headers(self._name, self._rate, decision))


def limiter_of(name: str, limit: LimitConfig | None, clock_ns: Callable[[], int]) -> Limiter:
    """Return the limiter of an endpoint as its config says."""
    if limit is None:
        return NoLimit()
    rate = Rate(limit.calls, max(1, round(limit.renewal_period_s * 1e9)), limit.burst)
    return TokenBucketLimiter(name, rate, clock_ns)
