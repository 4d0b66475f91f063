r"""What a caller is told of its limits, as header lines, each ended by `\r\n`.

`RateLimit` and `RateLimit-Policy`: draft-ietf-httpapi-ratelimit-headers-10 (structured fields, RFC 9651).
`x-ratelimit-*`: https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers.
`Retry-After`: RFC 9110 section 10.2.3, whole seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tollway.gateway.limits import Decision

if TYPE_CHECKING:
    from .quota import Quota

_US = 1_000_000

_OPENAIS = b"x-ratelimit-limit-%b: %d\r\nx-ratelimit-remaining-%b: %%d\r\nx-ratelimit-reset-%b: %%b\r\n"


class LimitLines:
    """The lines about limits that calls meet together, written when they are wired but for their numbers."""

    __slots__ = ("_alone", "_format", "_openais", "_units")

    def __init__(self, quotas: Sequence[Quota]) -> None:
        policies, states = [], []
        self._openais = []
        units: dict[str, list[int]] = {}
        for place, quota in enumerate(quotas):
            rate, unit = quota.rate, quota.unit.encode()
            name = f'"{quota.name}"'.encode().replace(b"%", b"%%")
            policies.append(b"%b;q=%d;w=%d" % (name, rate.calls, max(1, round(rate.period_us / _US))))
            states.append(b"%b;r=%%d;t=%%d" % name)
            self._openais.append(_OPENAIS % (unit, rate.burst, unit, unit))
            units.setdefault(quota.unit, []).append(place)
        lines = b"ratelimit-policy: %b\r\nratelimit: %b\r\n"
        self._format = lines % (b", ".join(policies), b", ".join(states))
        self._units = tuple(units.values())
        """Which of the limits count the same."""
        self._alone = self._format + self._openais[0] if len(quotas) == 1 else None

    def of(self, decisions: Sequence[Decision]) -> bytes:
        """Return the lines; waits are rounded up, so a caller that waits that long is served."""
        if self._alone is not None:
            _, remaining, _, full_in_us = decisions[0]
            full_in_s = -(-full_in_us // _US)
            return self._alone % (remaining, full_in_s, remaining, duration(full_in_us))
        numbers = []
        for _, remaining, _, full_in_us in decisions:
            numbers.append(remaining)
            numbers.append(-(-full_in_us // _US))
        lines = self._format % tuple(numbers)
        for places in self._units:
            tightest = places[0]
            for place in places:
                if decisions[place][1] < decisions[tightest][1]:
                    tightest = place
            _, remaining, _, full_in_us = decisions[tightest]
            lines += self._openais[tightest] % (remaining, duration(full_in_us))
        return lines


def retry_after(wait_us: int) -> bytes:
    """Return the line that tells how long to wait."""
    return b"retry-after: %d\r\n" % max(1, -(-wait_us // _US))


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
