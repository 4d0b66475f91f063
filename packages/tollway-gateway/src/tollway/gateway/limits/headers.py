r"""What a caller is told of a limit, in the two forms that clients read, as header lines.

`RateLimit` and `RateLimit-Policy`: draft-ietf-httpapi-ratelimit-headers-10 (structured fields, RFC 9651).
`x-ratelimit-*-requests`: https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers.
`Retry-After`: RFC 9110 section 10.2.3, whole seconds.
"""

from __future__ import annotations

from .bucket import Decision, Rate

_NS = 1_000_000_000


class LimitHeaders:
    r"""Writes them for one limit: lines, each ended by `\r\n`; what is the same in each is written once."""

    def __init__(self, name: str, rate: Rate) -> None:
        window_s = max(1, round(rate.period_ns / _NS))
        quoted = f'"{name}"'.encode().replace(b"%", b"%%")
        self._lines = (
            b"ratelimit-policy: %b;q=%d;w=%d\r\n"
            b"ratelimit: %b;r=%%d;t=%%d\r\n"
            b"x-ratelimit-limit-requests: %d\r\n"
            b"x-ratelimit-remaining-requests: %%d\r\n"
            b"x-ratelimit-reset-requests: %%b\r\n"
        ) % (quoted, rate.calls, window_s, quoted, rate.burst)

    def lines(self, decision: Decision) -> bytes:
        """Return what an answer tells; waits are rounded up, so who waits that long is served."""
        allowed, remaining, wait_ns, full_in_ns = decision
        lines = self._lines % (remaining, _seconds_up(full_in_ns), remaining, duration(full_in_ns))
        if allowed:
            return lines
        return b"%bretry-after: %d\r\n" % (lines, max(1, _seconds_up(wait_ns)))


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


def _seconds_up(ns: int) -> int:
    return -(-ns // _NS)
