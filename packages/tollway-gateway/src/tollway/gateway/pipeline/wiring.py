"""From config to endpoints that can serve: what can be wrong is wrong here, before the first request."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import suppress
from functools import cache
from urllib.parse import urlsplit

from tollway.gateway.apis import api_of
from tollway.gateway.budgets.wiring import budgets_of
from tollway.gateway.config.values import AuthConfig, EndpointConfig, GatewayConfig, RouteConfig
from tollway.gateway.cost import Catalogue, PriceList, Pricing, pricing_of
from tollway.gateway.guard.answer_size import AnswerSize
from tollway.gateway.guard.calls import CallSlots
from tollway.gateway.redaction import KNOWN_SECRETS
from tollway.gateway.resilience.candidates import fallback_chain
from tollway.gateway.resilience.hedge import hedge_policy
from tollway.gateway.resilience.retry import retry_policy
from tollway.gateway.resilience.routing import Strategy, strategy_of
from tollway.gateway.resilience.shedding import gate_of
from tollway.gateway.resilience.sticky import StickyTable
from tollway.gateway.resilience.upstream import Upstream, upstream_key
from tollway.gateway.telemetry import Labels
from tollway.gateway.telemetry.genai import endpoint_attributes, span_name
from tollway.gateway.telemetry.inference import InferenceCells
from tollway.gateway.upstream import UpstreamClient
from tollway.provider import BaseProvider, HTTPProvider, Provider, Target, Task, discovery, with_defaults
from tollway.provider.dialects import Speaker
from tollway.provider.translators import Sources

from .attempt_http import HTTPRunner
from .attempt_predict import PredictRunner
from .authenticate import NO_AUTH, Authenticator, Caller, Keyring
from .carried import CarriedState, hashable
from .deadline import time_limits
from .dialects import DialectRunners
from .dropping import DroppingRunner
from .endpoint import Endpoint, Runner
from .plan import Destination, Direct, Routed
from .quota import quotas_of
from .raw import RawRunner
from .runtime import Runtime


def providers_of(config: GatewayConfig, carried: CarriedState) -> dict[str, Provider]:
    """Make the provider of every endpoint, importing only those that are named. Raises `PluginError`.

    One whose model is set as before stays: what it holds in memory is not loaded again. May take long. When
    one cannot be made, those that were made before it are closed.
    """
    load = cache(discovery.load)  # it takes milliseconds to find one among all distributions
    KNOWN_SECRETS.learn(config, load)  # before anything can be said of them
    providers, new = {}, []
    try:
        for endpoint in config.endpoints:
            key = _provider_key(endpoint)
            known: Provider | None = carried.found(key)
            if known is None:
                new.append(known := provider_of(endpoint, load))
            providers[endpoint.name] = carried.keep(key, known)
    except BaseException:
        for made in new:
            with suppress(Exception):  # what went wrong first is what is told
                made.close()
        raise
    return providers


class Wiring:
    """Wires what one configuration names; what is set as before keeps its state (`carried`)."""

    def __init__(
        self,
        config: GatewayConfig,
        providers: Mapping[str, Provider],
        runtime: Runtime,
        client: UpstreamClient,
        carried: CarriedState,
    ) -> None:
        self._config = config
        self._providers = providers
        self._runtime = runtime
        self._client = client
        self._carried = carried
        self._catalogue = Catalogue()
        self._budgets = runtime.budgets() if config.has_budgets else None
        self.slots: dict[str, CallSlots] = {}
        """The places for calls of `predict`, by endpoint."""

    def endpoints(self) -> list[Endpoint]:
        """Wire every endpoint to its provider, and to the upstream that it may share with others."""
        upstreams = self._upstreams()
        return [self._endpoint(one, upstreams[one.name]) for one in self._config.endpoints]

    def destinations(self, endpoints: Iterable[Endpoint]) -> dict[str, Destination]:
        """Return everything that callers can name."""
        by_name = {endpoint.name: endpoint for endpoint in endpoints}
        fallbacks = {one.name: one.fallback for one in self._config.endpoints}
        chains = {name: [by_name[one] for one in fallback_chain(name, fallbacks)] for name in by_name}
        found: dict[str, Destination] = {name: Direct(one, chains) for name, one in by_name.items()}
        for route in self._config.routes:
            wired = [by_name[one.name] for one in route.destinations]
            quotas = quotas_of(route.name, "", route.limits, self._runtime.limits)
            budgets = budgets_of(route.name, "", route.budgets, self._budgets)
            found[route.name] = Routed(route, self._strategy(route, wired), chains, quotas, budgets)
        return found

    def _strategy(self, route: RouteConfig, wired: list[Endpoint]) -> Strategy[Endpoint]:
        clock_s, ttl_s = self._runtime.clock_s, route.sticky.ttl_s
        table = self._carried.get(("moved", route.name, ttl_s), lambda: StickyTable(ttl_s, clock_s))
        return strategy_of(route, wired, clock_s, self._runtime.random, table)

    def _upstreams(self) -> dict[str, Upstream]:
        """Return the upstream of every endpoint, by the endpoint's name."""
        sharing: dict[Hashable, list[EndpointConfig]] = {}
        for endpoint in self._config.endpoints:
            key = upstream_key(endpoint, self._providers[endpoint.name])
            sharing.setdefault(("upstream", key), []).append(endpoint)
        return {
            endpoint.name: upstream
            for key, endpoints in sharing.items()
            for upstream in [self._upstream(key, endpoints)]
            for endpoint in endpoints
        }

    def _upstream(self, key: Hashable, endpoints: list[EndpointConfig]) -> Upstream:
        known: Upstream | None = self._carried.found(key)
        upstream = Upstream(endpoints, self._runtime.clock_s, self._runtime.random)
        return self._carried.keep(key, upstream if known is None else known.set_by(endpoints))

    def _endpoint(self, config: EndpointConfig, upstream: Upstream) -> Endpoint:
        name, runtime, carried = config.name, self._runtime, self._carried
        provider, provider_name = self._providers[name], discovery.normalise(config.model.provider)
        concurrency, hedge = config.concurrency, config.hedge
        operation = api_of(config.endpoint_type).operation
        attributes = endpoint_attributes(
            name, operation, provider.telemetry_name or provider_name, config.model.name, _server(provider)
        )
        runner = self._runner(config, provider)
        return Endpoint(
            name=name,
            task=config.endpoint_type,
            quotas=quotas_of(name, "", config.limits, runtime.limits),
            budgets=budgets_of(name, "", config.budgets, self._budgets),
            gate=carried.get(("concurrency", name, concurrency), lambda: gate_of(concurrency)),
            limits=time_limits(config.timeout),
            runner=runner,
            dialects=self._dialects(config, provider, runner),
            raw=self._raw(config, provider),
            upstream=upstream,
            retry=retry_policy(config.retry, runtime.random),
            hedge=carried.get(("hedge", name, hedge), lambda: hedge_policy(hedge, runtime.clock_s)),
            stream_recovery=config.stream_recovery,
            can_prefill=provider.can_prefill if config.prefill is None else config.prefill,
            pricing=pricing_for(config, provider, self._catalogue, runtime.now_s),
            labels=Labels(name, provider_name, config.model.name),
            span_name=span_name(operation, config.model.name),
            attributes=attributes,
            inference=InferenceCells(runtime.metrics, attributes),
        )

    def _dialects(self, config: EndpointConfig, provider: Provider, direct: Runner) -> DialectRunners:
        runtime = self._runtime
        return DialectRunners(
            provider,
            direct,
            lambda speaker: self._http(config, speaker),
            Sources(runtime.new_id, runtime.now_s),
            runtime.conversations,
            drops=config.unsupported == "drop",
        )

    def _runner(self, config: EndpointConfig, provider: Provider) -> Runner:
        for kind, make in self._RUNNERS:
            if isinstance(provider, kind):
                runner = make(self, config, provider)
                return DroppingRunner(runner) if config.unsupported == "drop" else runner
        raise TypeError(
            f"the provider {config.model.provider!r} of endpoint {config.name!r} is a "
            f"{type(provider).__name__}: it must be a BaseProvider or an HTTPProvider"
        )

    def _http(self, config: EndpointConfig, provider: Speaker) -> Runner:
        size = AnswerSize(self._config.server.max_answer_bytes)
        return HTTPRunner(provider, self._client, config.timeout.connect_s, size)

    def _raw(self, config: EndpointConfig, provider: Provider) -> RawRunner | None:
        if not isinstance(provider, HTTPProvider):
            return None
        return RawRunner(provider, self._client, config.timeout.connect_s)

    def _predict(self, config: EndpointConfig, provider: BaseProvider) -> Runner:
        server = self._config.server
        count = server.max_predict_calls
        slots = self._carried.get(
            ("calls", config.name, id(provider), count),
            lambda: self._runtime.calls.slots_of(config.name, count),
        )
        self.slots[config.name] = slots
        return PredictRunner(provider, self._runtime, slots, server.max_answer_bytes)

    _RUNNERS: tuple[tuple[type[Provider], Callable[..., Runner]], ...] = (
        (HTTPProvider, _http),
        (BaseProvider, _predict),
    )
    """Which runner asks which kind of provider."""


def authenticator_of(config: AuthConfig, runtime: Runtime) -> Authenticator:
    """Return what finds callers: by their keys, where there are some."""
    if not config.keys:
        return NO_AUTH
    store = runtime.budgets() if config.budgets or any(key.budgets for key in config.keys) else None
    of_tags = [(one.tags, budgets_of(_tags_name(one.tags), "tags", [one], store)) for one in config.budgets]
    callers = {
        bytes.fromhex(key.digest): Caller(
            name=key.name,
            endpoints=None if key.endpoints is None else frozenset(key.endpoints),
            quotas=quotas_of(key.name, "key", key.limits, runtime.limits),
            budgets=budgets_of(key.name, "key", key.budgets, store)
            + tuple(
                budget for tags, budgets in of_tags if tags.items() <= key.tags.items() for budget in budgets
            ),
            tags=key.tags,
            expires_s=key.expires_s,
        )
        for key in config.keys
    }
    return Keyring(callers, runtime.now_s)


def _tags_name(tags: Mapping[str, str]) -> str:
    return ",".join(f"{name}={tags[name]}" for name in sorted(tags))


def pricing_for(
    config: EndpointConfig, provider: Provider, catalogue: Catalogue, now_s: Callable[[], float]
) -> Pricing:
    """Return what prices an endpoint's answers: its own prices, else what its vendor lists."""
    own = None if config.price is None else PriceList(config.price.prices)
    names = (provider.telemetry_name, discovery.normalise(config.model.provider))
    vendor = (names, getattr(provider, "url", None)) if provider.has_list_prices else None
    has_output = config.endpoint_type is not Task.EMBEDDINGS
    return pricing_of(own, vendor, config.model.name, catalogue, now_s, has_output=has_output)


def provider_of(config: EndpointConfig, load: Callable[[str], type[Provider]] = discovery.load) -> Provider:
    """Make the provider of an endpoint, whose class `load` finds by its name. Raises `PluginError`."""
    kind = load(config.model.provider)
    settings = with_defaults(kind.settings, config.model.config)
    return kind(Target(config.name, config.endpoint_type, config.model.name, settings))


def _provider_key(config: EndpointConfig) -> Hashable:
    model = config.model
    provider = discovery.normalise(model.provider)
    return "provider", config.name, config.endpoint_type, provider, model.name, hashable(model.config)


def _server(provider: Provider) -> tuple[str, int] | None:
    url = getattr(provider, "url", None)
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None or parts.hostname is None:
        return None
    return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
