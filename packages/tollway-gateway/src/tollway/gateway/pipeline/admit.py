r"""Stage three: may this call go on, and what its caller is told of the limits.

`RateLimit` and `RateLimit-Policy`: draft-ietf-httpapi-ratelimit-headers-10 (structured fields, RFC 9651).
`x-ratelimit-*-requests`: https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers.
`Retry-After`: RFC 9110 section 10.2.3, whole seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from tollway.gateway.config.values import LimitConfig
from tollway.gateway.limits import Bucket, Decision, Rate, SharedBucket, take
from tollway.gateway.resilience.shedding import OPEN, Gate, Shed
from tollway.provider import Usage

from .deadline import NEVER, Deadline
from .errors import RequestRejected

if TYPE_CHECKING:
    from .endpoint import Endpoint
    from .record import Record

_NS = 1_000_000_000


class Grant:
    r"""What a call was granted. `header_lines` tell the caller of its limits, each ended by `\r\n`."""

    __slots__ = ("_gate", "_since_s", "header_lines")

    def __init__(self, header_lines: bytes = b"", gate: Gate = OPEN) -> None:
        self.header_lines = header_lines
        self._gate = gate
        self._since_s = 0.0 if gate is OPEN else perf_counter()

    def settle(self, usage: Usage | None) -> None:
        """Take what the call really used, once it is over, however it ended; None when that is not known.

        A limit on calls has taken its token for good; a place among the calls in flight is given back.
        """
        if self._gate is not OPEN:
            self._gate.leave(perf_counter() - self._since_s)


async def admission(endpoint: Endpoint, record: Record, deadline: Deadline) -> Grant:
    """Take one token of the endpoint's bucket and a place among its calls, whatever path led to it.

    Raises:
        RequestRejected: 429, there is no token; 503, there is no place.
    """
    decision, lines = endpoint.limiter.admit()
    if decision is not None and not decision.allowed:
        record.denied(decision)
        wait_s = decision.wait_ns / _NS
        message = f"the limit of {endpoint.name!r} is reached; the next call is allowed in {wait_s:.3g} s"
        raise RequestRejected(429, "rate_limit_exceeded", message, header_lines=lines)
    gate = endpoint.gate
    if gate is not OPEN and not gate.enter_nowait():
        await _enter(endpoint, record, deadline)
    return Grant(lines, gate)


async def _enter(endpoint: Endpoint, record: Record, deadline: Deadline) -> None:
    """Wait for a place among the endpoint's calls, as long as the caller and the deadline do."""
    try:
        with deadline.expect(NEVER):
            await endpoint.gate.enter()
    except Shed as shed:
        record.shed(endpoint, shed.reason)
        raise RequestRejected(
            503,
            "too_many_requests_in_flight",
            f"too many calls of {endpoint.name!r} are in flight; try again in {shed.retry_after_s} s",
            header_lines=b"retry-after: %d\r\n" % shed.retry_after_s,
        ) from None


def admit_nowait(endpoint: Endpoint, record: Record) -> Grant | None:
    """Admit a call to another endpoint after one failed; None when a limit denies it or no place is free."""
    if not endpoint.gate.enter_nowait():
        record.shed(endpoint, "fallback")
        return None
    decision, lines = endpoint.limiter.admit()
    grant = Grant(lines, endpoint.gate)
    if decision is not None and not decision.allowed:
        record.denied(decision)
        grant.settle(None)
        return None
    return grant


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

    def __init__(self, name: str, rate: Rate, take: Callable[[], Decision]) -> None:
        self._take = take
        window_s = max(1, round(rate.period_ns / _NS))
        quoted = f'"{name}"'.encode().replace(b"%", b"%%")
        self._lines = (
            b"ratelimit-policy: %b;q=%d;w=%d\r\n"
            b"ratelimit: %b;r=%%d;t=%%d\r\n"
            b"x-ratelimit-limit-requests: %d\r\n"
            b"x-ratelimit-remaining-requests: %%d\r\n"
            b"x-ratelimit-reset-requests: %%b\r\n"
        ) % (quoted, rate.calls, window_s, quoted, rate.burst)

    def admit(self) -> tuple[Decision, bytes]:
        """Take one token. Waits are rounded up, so a caller that waits that long is served."""
        decision = self._take()
        allowed, remaining, wait_ns, full_in_ns = decision
        lines = self._lines % (remaining, -(-full_in_ns // _NS), remaining, duration(full_in_ns))
        if not allowed:
            lines = b"%bretry-after: %d\r\n" % (lines, max(1, -(-wait_ns // _NS)))
        return decision, lines


def duration(ns: int) -> bytes:
    """Write a duration as OpenAI's headers do (Go's notation): `120ms`, `1.5s`, `6m0s`, `1h0m30s`."""
    ms = -(-ns // 1_000_000)
    if ms < 1000:
        return b"%dms" % ms
    minutes, ms = divmod(ms, 60_000)
    seconds = f"{ms / 1000:g}s".encode()
    if not minutes:
        return seconds
    hours, minutes = divmod(minutes, 60)
    return b"%dh%dm%b" % (hours, minutes, seconds) if hours else b"%dm%b" % (minutes, seconds)


def limiter_of(
    name: str, limit: LimitConfig | None, clock_ns: Callable[[], int], folder: str | None = None
) -> Limiter:
    """Return the limiter of an endpoint as its config says; with a `folder`, one that workers share."""
    if limit is None:
        return NoLimit()
    rate = Rate(limit.calls, max(1, round(limit.renewal_period_s * 1e9)), limit.burst)
    if folder is not None:
        return TokenBucketLimiter(name, rate, partial(SharedBucket(folder, name, rate).take, clock_ns))
    bucket = Bucket()
    return TokenBucketLimiter(name, rate, lambda: take(rate, bucket, clock_ns()))
