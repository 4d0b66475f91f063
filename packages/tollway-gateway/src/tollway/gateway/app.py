"""The composition of the gateway: every part made once, from the config."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry import trace
from opentelemetry.trace import TracerProvider

from tollway.gateway.config.values import GatewayConfig, TracingConfig
from tollway.gateway.control import create_control_app
from tollway.gateway.pipeline import ASGIApp, Gateway, Recorder, Runtime
from tollway.gateway.serving import TRACER_NAME, Lifetime, Snapshots, build
from tollway.gateway.telemetry import TracingCollector
from tollway.provider import Provider
from tollway.tracing.semconv.genai import SCHEMA_URL

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
    runtime.keep_limits_in(config.limits.storage)
    snapshots = Snapshots(build(config, runtime, providers), runtime.metrics)
    recorder = _recorder(config.tracing, runtime, tracer_provider)
    lifetime = Lifetime(snapshots, runtime, recorder, tracer_provider)
    tracing_numbers = TracingCollector(runtime.metrics)
    if runtime.share is not None:
        lifetime.publish = tracing_numbers.publish
    if control is None:
        control = create_control_app(
            lambda: snapshots.current,
            metrics=runtime.metrics,
            unready=lifetime.unready,
            reload=lambda: lifetime.reload,
            budgets=lambda: runtime.opened_budgets,
            tracer_provider=tracer_provider,
        )
    return Gateway(snapshots, recorder, control=control, lifetime=lifetime)


def _recorder(config: TracingConfig, runtime: Runtime, tracer_provider: TracerProvider | None) -> Recorder:
    asked = runtime.environ.get(_CAPTURE_VARIABLE, "").strip().lower()
    return Recorder(
        runtime.metrics,
        trace.get_tracer(TRACER_NAME, tracer_provider=tracer_provider, schema_url=SCHEMA_URL),
        runtime.clock_s,
        capture_content=config.capture_content or asked in ("span_only", "span_and_event", "true"),
        slow_s=None if config.slow_threshold_ms is None else config.slow_threshold_ms / 1000,
    )
