"""What callers can name: endpoints and routes, each with the endpoints that may serve a call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from tollway.gateway.config.values import GatewayConfig, RouteConfig
from tollway.gateway.resilience.candidates import fallback_chain, with_fallbacks
from tollway.gateway.resilience.routing import Strategy, strategy_of
from tollway.gateway.resilience.sticky import conversation_key
from tollway.provider import Task

from .endpoint import Endpoint
from .runtime import Runtime

Chains = Mapping[str, Sequence[Endpoint]]
"""By an endpoint's name: what is asked after it fails."""


class Destination(Protocol):
    """What a name stands for: an endpoint or a route."""

    @property
    def name(self) -> str:
        """What callers call it."""

    @property
    def task(self) -> Task:
        """What it does."""

    def key(self, headers: Iterable[tuple[bytes, bytes]], payload: Mapping[str, Any]) -> bytes | None:
        """Return what stands for the conversation of a request; None where no strategy goes by that."""

    def candidates(self, key: bytes | None) -> Iterator[Endpoint]:
        """Return the endpoints that may serve a call, the one to ask first and those to ask when it fails."""

    def served(self, key: bytes | None, name: str) -> None:
        """Note which endpoint answered a call."""


class Direct:
    """An endpoint by its own name, then its fallbacks."""

    def __init__(self, endpoint: Endpoint, chains: Chains) -> None:
        self.name = endpoint.name
        self.task = endpoint.task
        self._only = (endpoint,)
        self._chains = chains if chains.get(endpoint.name) else None

    def key(self, headers: Iterable[tuple[bytes, bytes]], payload: Mapping[str, Any]) -> bytes | None:
        """See `Destination.key`."""
        return None

    def candidates(self, key: bytes | None) -> Iterator[Endpoint]:
        """See `Destination.candidates`."""
        only = iter(self._only)
        return only if self._chains is None else with_fallbacks(only, self._chains)

    def served(self, key: bytes | None, name: str) -> None:
        """See `Destination.served`."""


class Routed:
    """A route: endpoints in the order of its strategy, then the fallbacks of all of them."""

    def __init__(self, config: RouteConfig, strategy: Strategy[Endpoint], chains: Chains) -> None:
        self.name = config.name
        self.task = config.task_type
        self._strategy = strategy
        self._header = None if config.sticky.header is None else config.sticky.header.encode()
        self._chains = chains

    def key(self, headers: Iterable[tuple[bytes, bytes]], payload: Mapping[str, Any]) -> bytes | None:
        """See `Destination.key`."""
        return conversation_key(headers, payload, self._header) if self._strategy.by_conversation else None

    def candidates(self, key: bytes | None) -> Iterator[Endpoint]:
        """See `Destination.candidates`."""
        return with_fallbacks(self._strategy.candidates(key), self._chains)

    def served(self, key: bytes | None, name: str) -> None:
        """See `Destination.served`."""
        self._strategy.served(key, name)


def destinations_of(
    config: GatewayConfig, endpoints: Iterable[Endpoint], runtime: Runtime
) -> dict[str, Destination]:
    """Return everything that callers can name."""
    by_name = {endpoint.name: endpoint for endpoint in endpoints}
    fallbacks = {one.name: one.fallback for one in config.endpoints}
    chains = {name: [by_name[one] for one in fallback_chain(name, fallbacks)] for name in by_name}
    found: dict[str, Destination] = {name: Direct(endpoint, chains) for name, endpoint in by_name.items()}
    for route in config.routes:
        wired = [by_name[one.name] for one in route.destinations]
        strategy = strategy_of(route, wired, runtime.clock_s, runtime.random)
        found[route.name] = Routed(route, strategy, chains)
    return found
