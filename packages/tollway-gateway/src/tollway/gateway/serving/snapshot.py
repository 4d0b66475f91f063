"""One configuration, built: what a request finds, and what is closed when the last one that found it ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tollway.gateway.config.values import GatewayConfig, ServerConfig
from tollway.gateway.guard.cors import CrossOriginCheck
from tollway.gateway.guard.memory import MemoryBudget
from tollway.gateway.guard.origin_check import OriginCheck
from tollway.gateway.limits import Rate
from tollway.gateway.pipeline import CarriedState, HTTPRoutes, Runtime, Wiring, authenticator_of, providers_of
from tollway.gateway.pipeline.stored import StoredResponses
from tollway.gateway.resilience.upstream import Upstream
from tollway.gateway.telemetry import Metrics
from tollway.gateway.upstream import HTTP1Client
from tollway.provider import Provider


class Snapshot:
    """One configuration, built. Nothing in it changes but the count of the requests that use it.

    `providers` are by the name of their endpoint, `carried` is what the next snapshot may find again.
    """

    __slots__ = (
        "__weakref__",
        "answers",
        "authenticator",
        "carried",
        "client",
        "config",
        "in_flight",
        "memory",
        "origins",
        "places",
        "providers",
        "routes",
        "server",
        "slots",
        "upstreams",
    )

    def __init__(
        self,
        config: GatewayConfig,
        providers: Mapping[str, Provider],
        runtime: Runtime,
        carried: CarriedState,
    ) -> None:
        metrics, max_bytes = runtime.metrics, config.server.max_buffered_bytes
        self.config = config
        self.server = config.server
        self.providers = providers
        self.client: HTTP1Client = runtime.new_client(config.server.max_answer_bytes)
        wiring = Wiring(config, providers, runtime, self.client, carried)
        endpoints = wiring.endpoints()
        self.slots = wiring.slots
        self.upstreams: tuple[Upstream, ...] = tuple(dict.fromkeys(one.upstream for one in endpoints))
        destinations = wiring.destinations(endpoints)
        self.routes = HTTPRoutes(destinations, StoredResponses(runtime.conversations))
        self.origins = _origin_check(config.server, is_local=runtime.is_local)
        self.authenticator = authenticator_of(config.auth, runtime)
        self.memory = carried.get(
            ("memory", max_bytes), lambda: MemoryBudget(max_bytes, metrics.cells, metrics.buffered_bytes)
        )
        quotas = [
            *(quota for endpoint in endpoints for quota in endpoint.quotas),
            *(quota for destination in destinations.values() for quota in destination.quotas),
            *(quota for caller in self.authenticator.callers for quota in caller.quotas),
        ]
        self.places = {one.whole.key: one.rate for one in quotas if one.value_of is None}
        """The places that its limits have reserved, by the key of their bucket."""
        self.answers: dict[str, Any] = {}
        """What the control plane answers about it, each made when it is first asked for."""
        self.in_flight = 0
        carried.seal()
        self.carried = carried


def _origin_check(config: ServerConfig, *, is_local: bool) -> OriginCheck:
    hosts, cors = config.allowed_hosts, config.cors
    if not cors.origins:
        return OriginCheck(hosts, is_local=is_local)
    return CrossOriginCheck(cors.origins, max_age_s=cors.max_age_s, allowed_hosts=hosts, is_local=is_local)


def build(
    config: GatewayConfig,
    runtime: Runtime,
    providers: Mapping[str, Provider] | None = None,
    before: Snapshot | None = None,
) -> Snapshot:
    """Build a snapshot; what is set as in the one `before` keeps its state.

    `providers` (by endpoint name) stand in for those that the config names.

    Raises:
        PluginError: a provider that the config names is not installed, or does not import.
    """
    carried = CarriedState(None if before is None else before.carried)
    made = dict(providers_of(config, carried) if providers is None else providers)
    return Snapshot(config, made, runtime, carried)


class Snapshots:
    """The snapshot that serves, and those before it whose last requests have not ended."""

    def __init__(self, first: Snapshot, metrics: Metrics) -> None:
        self._metrics = metrics
        self.current = first
        self._draining: list[Snapshot] = []
        metrics.watch_breakers(first.upstreams)

    def __iter__(self) -> Iterator[Snapshot]:
        yield self.current
        yield from self._draining

    def swap(self, following: Snapshot) -> None:
        """Serve new requests by another snapshot."""
        before, self.current = self.current, following
        self._draining.append(before)
        self._metrics.watch_breakers(following.upstreams, before.upstreams)

    def take_drained(self) -> list[Snapshot]:
        """Return the snapshots that nothing uses any more, once: they are to be closed."""
        drained = [one for one in self._draining if not one.in_flight and not self._predicts(one)]
        if drained:
            self._draining = [one for one in self._draining if one not in drained]
        return drained

    def unshared(self, ended: Snapshot) -> dict[str, Provider]:
        """Return the providers of a snapshot that no other one has taken over, by endpoint."""
        shared = {id(provider) for one in self if one is not ended for provider in one.providers.values()}
        return {name: one for name, one in ended.providers.items() if id(one) not in shared}

    def unshared_places(self, ended: Snapshot) -> dict[bytes, Rate]:
        """Return the places of buckets that no other snapshot needs."""
        shared = {key for one in self if one is not ended for key in one.places}
        return {key: rate for key, rate in ended.places.items() if key not in shared}

    def _predicts(self, snapshot: Snapshot) -> bool:
        """Say whether calls of its own providers still run: also those that their callers gave up."""
        slots = snapshot.slots
        return any(slots[name].taken for name in self.unshared(snapshot) if name in slots)
