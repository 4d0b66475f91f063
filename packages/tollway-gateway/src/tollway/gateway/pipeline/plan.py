"""Stage two: who answers a call. Names are resolved at wiring; a request does one look-up.

A `Plan` stands between a request and its attempts: the candidates in their order, and what is asked next when
an attempt fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol

from opentelemetry.context import Context

from tollway.gateway.config.values import RouteConfig
from tollway.gateway.telemetry import Labels
from tollway.provider import Answer, AnswerInfo, Call, ProviderError, Task

from .admit import Limiter
from .deadline import TimeLimits

Random = Callable[[], float]
"""Gives a number in [0, 1)."""


class Attempt(Protocol):
    """What a runner knows of the attempt that it makes, and notes there."""

    upstream_headers: Mapping[str, str] | None
    """Of the HTTP service that answered: they say by what name it knows the request."""

    @property
    def context(self) -> Context:
        """The OpenTelemetry context whose span is the attempt's."""

    def trace_lines(self) -> bytes:
        """Return the header lines that make an upstream's spans children of the attempt's."""

    def waited(self, for_s: float) -> None:
        """Note seconds that were waited for the model: they are no overhead of ours."""


class Events(Protocol):
    """An answer in events of OpenAI's dialect, as they come."""

    info: AnswerInfo

    async def next(self) -> bytes:
        """Wait for the next whole events; empty at the end. A stream that breaks raises a `ProviderError`."""

    async def close(self) -> None:
        """Let go of the model's side, at its end or before."""


class Runner(Protocol):
    """Asks a model; all that goes wrong is a `ProviderError`. Time limits are whoever awaits it."""

    async def answer(self, call: Call, attempt: Attempt) -> Answer:
        """Ask for a whole answer."""

    async def open(self, call: Call, attempt: Attempt) -> Events:
        """Ask for a stream."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint, wired: what admits its requests, what runs them, what they are called in telemetry."""

    name: str
    task: Task
    limiter: Limiter
    limits: TimeLimits
    runner: Runner
    labels: Labels
    span_name: str
    attributes: dict[str, Any]
    """What the span of every attempt says."""

    def candidates(self) -> Iterator[Endpoint]:
        """Return itself: it is its own only candidate."""
        return iter((self,))


class Split:
    """A route that spreads its traffic over endpoints by weight."""

    def __init__(self, config: RouteConfig, endpoints: Mapping[str, Endpoint], random: Random) -> None:
        self.name = config.name
        self.task = config.task_type
        self._endpoints = [endpoints[d.name] for d in config.destinations]
        shares = (destination.traffic_percentage for destination in config.destinations)
        self._bounds = list(accumulate(1.0 if share is None else share for share in shares))
        self._random = random

    def candidates(self) -> Iterator[Endpoint]:
        """Pick an endpoint with the probability of its share."""
        mark = self._random() * self._bounds[-1]
        for bound, endpoint in zip(self._bounds, self._endpoints, strict=True):
            if mark < bound:
                return endpoint.candidates()
        return self._endpoints[-1].candidates()


class Destination(Protocol):
    """What a name stands for: an endpoint or a route."""

    @property
    def name(self) -> str:
        """What callers call it."""

    @property
    def task(self) -> Task:
        """What it does."""

    def candidates(self) -> Iterator[Endpoint]:
        """Return the endpoints that may serve a call, the one to ask first and those to ask when it fails."""


class Plan:
    """The attempts that one call may take. Raises what `next` raises when there is no candidate at all."""

    __slots__ = ("_candidates", "call", "endpoint")

    def __init__(self, call: Call, candidates: Iterator[Endpoint]) -> None:
        self.call = call
        self._candidates = candidates
        self.endpoint = next(candidates)
        """Whom to ask."""

    async def advance(self, error: ProviderError) -> bool:
        """Set out for the next attempt, after one that failed before its caller saw anything of it.

        Returns False when nobody is left to ask.
        """
        endpoint = next(self._candidates, None)
        if endpoint is None:
            return False
        self.endpoint = endpoint
        return True


def destinations_of(
    endpoints: Iterable[Endpoint], routes: Iterable[RouteConfig], random: Random
) -> dict[str, Destination]:
    """Return everything that callers can name."""
    by_name = {endpoint.name: endpoint for endpoint in endpoints}
    splits = {route.name: Split(route, by_name, random) for route in routes}
    return {**by_name, **splits}
