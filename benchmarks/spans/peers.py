"""What is measured: one set-up function a peer. Each answers how to run one trace and how to flush it all.

A trace is one root and three children; every span carries six attributes and one event.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

SPANS_PER_TRACE = 4

Peer = tuple[Callable[[], None], Callable[[], object]]
"""(run one trace, flush everything)"""

ATTRIBUTES = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4",
    "gen_ai.usage.input_tokens": 128,
    "gen_ai.usage.output_tokens": 256,
    "gen_ai.request.temperature": 0.7,
}
EVENT = {"key": "user_123"}


def _set_all(span: Any) -> None:
    for key, value in ATTRIBUTES.items():
        span.set_attribute(key, value)
    span.add_event("cache_hit", EVENT)


def _one_trace(
    start: Callable[[str], AbstractContextManager[Any]], fill: Callable[[Any], None] = _set_all
) -> None:
    with start("root") as root:
        fill(root)
        for name in ("retrieve", "rank", "answer"):
            with start(name) as span:
                fill(span)


def _otel(provider: Any) -> Peer:
    start = provider.get_tracer("bench").start_as_current_span
    return lambda: _one_trace(start), provider.force_flush


def noop(_: str) -> Peer:
    """The API with no SDK: what an instrumented library costs when nobody traces."""
    from opentelemetry import trace

    start = trace.NoOpTracerProvider().get_tracer("bench").start_as_current_span
    return lambda: _one_trace(start), lambda: None


def sdk(endpoint: str) -> Peer:
    """The SDK as its documentation sets it up: BatchSpanProcessor and OTLP/HTTP protobuf."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return _otel(provider)


def sdk_roomy(endpoint: str) -> Peer:
    """The same with a queue so large that nothing is lost, which its default loses at full speed."""
    os.environ["OTEL_BSP_MAX_QUEUE_SIZE"] = "1000000"
    return sdk(endpoint)


def sdk_unexported(_: str) -> Peer:
    """The SDK's spans, recorded and thrown away: the price before any exporter."""
    from opentelemetry.sdk.trace import TracerProvider

    return _otel(TracerProvider())


def fastotel(endpoint: str) -> Peer:
    """The SDK's spans with fastotel's Rust processor."""
    from fastotel import OTLPSpanProcessor
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider()
    provider.add_span_processor(OTLPSpanProcessor(endpoint=endpoint))
    return _otel(provider)


def logfire(endpoint: str) -> Peer:
    """Logfire, exporting to our sink alone."""
    import logfire as lib
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    lib.configure(
        send_to_logfire=False,
        console=False,
        metrics=False,
        additional_span_processors=[BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint))],
    )

    def fill(span: Any) -> None:
        for key, value in ATTRIBUTES.items():
            span.set_attribute(key, value)
        span.add_event("cache_hit", EVENT)

    return lambda: _one_trace(lib.span, fill), lib.force_flush


def langfuse(endpoint: str) -> Peer:
    """Langfuse's client, its host pointed at our sink; its metadata are our attributes, its child event our
    event.
    """
    from langfuse import Langfuse

    client = Langfuse(public_key="pk-bench", secret_key="sk-bench", base_url=endpoint.rsplit("/v1/", 1)[0])

    def fill(span: Any) -> None:
        span.update(metadata=ATTRIBUTES)

    def start(name: str) -> AbstractContextManager[Any]:
        return client.start_as_current_observation(name=name, as_type="span")

    return lambda: _one_trace(start, fill), client.flush


def mlflow(endpoint: str) -> Peer:
    """MLflow's tracing package, exporting by OTLP."""
    os.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = endpoint
    os.environ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] = "http/protobuf"
    os.environ["MLFLOW_TRACKING_URI"] = endpoint.rsplit("/v1/", 1)[
        0
    ]  # its default wants packages that it does not bring
    import mlflow as lib
    from mlflow.entities import SpanEvent
    from mlflow.tracing.provider import get_bridged_tracer_provider

    def fill(span: Any) -> None:
        span.set_attributes(ATTRIBUTES)
        span.add_event(SpanEvent("cache_hit", attributes=EVENT))

    def flush() -> None:
        get_bridged_tracer_provider().force_flush()

    return lambda: _one_trace(lambda name: lib.start_span(name=name), fill), flush


def tollway_kept(endpoint: str) -> Peer:
    """Tollway, every trace kept and exported by OTLP."""
    from tollway import tracing

    tracing.configure(service_name="bench", sampling_rate=1.0, otlp=endpoint.removesuffix("/v1/traces"))
    from opentelemetry import trace

    start = trace.get_tracer("bench").start_as_current_span
    return lambda: _one_trace(start), tracing.flush


def tollway_dropped(endpoint: str) -> Peer:
    """Tollway, every trace recorded, held until its root ends, found neither slow nor failed, and dropped."""
    from tollway import tracing

    tracing.configure(
        service_name="bench",
        sampling_rate=0.0,
        slow_threshold_ms=60_000,
        otlp=endpoint.removesuffix("/v1/traces"),
    )
    from opentelemetry import trace

    start = trace.get_tracer("bench").start_as_current_span
    return lambda: _one_trace(start), tracing.flush


PEERS: dict[str, Callable[[str], Peer]] = {
    "no-op API": noop,
    "OTel SDK, no exporter": sdk_unexported,
    "OTel SDK + batch + OTLP/HTTP": sdk,
    "OTel SDK + batch (queue of 1,000,000) + OTLP/HTTP": sdk_roomy,
    "OTel SDK + fastotel": fastotel,
    "logfire": logfire,
    "langfuse": langfuse,
    "mlflow-tracing": mlflow,
    "tollway, kept": tollway_kept,
    "tollway, dropped": tollway_dropped,
}
