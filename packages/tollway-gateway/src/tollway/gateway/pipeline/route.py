"""Stage two: which endpoint serves a call. Names are resolved at wiring; a request does one look-up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol

from tollway.gateway.config.values import EndpointConfig, RouteConfig
from tollway.gateway.limits import Limiter
from tollway.gateway.telemetry import Labels
from tollway.provider import Task

from .attempt import Runner
from .refusal import Refusal

Random = Callable[[], float]
"""Gives a number in [0, 1)."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint, wired: what admits its requests, what runs them, what they are called in telemetry."""

    config: EndpointConfig
    limiter: Limiter
    runner: Runner
    labels: Labels
    span_name: str
    attributes: dict[str, Any]
    """What the span of every attempt says."""

    @property
    def name(self) -> str:
        """What callers call it."""
        return self.config.name

    @property
    def task(self) -> Task:
        """What it does."""
        return self.config.endpoint_type

    def choose(self) -> Endpoint:
        """Return itself: it is its own only destination."""
        return self


class Split:
    """A route that spreads its traffic over endpoints by weight."""

    def __init__(self, config: RouteConfig, endpoints: Mapping[str, Endpoint], random: Random) -> None:
        self.name = config.name
        self.task = config.task_type
        self._endpoints = [endpoints[d.name] for d in config.destinations]
        self._bounds = list(accumulate(d.traffic_percentage for d in config.destinations))
        self._random = random

    def choose(self) -> Endpoint:
        """Pick an endpoint with the probability of its share."""
        mark = self._random() * self._bounds[-1]
        for bound, endpoint in zip(self._bounds, self._endpoints, strict=True):
            if mark < bound:
                return endpoint
        return self._endpoints[-1]


class Destination(Protocol):
    """What a name stands for: an endpoint or a route."""

    @property
    def name(self) -> str:
        """What callers call it."""

    @property
    def task(self) -> Task:
        """What it does."""

    def choose(self) -> Endpoint:
        """Return the endpoint that serves this call."""


def destinations_of(
    endpoints: Iterable[Endpoint], routes: Iterable[RouteConfig], random: Random
) -> dict[str, Destination]:
    """Return everything that callers can name."""
    by_name = {endpoint.name: endpoint for endpoint in endpoints}
    splits = {route.name: Split(route, by_name, random) for route in routes}
    return {**by_name, **splits}


def named(model: str, task: Task, destinations: Mapping[str, Destination]) -> Destination:
    """Return what `model` names; refuse with a hint when it names nothing, or something of another kind."""
    destination = destinations.get(model)
    if destination is not None and destination.task is task:
        return destination
    fitting = [name for name, known in destinations.items() if known.task is task]
    message = (
        f"no endpoint or route named {model[:100]!r} serves {task}"
        if destination is None
        else f"{model!r} serves {destination.task}, not {task}"
    )
    raise Refusal(
        404, "model_not_found", f"{message}; there are: {', '.join(fitting) or 'none'}", param="model"
    )
