"""All policies together through an outage of a minute: only time and decisions, nothing of the pipeline."""

from __future__ import annotations

from random import Random

import pytest

from tollway.gateway.config.values import BreakerConfig, RetryConfig
from tollway.gateway.resilience.breaker import Outcome, State
from tollway.gateway.resilience.candidates import next_after, with_fallbacks
from tollway.gateway.resilience.retry import retry_policy
from tollway.gateway.resilience.upstream import Upstream
from tollway.provider import UpstreamError

from .conftest import Clock, endpoint

EVERY_S = 0.05
"""Twenty calls a second."""

OUTAGE = UpstreamError("down", upstream_status=503, status=503)


class Named:
    """An endpoint as far as candidates go."""

    def __init__(self, name: str, upstream: Upstream) -> None:
        self.name = name
        self.upstream = upstream


class World:
    """A primary that may be down, its fallback, and what was asked of them when."""

    def __init__(self, retry: RetryConfig | None) -> None:
        self.clock = Clock()
        random = Random(11).random
        self.retry = retry_policy(retry, random)
        self.primary, self.backup = (
            Named(name, Upstream([endpoint(name, BreakerConfig(), retry)], self.clock, random))
            for name in ("primary", "backup")
        )
        self.down = False
        self.asked: list[tuple[float, str]] = []

    def call(self) -> str | None:
        """Make one call as the pipeline does, and return who answered it."""
        candidates = with_fallbacks(iter([self.primary]), {"primary": [self.backup]})
        current: Named | None = next(candidates)
        tried: set[Upstream] = set()
        attempts = 0
        while current is not None:
            upstream = current.upstream
            permit = upstream.begin(last=False, retry=attempts > 0)
            if permit is None:
                current, attempts = next(candidates, None), 0
                continue
            attempts += 1
            tried.add(upstream)
            self.asked.append((self.clock.now_s, current.name))
            if current is not self.primary or not self.down:
                upstream.end(permit, Outcome.SUCCESS)
                return current.name
            upstream.failed(permit, OUTAGE)
            if self.retry.delay_s(attempts, OUTAGE, 60.0, upstream.budget) is None:
                current, attempts = next_after(OUTAGE, tried, candidates), 0
        return None

    def run(self, for_s: float) -> list[str | None]:
        answered = []
        for _ in range(int(for_s / EVERY_S)):
            answered.append(self.call())
            self.clock.advance(EVERY_S)
        return answered


@pytest.mark.parametrize("retry", [None, RetryConfig(attempts=3)])
def test_an_outage_is_served_by_the_fallback_with_few_probes_and_ends_soon(retry: RetryConfig | None) -> None:
    world = World(retry)
    assert {"primary"} == set(world.run(10))

    world.down = True
    started_s = world.clock.now_s
    assert {"backup"} == set(world.run(60))
    probes = [at for at, name in world.asked if name == "primary" and at > started_s + 1]
    first = [at for at, name in world.asked if name == "primary" and started_s <= at <= started_s + 1]
    assert len(first) <= BreakerConfig().consecutive_failures
    assert len(probes) <= 6

    world.down = False
    answered = world.run(BreakerConfig().max_open_for_s + 1)
    assert "primary" == answered[-1]
    back = answered.index("primary")
    assert {"primary"} == set(answered[back:])
    assert State.CLOSED is world.primary.upstream.breaker.state


def test_without_a_breaker_retries_stay_within_their_budget() -> None:
    world = World(RetryConfig(attempts=5, budget=0.1))
    world.primary.upstream = Upstream(
        [endpoint("primary", None, RetryConfig(attempts=5, budget=0.1))], world.clock, lambda: 0.5
    )
    world.down = True
    calls = len(world.run(60))
    asked = sum(name == "primary" for _, name in world.asked)

    assert calls < asked <= calls * 1.1 + 20
