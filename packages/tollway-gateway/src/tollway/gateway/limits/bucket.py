"""The token bucket: what becomes of a claim on it; no clock, no I/O, nothing stored.

The state of a bucket is what is missing in it, in ticks (see `Rate`), and since when: so much was missing at
that moment of a clock that counts microseconds. A bucket that is not known is full. This is the Generic Cell
Rate Algorithm (ITU-T I.371, annex A.1) with a state of two numbers below 2^53 in place of one that grows
without a bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from .rate import Rate

_MAX_MISSING = 2**53 - 1
"""No bucket misses more ticks, however much more than its estimate a call has used."""


_new = tuple.__new__  # a named tuple's own constructor takes three times as long


class Claim(NamedTuple):
    """So many tokens of a bucket, which goes by a key of 16 bytes."""

    rate: Rate
    key: bytes
    tokens: int


class Decision(NamedTuple):
    """What became of one claim: `remaining` whole tokens, and waits in microseconds, rounded up.

    `wait_us` is the time until what was denied would be allowed, or after what was allowed another token (0
    when it is now); `full_in_us` the time until the bucket is full.
    """

    allowed: bool
    remaining: int
    wait_us: int
    full_in_us: int


class LimitStore(Protocol):
    """Where buckets are."""

    def take_nowait(self, claims: Sequence[Claim]) -> list[Decision] | None:
        """Take what is claimed, all of it or nothing; None where `take` must be awaited for that."""

    async def take(self, claims: Sequence[Claim]) -> list[Decision]:
        """Take what is claimed, all of it or nothing: when one is denied, nothing is taken."""

    def adjust(self, claims: Sequence[Claim]) -> None:
        """Take more tokens than are there, or give some back where the number is negative."""

    def note(self, claims: Sequence[Claim], missing: Sequence[int]) -> None:
        """Make the buckets of these claims as another store says that they are now."""

    def reserve(self, rate: Rate, key: bytes) -> None:
        """Keep a place for a bucket: it is not given up for others, until it is released."""

    def release(self, rate: Rate, key: bytes) -> None:
        """Keep the place of a bucket no longer: it may be given up for others, once it is full."""

    async def start(self) -> None:
        """Get ready to decide; in the event loop that asks."""

    async def close(self) -> None:
        """Let go of what is held."""


def missing_at(rate: Rate, missing: int, since_us: int, now_us: int) -> int:
    """Return what is missing now of what was missing then. A clock that went back gives nothing."""
    elapsed_us = now_us - since_us
    if elapsed_us <= 0:
        return missing
    return 0 if elapsed_us > missing // rate.speed else missing - elapsed_us * rate.speed


def allows(rate: Rate, missing: int, tokens: int) -> bool:
    """Say whether there are so many tokens; nobody claims more than a full bucket has."""
    return missing + tokens * rate.interval <= rate.capacity


def adjusted(rate: Rate, missing: int, tokens: int) -> int:
    """Return what is missing after so many tokens are taken, or given back."""
    most = _MAX_MISSING // rate.interval
    if tokens > most:
        tokens = most
    elif tokens < -most:
        tokens = -most
    after = missing + tokens * rate.interval
    if after < 0:
        return 0
    return after if after < _MAX_MISSING else _MAX_MISSING


def decision(rate: Rate, missing: int, tokens: int, allowed: bool) -> Decision:
    """Return what to say of a claim, given what is missing once all is decided."""
    lacking = missing + (1 if allowed else tokens) * rate.interval - rate.capacity
    left = rate.capacity - missing
    return _new(
        Decision,
        (
            allowed,
            left // rate.interval if left > 0 else 0,
            -(-lacking // rate.speed) if lacking > 0 else 0,
            -(-missing // rate.speed),
        ),
    )
