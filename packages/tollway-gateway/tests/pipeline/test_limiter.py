from __future__ import annotations

import pytest

from tollway.gateway.config.values import LimitConfig
from tollway.gateway.pipeline.admit import duration, limiter_of
from tollway.gateway.pipeline.reply import pairs_of

SECOND = 1_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now_ns = 5 * SECOND

    def __call__(self) -> int:
        return self.now_ns


def test_allowed_answer_tells_what_is_left():
    """Policy, remaining calls and the time until the bucket is full are on every answer."""
    limiter = limiter_of("chat", LimitConfig(calls=30, renewal_period_s=60, burst=10), Clock())
    decision, lines = limiter.admit()
    assert decision is not None
    assert decision.allowed
    assert dict(pairs_of(lines)) == {
        b"ratelimit-policy": b'"chat";q=30;w=60',
        b"ratelimit": b'"chat";r=9;t=2',
        b"x-ratelimit-limit-requests": b"10",
        b"x-ratelimit-remaining-requests": b"9",
        b"x-ratelimit-reset-requests": b"2s",
    }


@pytest.mark.parametrize("calls", [1, 3, 7, 30, 1000])
def test_retry_after_is_true(calls: int):
    """A caller that waits the whole seconds of `Retry-After` is served."""
    clock = Clock()
    limiter = limiter_of("chat", LimitConfig(calls=calls, renewal_period_s=60, burst=2), clock)
    while (answer := limiter.admit())[0].allowed:
        pass
    clock.now_ns += int(dict(pairs_of(answer[1]))[b"retry-after"]) * SECOND
    assert limiter.admit()[0].allowed


def test_no_limit_says_nothing():
    """An endpoint without a limit admits everything and sends no limit headers."""
    assert limiter_of("chat", None, Clock()).admit() == (None, b"")


@pytest.mark.parametrize(
    ("ns", "written"),
    [
        (0, b"0ms"),
        (1, b"1ms"),
        (120_000_000, b"120ms"),
        (1_500_000_000, b"1.5s"),
        (360 * SECOND, b"6m0s"),
        (3630 * SECOND, b"1h0m30s"),
    ],
)
def test_duration_notation(ns: int, written: bytes):
    """Durations read as OpenAI writes them, rounded up to a millisecond."""
    assert written == duration(ns)
