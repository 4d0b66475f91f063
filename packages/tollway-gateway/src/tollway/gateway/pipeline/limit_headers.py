r"""What a caller is told of its limits, as header lines, each ended by `\r\n`.

`RateLimit` and `RateLimit-Policy`: draft-ietf-httpapi-ratelimit-headers-10 (structured fields, RFC 9651).
`x-ratelimit-*`: https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers.
`Retry-After`: RFC 9110 section 10.2.3, whole seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tollway.gateway.limits import Decision, Rate

if TYPE_CHECKING:
    from .quota import Quota

_US = 1_000_000

_OPENAIS = b"x-ratelimit-limit-%b: %d\r\nx-ratelimit-remaining-%b: %%d\r\nx-ratelimit-reset-%b: %%b\r\n"


class LimitLines:
    """The lines of one limit, written when it is wired but for its numbers."""

    __slots__ = ("_alone", "policy", "state", "tightest")

    def __init__(self, name: str, unit: str, rate: Rate) -> None:
        quoted, what = f'"{name}"'.encode().replace(b"%", b"%%"), unit.encode()
        self.policy = b"%b;q=%d;w=%d" % (quoted, rate.calls, max(1, round(rate.period_us / _US)))
        self.state = b"%b;r=%%d;t=%%d" % quoted
        self.tightest = _OPENAIS % (what, rate.burst, what, what)
        self._alone = b"ratelimit-policy: %b\r\nratelimit: %b\r\n%b" % (
            self.policy,
            self.state,
            self.tightest,
        )

    def alone(self, decision: Decision) -> bytes:
        """Return the lines of a call that met this limit alone."""
        _, remaining, _, full_in_us = decision
        return self._alone % (remaining, -(-full_in_us // _US), remaining, duration(full_in_us))


def lines_of(quotas: Sequence[Quota], decisions: Sequence[Decision]) -> bytes:
    """Return the lines of all limits; waits are rounded up, so a caller that waits that long is served."""
    if len(quotas) == 1:
        (decision,) = decisions
        lines = quotas[0].lines.alone(decision)
        wait_us = 0 if decision.allowed else decision.wait_us
    else:
        lines = _several(quotas, decisions)
        wait_us = max((one.wait_us for one in decisions if not one.allowed), default=0)
    return b"%bretry-after: %d\r\n" % (lines, -(-wait_us // _US)) if wait_us else lines


def _several(quotas: Sequence[Quota], decisions: Sequence[Decision]) -> bytes:
    policies, states = [], []
    tightest: dict[str, tuple[Quota, Decision]] = {}
    for quota, decision in zip(quotas, decisions, strict=True):
        policies.append(quota.lines.policy)
        states.append(quota.lines.state % (decision.remaining, -(-decision.full_in_us // _US)))
        known = tightest.get(quota.unit)
        if known is None or decision.remaining < known[1].remaining:
            tightest[quota.unit] = quota, decision
    lines = b"ratelimit-policy: %b\r\nratelimit: %b\r\n" % (b", ".join(policies), b", ".join(states))
    for quota, decision in tightest.values():
        lines += quota.lines.tightest % (decision.remaining, duration(decision.full_in_us))
    return lines


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
