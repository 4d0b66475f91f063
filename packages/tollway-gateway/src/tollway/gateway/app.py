"""The composition of the gateway: every part made once, from the config."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry import trace
from opentelemetry.trace import TracerProvider

from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.control import create_control_app
from tollway.gateway.guard.calls import CallLimits
from tollway.gateway.guard.memory import MemoryBudget
from tollway.gateway.guard.origin_check import OriginCheck
from tollway.gateway.pipeline import (
    ASGIApp,
    Gateway,
    HTTPRoutes,
    Recorder,
    Runtime,
    authenticator_of,
    destinations_of,
    providers_of,
    wire,
)
from tollway.gateway.serving import TRACER_NAME, Lifetime
from tollway.gateway.telemetry import Metrics, TracingCollector
from tollway.provider import Provider

_CAPTURE_VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


def create_app(
    config: GatewayConfig,
    *,
    providers: Mapping[str, Provider] | None = None,
    control: ASGIApp | None = None,
    tracer_provider: TracerProvider | None = None,
    runtime: Runtime | None = None,
) -> Gateway:
    """Build the gateway of a config; what is wrong with a provider is raised here.

    `providers` (by endpoint name) stand in for those that the config names. With a `tracer_provider` the
    spans go there, and tracing is left as it is. With a `share` in its `runtime` the limits and metrics are
    those of all workers.

    Raises:
        PluginError: a provider that the config names is not installed, or does not import.
    """
    runtime = runtime or Runtime()
    share = runtime.share
    made = dict(providers_of(config) if providers is None else providers)
    metrics = Metrics() if share is None else Metrics(share.folder, share.worker)
    runtime.client.max_answer_bytes = config.server.max_answer_bytes
    runtime.client.on_resend = metrics.resent
    calls = CallLimits(config.server.max_predict_calls, metrics)
    endpoints = wire(config, made, runtime, calls)
    upstreams = list(dict.fromkeys(endpoint.upstream for endpoint in endpoints))
    metrics.watch_breakers(upstreams)
    destinations = destinations_of(config, endpoints, runtime)
    tracing_numbers = TracingCollector(metrics)
    recorder = Recorder(
        metrics,
        trace.get_tracer(TRACER_NAME, tracer_provider=tracer_provider),
        runtime.clock_s,
        capture_content=_captures_content(config, runtime.environ),
        slow_s=None if config.tracing.slow_threshold_ms is None else config.tracing.slow_threshold_ms / 1000,
    )
    authenticator = authenticator_of(config.auth, runtime)
    origins = OriginCheck(config.server.allowed_hosts, is_local=runtime.is_local)
    lifetime = Lifetime(config, made, runtime, recorder, calls, tracer_provider)
    if share is not None:
        lifetime.publish = tracing_numbers.publish
    if control is None:
        control = create_control_app(
            config,
            metrics=metrics.render,
            ready=lifetime.is_ready,
            origins=origins,
            failed=metrics.control_failed,
            upstreams=lambda: upstreams,
            tracer_provider=tracer_provider,
            authenticator=authenticator,
        )
    memory = MemoryBudget(config.server.max_buffered_bytes, metrics.cells, metrics.buffered_bytes)
    return Gateway(
        HTTPRoutes(destinations),
        recorder,
        config.server,
        memory,
        origins,
        authenticator,
        control=control,
        lifetime=lifetime,
    )


def _captures_content(config: GatewayConfig, environ: Mapping[str, str]) -> bool:
    asked = environ.get(_CAPTURE_VARIABLE, "").strip().lower()
    return config.tracing.capture_content or asked in ("span_only", "span_and_event", "true")
