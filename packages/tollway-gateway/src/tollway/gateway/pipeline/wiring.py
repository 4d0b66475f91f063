"""From config to endpoints that can serve: what can be wrong is wrong here, before the first request."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from urllib.parse import urlsplit

from tollway.gateway.config.values import AuthConfig, EndpointConfig, GatewayConfig
from tollway.gateway.guard.calls import CallLimits
from tollway.gateway.resilience.candidates import fallback_chain
from tollway.gateway.resilience.hedge import hedge_policy
from tollway.gateway.resilience.retry import retry_policy
from tollway.gateway.resilience.routing import strategy_of
from tollway.gateway.resilience.shedding import gate_of
from tollway.gateway.resilience.upstream import Upstream, upstream_key
from tollway.gateway.telemetry import Labels
from tollway.gateway.telemetry.genai import endpoint_attributes, span_name
from tollway.provider import BaseProvider, HTTPProvider, Provider, Target, discovery, with_defaults

from .attempt_http import HTTPRunner
from .attempt_predict import PredictRunner
from .authenticate import Authenticator, Caller, Keyring, NoAuth
from .deadline import time_limits
from .endpoint import Endpoint, Runner
from .plan import Destination, Direct, Routed
from .quota import quotas_of
from .runtime import Runtime


def providers_of(config: GatewayConfig) -> dict[str, Provider]:
    """Make the provider of every endpoint, importing only those that are named. Raises `PluginError`."""
    return {endpoint.name: _provider(endpoint) for endpoint in config.endpoints}


def wire(
    config: GatewayConfig, providers: Mapping[str, Provider], runtime: Runtime, calls: CallLimits
) -> list[Endpoint]:
    """Wire every endpoint to its provider, and to the upstream that it may share with others."""
    upstreams = _upstreams(config, providers, runtime)
    return [
        _endpoint(endpoint, providers[endpoint.name], upstreams[endpoint.name], runtime, calls)
        for endpoint in config.endpoints
    ]


def _upstreams(
    config: GatewayConfig, providers: Mapping[str, Provider], runtime: Runtime
) -> dict[str, Upstream]:
    """Return the upstream of every endpoint, by the endpoint's name."""
    sharing: dict[Hashable, list[EndpointConfig]] = {}
    for endpoint in config.endpoints:
        sharing.setdefault(upstream_key(endpoint, providers[endpoint.name]), []).append(endpoint)
    return {
        endpoint.name: upstream
        for endpoints in sharing.values()
        for upstream in [Upstream(endpoints, runtime.clock_s, runtime.random)]
        for endpoint in endpoints
    }


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
        quotas = quotas_of(route.name, "", route.limits, runtime.limits)
        found[route.name] = Routed(route, strategy, chains, quotas)
    return found


def authenticator_of(config: AuthConfig, runtime: Runtime) -> Authenticator:
    """Return what finds callers: by their keys, where there are some."""
    if not config.keys:
        return NoAuth()
    callers = {
        bytes.fromhex(key.digest): Caller(
            name=key.name,
            endpoints=None if key.endpoints is None else frozenset(key.endpoints),
            quotas=quotas_of(key.name, "key", key.limits, runtime.limits),
            tags=key.tags,
            expires_s=key.expires_s,
        )
        for key in config.keys
    }
    return Keyring(callers, runtime.now_s)


def _provider(config: EndpointConfig) -> Provider:
    kind = discovery.load(config.model.provider)
    settings = with_defaults(kind.settings, config.model.config)
    return kind(Target(config.name, config.endpoint_type, config.model.name, settings))


def _endpoint(
    config: EndpointConfig, provider: Provider, upstream: Upstream, runtime: Runtime, calls: CallLimits
) -> Endpoint:
    provider_name = discovery.normalise(config.model.provider)
    return Endpoint(
        name=config.name,
        task=config.endpoint_type,
        quotas=quotas_of(config.name, "", config.limits, runtime.limits),
        gate=gate_of(config.concurrency),
        limits=time_limits(config.timeout),
        runner=_runner(config, provider, runtime, calls),
        upstream=upstream,
        retry=retry_policy(config.retry, runtime.random),
        hedge=hedge_policy(config.hedge, runtime.clock_s),
        stream_recovery=config.stream_recovery,
        can_prefill=provider.can_prefill if config.prefill is None else config.prefill,
        labels=Labels(config.name, provider_name, config.model.name),
        span_name=span_name(config.endpoint_type, config.model.name),
        attributes=endpoint_attributes(
            config.name,
            config.endpoint_type,
            provider.telemetry_name or provider_name,
            config.model.name,
            _server(provider),
        ),
    )


def _http(config: EndpointConfig, provider: HTTPProvider, runtime: Runtime, _: CallLimits) -> Runner:
    return HTTPRunner(provider, runtime.client, config.timeout.connect_s)


def _predict(config: EndpointConfig, provider: BaseProvider, runtime: Runtime, calls: CallLimits) -> Runner:
    return PredictRunner(provider, runtime, calls.slots_of(config.name))


_RUNNERS: tuple[tuple[type[Provider], Callable[..., Runner]], ...] = (
    (HTTPProvider, _http),
    (BaseProvider, _predict),
)
"""Which runner asks which kind of provider."""


def _runner(config: EndpointConfig, provider: Provider, runtime: Runtime, calls: CallLimits) -> Runner:
    for kind, make in _RUNNERS:
        if isinstance(provider, kind):
            return make(config, provider, runtime, calls)
    raise TypeError(
        f"the provider {config.model.provider!r} of endpoint {config.name!r} is a {type(provider).__name__}: "
        "it must be a BaseProvider or an HTTPProvider"
    )


def _server(provider: Provider) -> tuple[str, int] | None:
    url = getattr(provider, "url", None)
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None or parts.hostname is None:
        return None
    return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
