"""A clock that stands still, chance that is scripted, and upstreams without endpoints."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tollway.gateway.config.values import BreakerConfig, EndpointConfig, ModelConfig, RetryConfig
from tollway.gateway.resilience.upstream import Upstream
from tollway.provider import Task


class Clock:
    """Monotonic seconds that pass when told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s

    def advance(self, by_s: float) -> None:
        self.now_s += by_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def never() -> float:
    """The least that chance can give."""
    return 0.0


def endpoint(
    name: str = "e", breaker: BreakerConfig | None = None, retry: RetryConfig | None = None
) -> EndpointConfig:
    return EndpointConfig(
        name=name,
        endpoint_type=Task.CHAT,
        model=ModelConfig(provider="openai", name="m"),
        breaker=breaker,
        retry=retry,
    )


@dataclass
class Destination:
    """What a route may send a request to."""

    name: str
    clock: Clock
    upstream: Upstream = field(init=False)

    def __post_init__(self) -> None:
        config = endpoint(self.name, BreakerConfig(consecutive_failures=1))
        self.upstream = Upstream([config], self.clock, never)

    def break_down(self) -> None:
        """Have its breaker open."""
        from tollway.gateway.resilience.breaker import Outcome

        permit = self.upstream.begin(last=True)
        assert permit is not None
        self.upstream.end(permit, Outcome.FAILURE)
