"""Buckets of one process."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tollway.tracing.compiled import accept_proxies

from .bucket import Claim, Decision, adjusted, allows, decision, missing_at
from .rate import Rate


class Bucket:
    """The state of one bucket: see `limits.bucket`."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.missing = 0
        self.since_us = 0

    def missing_at(self, now_us: int) -> int:
        """Return what is missing now."""
        return missing_at(self.rate, self.missing, self.since_us, now_us)

    def full_at_us(self) -> int:
        """Return when it is full again, if nobody takes anything."""
        return self.since_us - (-self.missing // self.rate.speed)


class LocalStore:
    """Buckets by key in this process; `clock_ns` counts nanoseconds and never goes back.

    Those that have no reserved place are at most `max_buckets`: a full one is as good as none, and is
    forgotten first; then the one that is full the soonest, which `on_evict` is told.
    """

    def __init__(
        self,
        clock_ns: Callable[[], int],
        *,
        max_buckets: int = 100_000,
        on_evict: Callable[[], object] = int,
    ) -> None:
        self._clock_ns = clock_ns
        self._max_buckets = max_buckets
        self._reserved: dict[bytes, Bucket] = {}
        self._buckets: dict[bytes, Bucket] = {}
        self._on_evict = on_evict

    def reserve(self, rate: Rate, key: bytes) -> None:
        """See `LimitStore.reserve`."""
        reserved, buckets = self._reserved, self._buckets
        if key not in reserved:
            reserved[key] = buckets.pop(key) if key in buckets else Bucket(rate)

    def release(self, rate: Rate, key: bytes) -> None:
        """See `LimitStore.release`."""
        reserved, buckets = self._reserved, self._buckets
        bucket = reserved.pop(key, None)
        if bucket is not None:
            if len(buckets) >= self._max_buckets:
                self._forget()
            buckets[key] = bucket

    def take_nowait(self, claims: Sequence[Claim]) -> list[Decision]:
        """See `LimitStore.take_nowait`."""
        now_us = self._now_us()
        all_allowed = True
        asked = []
        for claim in claims:
            rate, key = claim.rate, claim.key
            bucket = self._bucket(rate, key)
            bucket.missing = bucket.missing_at(now_us)
            bucket.since_us = now_us
            all_allowed = allows(rate, bucket.missing, claim.tokens) and all_allowed
            asked.append(bucket)
        decisions = []
        for claim, bucket in zip(claims, asked):  # noqa: B905 - as many of the one as of the other
            rate, tokens = claim.rate, claim.tokens
            if all_allowed:
                bucket.missing += tokens * rate.interval
            allowed = all_allowed or allows(rate, bucket.missing, tokens)
            decisions.append(decision(rate, bucket.missing, tokens, allowed))
        return decisions

    async def take(self, claims: Sequence[Claim]) -> list[Decision]:
        """See `LimitStore.take`."""
        return self.take_nowait(claims)

    def adjust(self, claims: Sequence[Claim]) -> None:
        """See `LimitStore.adjust`."""
        now_us = self._now_us()
        for claim in claims:
            rate, key = claim.rate, claim.key
            bucket = self._bucket(rate, key)
            bucket.missing = adjusted(rate, bucket.missing_at(now_us), claim.tokens)
            bucket.since_us = now_us

    def note(self, claims: Sequence[Claim], missing: Sequence[int]) -> None:
        """See `LimitStore.note`."""
        now_us = self._now_us()
        for claim, one in zip(claims, missing, strict=True):
            rate, key = claim.rate, claim.key
            bucket = self._bucket(rate, key)
            bucket.missing, bucket.since_us = one, now_us

    async def start(self) -> None:
        """See `LimitStore.start`."""

    async def close(self) -> None:
        """See `LimitStore.close`."""

    def _now_us(self) -> int:
        now_ns = self._clock_ns()
        return now_ns // 1000

    def _bucket(self, rate: Rate, key: bytes) -> Bucket:
        reserved, buckets = self._reserved, self._buckets
        bucket = reserved.get(key)
        if bucket is None:
            bucket = buckets.get(key)
        if bucket is None:
            if len(buckets) >= self._max_buckets:
                self._forget()
            bucket = buckets[key] = Bucket(rate)
        return bucket

    def _forget(self) -> None:
        """Make room: forget a tenth of the buckets, those that are full or will be the soonest."""
        buckets, now_us = self._buckets, self._now_us()
        in_order = sorted(buckets.items(), key=_full_at_us)
        for key, bucket in in_order[: max(1, self._max_buckets // 10)]:
            if bucket.missing_at(now_us) > 0:
                self._on_evict()
            del buckets[key]


def _full_at_us(item: tuple[bytes, Bucket]) -> int:
    return item[1].full_at_us()


accept_proxies(Bucket, LocalStore)
