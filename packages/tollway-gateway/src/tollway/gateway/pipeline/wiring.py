"""From config to endpoints that can serve: what can be wrong is wrong here, before the first request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from tollway.gateway.config.values import EndpointConfig, GatewayConfig
from tollway.gateway.guard.calls import CallLimits
from tollway.gateway.telemetry import Labels
from tollway.gateway.telemetry.genai import endpoint_attributes, span_name
from tollway.provider import BaseProvider, HTTPProvider, Provider, Target, discovery, with_defaults

from .admit import limiter_of
from .attempt_http import HTTPRunner
from .attempt_predict import PredictRunner
from .deadline import time_limits
from .plan import Endpoint, Runner
from .runtime import Runtime


def providers_of(config: GatewayConfig) -> dict[str, Provider]:
    """Make the provider of every endpoint, importing only those that are named. Raises `PluginError`."""
    return {endpoint.name: _provider(endpoint) for endpoint in config.endpoints}


def wire(
    config: GatewayConfig, providers: Mapping[str, Provider], runtime: Runtime, calls: CallLimits
) -> list[Endpoint]:
    """Wire every endpoint to its provider."""
    return [_endpoint(endpoint, providers[endpoint.name], runtime, calls) for endpoint in config.endpoints]


def _provider(config: EndpointConfig) -> Provider:
    kind = discovery.load(config.model.provider)
    settings = with_defaults(kind.settings, config.model.config)
    return kind(Target(config.name, config.endpoint_type, config.model.name, settings))


def _endpoint(config: EndpointConfig, provider: Provider, runtime: Runtime, calls: CallLimits) -> Endpoint:
    provider_name = discovery.normalise(config.model.provider)
    return Endpoint(
        name=config.name,
        task=config.endpoint_type,
        limiter=limiter_of(config.name, config.limit, runtime.clock_ns, runtime.folder),
        limits=time_limits(config.timeout),
        runner=_runner(config, provider, runtime, calls),
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
