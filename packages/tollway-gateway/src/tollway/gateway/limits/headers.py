"""What a caller is told of a limit, in the two forms that clients read.

`RateLimit` and `RateLimit-Policy`: draft-ietf-httpapi-ratelimit-headers-10 (structured fields, RFC 9651).
`x-ratelimit-*-requests`: https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers.
`Retry-After`: RFC 9110 section 10.2.3, whole seconds.
"""

from __future__ import annotations

from .bucket import Decision, Rate

_NS = 1_000_000_000


def policy_header(name: str, rate: Rate) -> tuple[bytes, bytes]:
    """Return `RateLimit-Policy`: `q` calls in a window of `w` seconds."""
    window_s = max(1, round(rate.period_ns / _NS))
    return b"ratelimit-policy", f'"{name}";q={rate.calls};w={window_s}'.encode()


def limit_headers(name: str, rate: Rate, decision: Decision) -> tuple[tuple[bytes, bytes], ...]:
    """Return what changes from call to call; waits are rounded up, so who waits that long is served."""
    remaining = decision.remaining
    headers = (
        (b"ratelimit", b'"%b";r=%d;t=%d' % (name.encode(), remaining, _seconds_up(decision.full_in_ns))),
        (b"x-ratelimit-limit-requests", b"%d" % rate.burst),
        (b"x-ratelimit-remaining-requests", b"%d" % remaining),
        (b"x-ratelimit-reset-requests", duration(decision.full_in_ns).encode()),
    )
    if decision.allowed:
        return headers
    return (*headers, (b"retry-after", str(max(1, _seconds_up(decision.wait_ns))).encode()))


def duration(ns: int) -> str:
    """Write a duration as OpenAI's headers do (Go's notation): `120ms`, `1.5s`, `6m0s`, `1h0m30s`."""
    ms = -(-ns // 1_000_000)
    if ms < 1000:
        return f"{ms}ms"
    minutes, ms = divmod(ms, 60_000)
    seconds = f"{ms / 1000:g}s"
    if not minutes:
        return seconds
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{seconds}" if hours else f"{minutes}m{seconds}"


def _seconds_up(ns: int) -> int:
    return -(-ns // _NS)
