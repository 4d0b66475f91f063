"""A limit that an endpoint holds: its rate, its bucket and the clock, behind one method."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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
    """One bucket for every path that reaches the endpoint; `take` takes one token from it, wherever it is."""

    def __init__(self, take: Callable[[], Decision], headers: LimitHeaders) -> None:
        self._take = take
        self._headers = headers

    def admit(self) -> tuple[Decision, bytes]:
        """Take one token."""
        decision = self._take()
        return decision, self._headers.lines(decision)


def limiter_of(
    name: str, limit: LimitConfig | None, clock_ns: Callable[[], int], folder: str | None = None
) -> Limiter:
    """Return the limiter of an endpoint as its config says; with a `folder`, one that workers share."""
    if limit is None:
        return NoLimit()
    rate = Rate(limit.calls, max(1, round(limit.renewal_period_s * 1e9)), limit.burst)
    headers = LimitHeaders(name, rate)
    if folder is not None:
        return TokenBucketLimiter(partial(SharedBucket(folder, name, rate).take, clock_ns), headers)
    bucket = Bucket()
    return TokenBucketLimiter(lambda: take(rate, bucket, clock_ns()), headers)
