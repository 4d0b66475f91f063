r"""What a caller is told of its limits, as header lines, each ended by `\r\n`.

`RateLimit` and `RateLimit-Policy`: draft-ietf-httpapi-ratelimit-headers-10 (structured fields, RFC 9651).
`x-ratelimit-*`: https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers.
`Retry-After`: RFC 9110 section 10.2.3, whole seconds.
"""

from __future__ import annotations

from collections.abc import Sequence

from tollway.gateway.limits import Decision

from .quota import Quota

_US = 1_000_000


def lines_of(quotas: Sequence[Quota], decisions: Sequence[Decision]) -> bytes:
    """Return the lines of all limits; waits are rounded up, so a caller that waits that long is served."""
    policies, states = [], []
    tightest: dict[str, tuple[int, Quota, Decision]] = {}
    wait_us = 0
    for quota, decision in zip(quotas, decisions, strict=True):
        rate = quota.rate
        name = quota.name.encode()
        policies.append(b'"%b";q=%d;w=%d' % (name, rate.calls, max(1, round(rate.period_us / _US))))
        states.append(b'"%b";r=%d;t=%d' % (name, decision.remaining, -(-decision.full_in_us // _US)))
        known = tightest.get(quota.unit)
        if known is None or decision.remaining < known[0]:
            tightest[quota.unit] = decision.remaining, quota, decision
        if not decision.allowed:
            wait_us = max(wait_us, decision.wait_us)
    lines = b"ratelimit-policy: %b\r\nratelimit: %b\r\n" % (b", ".join(policies), b", ".join(states))
    for unit, (remaining, quota, decision) in tightest.items():
        what = unit.encode()
        lines += (
            b"x-ratelimit-limit-%b: %d\r\nx-ratelimit-remaining-%b: %d\r\nx-ratelimit-reset-%b: %b\r\n"
        ) % (what, quota.rate.burst, what, remaining, what, duration(decision.full_in_us))
    return b"%bretry-after: %d\r\n" % (lines, -(-wait_us // _US)) if wait_us else lines


def duration(us: int) -> bytes:
    """Write a duration as OpenAI's headers do (Go's notation): `120ms`, `1.5s`, `6m0s`, `1h0m30s`."""
    ms = -(-us // 1000)
    if ms < 1000:
        return b"%dms" % ms
    minutes, ms = divmod(ms, 60_000)
    seconds = f"{ms / 1000:g}s".encode()
    if not minutes:
        return seconds
    hours, minutes = divmod(minutes, 60)
    return b"%dh%dm%b" % (hours, minutes, seconds) if hours else b"%dm%b" % (minutes, seconds)
