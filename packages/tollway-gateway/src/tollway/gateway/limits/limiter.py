"""A limit that an endpoint holds: its rate, its bucket and the clock, behind one method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tollway.gateway.config.values import LimitConfig

from .bucket import Bucket, Decision, Rate, take
from .headers import LimitHeaders
from .shared import SharedBucket


class Limiter(Protocol):
    """Asked once for every request."""

    def admit(self) -> tuple[Decision | None, bytes]:
        """Take one token; return the decision (None: nothing to decide) and the header lines that tell it."""


class NoLimit:
    """The limiter of an endpoint that has no limit."""

    def admit(self) -> tuple[None, bytes]:
        """Admit."""
        return None, b""


class TokenBucketLimiter:
    """One bucket of this process, for every path that reaches the endpoint."""

    def __init__(self, name: str, rate: Rate, clock_ns: Callable[[], int]) -> None:
        self._rate = rate
        self._bucket = Bucket()
        self._clock_ns = clock_ns
        self._headers = LimitHeaders(name, rate)

    def admit(self) -> tuple[Decision, bytes]:
        """Take one token."""
        decision = take(self._rate, self._bucket, self._clock_ns())
        return decision, self._headers.lines(decision)


class SharedLimiter:
    """One bucket of all workers that share a folder, for every path that reaches the endpoint."""

    def __init__(self, name: str, rate: Rate, clock_ns: Callable[[], int], folder: str) -> None:
        self._rate = rate
        self._bucket = SharedBucket(folder, name, rate)
        self._clock_ns = clock_ns
        self._headers = LimitHeaders(name, rate)

    def admit(self) -> tuple[Decision, bytes]:
        """Take one token."""
        decision = self._bucket.take(self._clock_ns)
        return decision, self._headers.lines(decision)


def limiter_of(
    name: str, limit: LimitConfig | None, clock_ns: Callable[[], int], folder: str | None = None
) -> Limiter:
    """Return the limiter of an endpoint as its config says; with a `folder`, one that workers share."""
    if limit is None:
        return NoLimit()
    rate = Rate(limit.calls, max(1, round(limit.renewal_period_s * 1e9)), limit.burst)
    if folder is not None:
        return SharedLimiter(name, rate, clock_ns, folder)
    return TokenBucketLimiter(name, rate, clock_ns)
