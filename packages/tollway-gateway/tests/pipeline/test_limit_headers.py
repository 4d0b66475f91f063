"""What callers read of their limits."""

from __future__ import annotations

import pytest

from tollway.gateway.apis import APICall, api_of
from tollway.gateway.config.values import LimitConfig
from tollway.gateway.limits import LocalStore
from tollway.gateway.pipeline.limit_headers import duration, retry_after
from tollway.gateway.pipeline.quota import Quota, QuotaSet, quotas_of
from tollway.gateway.pipeline.reply import pairs_of
from tollway.provider import Task

SECOND_US = 1_000_000
CALL = APICall(Task.CHAT, {"max_tokens": 20}, b"x" * 40, api=api_of(Task.CHAT))


class Clock:
    now_ns = 5 * 10**9

    def __call__(self) -> int:
        return self.now_ns


def quotas(clock: Clock, *limits: LimitConfig) -> tuple[Quota, ...]:
    return quotas_of("chat", "", limits, LocalStore(clock))


def ask(limits: tuple[Quota, ...]) -> tuple[bool, dict[bytes, bytes]]:
    met = QuotaSet(limits, 0)
    decisions = met.store.take_nowait(met.claims_of({}, CALL))
    assert decisions is not None
    wait_us = max([one.wait_us for one in decisions if not one.allowed], default=None)
    lines = met.lines.of(decisions) + (b"" if wait_us is None else retry_after(wait_us))
    return wait_us is None, dict(pairs_of(lines))


def test_allowed_answer_tells_what_is_left():
    """Policy, remaining calls and the time until the bucket is full are on every answer."""
    allowed, headers = ask(quotas(Clock(), LimitConfig(calls=30, renewal_period_s=60, burst=10)))
    assert allowed
    assert headers == {
        b"ratelimit-policy": b'"chat";q=30;w=60',
        b"ratelimit": b'"chat";r=9;t=2',
        b"x-ratelimit-limit-requests": b"10",
        b"x-ratelimit-remaining-requests": b"9",
        b"x-ratelimit-reset-requests": b"2s",
    }


def test_every_limit_has_its_policy_and_its_state():
    """One header has all of them; those that OpenAI's clients read are about the tightest of each unit."""
    limits = [
        LimitConfig(calls=30, renewal_period_s=60),
        LimitConfig(calls=5, renewal_period_s=1, tokens=1000),
    ]
    _, headers = ask(quotas(Clock(), *limits))
    assert headers == {
        b"ratelimit-policy": b'"chat";q=30;w=60, "chat-2";q=5;w=1, "chat-3";q=1000;w=1',
        b"ratelimit": b'"chat";r=29;t=2, "chat-2";r=4;t=1, "chat-3";r=970;t=1',
        b"x-ratelimit-limit-requests": b"5",
        b"x-ratelimit-remaining-requests": b"4",
        b"x-ratelimit-reset-requests": b"200ms",
        b"x-ratelimit-limit-tokens": b"1000",
        b"x-ratelimit-remaining-tokens": b"970",
        b"x-ratelimit-reset-tokens": b"30ms",
    }


@pytest.mark.parametrize("calls", [1, 3, 7, 30, 1000])
def test_retry_after_is_true(calls: int):
    """A caller that waits the whole seconds of `Retry-After` is served, whichever limit denied it."""
    clock = Clock()
    limits = quotas(
        clock,
        LimitConfig(calls=calls, renewal_period_s=60, burst=2),
        LimitConfig(calls=4, renewal_period_s=60, burst=3),
    )
    for _ in range(5):
        while (answer := ask(limits))[0]:
            pass
        clock.now_ns += int(answer[1][b"retry-after"]) * 10**9
        assert ask(limits)[0]


@pytest.mark.parametrize(
    ("us", "written"),
    [
        (0, b"0ms"),
        (1, b"1ms"),
        (120_000, b"120ms"),
        (1_500_000, b"1.5s"),
        (360 * SECOND_US, b"6m0s"),
        (3630 * SECOND_US, b"1h0m30s"),
    ],
)
def test_duration_notation(us: int, written: bytes):
    """Durations read as OpenAI writes them, rounded up to a millisecond."""
    assert written == duration(us)
