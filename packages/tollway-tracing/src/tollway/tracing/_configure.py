"""`configure`: from settings to a provider with its policy, its store and its exporters."""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from opentelemetry import trace as otel
from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace import TracerProvider as SDKTracerProvider
from opentelemetry.sdk.trace.sampling import Sampler

from . import propagation
from ._ending import is_bounded, shut_down
from ._environment import Environment, SettingError, read_environment
from ._instruments import observe
from ._private.sdk import processors_of
from ._targets import Target, Targets, targets_of
from ._worker import SHUTDOWN_S
from .engine import TracerProvider
from .otlp import BatchProcessor, OTLPExporter, split_credentials
from .receiving import TraceReceiver, set_receiver
from .sampling import RatioSlowSampler
from .store import FileStore, FileStoreProcessor, set_default

_logger = logging.getLogger(__name__)

_NEEDS_OTLP = (
    "OTEL_EXPORTER_OTLP_PROTOCOL=grpc needs the reference exporter: pip install 'tollway-tracing[otlp]' "
    "(or use http/protobuf, which does not)"
)


def configure(  # noqa: PLR0913 - keywords with defaults: a setting each
    *,
    service_name: str | None = None,
    sampling_rate: float | None = None,
    slow_threshold_ms: float | None = None,
    store: str | os.PathLike[str] | FileStore | Literal[False] | None = None,
    store_file_mode: int = 0o600,
    otlp: Targets | Literal[False] | None = None,
    otlp_headers: Mapping[str, str] | None = None,
    mode: str | None = None,
    resource: Resource | None = None,
    retention_days: float | None = None,
    retention_bytes: int | None = None,
    meter_provider: MeterProvider | None = None,
    environ: Mapping[str, str] | None = None,
    **engine: Any,
) -> SDKTracerProvider:
    """Set up tracing, and return the provider. Arguments go before the environment, which goes before the
    defaults; None is no argument. False for `store` or `otlp`, infinity for `slow_threshold_ms`, mean none,
    whatever the environment says.

    sampling_rate: the ratio of traces that is kept, 0 to 1 (1). slow_threshold_ms: keep every trace slower
    than that. store: a folder for trace files. store_file_mode: of new files in it; 0o640 lets the group read
    them. otlp: the base URL of a collector, or `{"endpoint": ..., "dialect": ..., "headers": ...}`, or a list
    of them (docs/tracing.md). mode: `local` (decide here) or `collector` (send everything, its tail sampling
    decides). retention_days, retention_bytes: what the store keeps. meter_provider: reads the numbers of
    `stats` as OpenTelemetry metrics. engine: more arguments of `TracerProvider` (`id_generator`,
    `span_limits`, `clock`, `shutdown_timeout_s` ...).

    Variables: TOLLWAY_SAMPLING_RATE, TOLLWAY_SLOW_THRESHOLD_MS, TOLLWAY_SAMPLING_MODE, TOLLWAY_STORE, and
    OTEL_* as their specification says. Calling it again changes what is set up; tracers that are in use go
    on.

    Where another provider is global already, the store and the exporter are added to that one; its sampler
    stays. Raises SettingError for a setting that cannot be used.
    """
    given = read_environment(os.environ if environ is None else environ)
    sampler = _sampler(given, sampling_rate, slow_threshold_ms, mode)
    full_resource = Resource.create({SERVICE_NAME: service_name} if service_name else {})
    if resource is not None:
        full_resource = full_resource.merge(resource)
    processors: list[SpanProcessor] = []
    files = _store(given.store if store is None else store or None, store_file_mode)
    if files is not None:
        max_age_s = None if retention_days is None else retention_days * 86_400
        stored = FileStoreProcessor(files, max_age_s=max_age_s, max_bytes=retention_bytes)
        processors.append(stored)
        policy = sampler if isinstance(sampler, RatioSlowSampler) else RatioSlowSampler()
        set_receiver(TraceReceiver(stored.put, policy))
    else:
        set_receiver(None)
    processors += _exporting(given, otlp, otlp_headers or {})
    propagation.install()
    set_default(files)
    if meter_provider is not None:
        engine["meter_provider"] = meter_provider
        observe(meter_provider)
    return _install(sampler, full_resource, processors, engine)


def _install(
    sampler: Sampler | None, resource: Resource, processors: list[SpanProcessor], engine: dict[str, Any]
) -> SDKTracerProvider:
    known = otel.get_tracer_provider()
    if isinstance(known, TracerProvider):
        known.adopt(sampler, resource, processors, **engine)
        return known
    if isinstance(known, SDKTracerProvider):
        _logger.warning(
            "another TracerProvider is set already: its sampler and resource stay, "
            "our processors are added to it"
        )
        for processor in processors:
            known.add_span_processor(processor)
        return known
    provider = TracerProvider(sampler, resource, **engine)
    provider.adopt_processors(processors)
    otel.set_tracer_provider(provider)
    return provider


def _sampler(
    given: Environment, rate: float | None, slow_ms: float | None, mode: str | None
) -> Sampler | None:
    """Return our policy; None where only `OTEL_TRACES_SAMPLER` says something, and says what the SDK can
    do.
    """
    if given.sampler is not None and rate is None and given.sampling_rate is None:
        return None
    rate = given.sampling_rate if rate is None else rate
    slow_ms = given.slow_threshold_ms if slow_ms is None else slow_ms
    if slow_ms == math.inf:
        slow_ms = None
    try:
        return RatioSlowSampler(
            1.0 if rate is None else rate,
            slow_ms,
            mode=mode or given.mode or "local",  # type: ignore[arg-type]
        )
    except ValueError as error:
        raise SettingError(str(error)) from None


def _store(store: str | os.PathLike[str] | FileStore | None, file_mode: int) -> FileStore | None:
    if store is None or isinstance(store, FileStore):
        return store
    try:
        return FileStore(store, file_mode=file_mode)
    except ValueError as error:
        raise SettingError(f"store_{error}") from None


def _exporting(
    given: Environment, otlp: Targets | Literal[False] | None, headers: Mapping[str, str]
) -> list[SpanProcessor]:
    targets = targets_of(otlp, headers)
    if otlp is False:
        given = replace(given, exporters=_without_otlp(given), endpoint=None, traces_endpoint=None)
    asked = targets or given.endpoint or given.traces_endpoint
    names = given.exporters or (("otlp",) if asked else ())
    if targets and "otlp" not in names:
        names = (*names, "otlp")
    processors: list[SpanProcessor] = []
    for name in names:
        if name == "otlp":
            exporters = [_otlp_exporter(given, target) for target in targets]
            exporters = exporters or [_by_environment(given, headers)]
            processors += [BatchProcessor(one, **given.batch) for one in exporters]  # type: ignore[arg-type]
        elif name == "console":
            from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

            processors.append(SimpleSpanProcessor(ConsoleSpanExporter(out=sys.stdout)))
        elif name != "none":
            _logger.warning("OTEL_TRACES_EXPORTER names %r: use otlp, console or none", name)
    return processors


def _without_otlp(given: Environment) -> tuple[str, ...]:
    return tuple(name for name in given.exporters if name != "otlp")


def _by_environment(given: Environment, headers: Mapping[str, str]) -> Any:
    """Return the exporter to where the environment says, or to a collector on this machine."""
    all_headers = {**given.headers, **headers}
    if given.protocol.lower() == "grpc":
        return _grpc_exporter(given, given.traces_endpoint or given.endpoint, all_headers)
    return _http_exporter(
        given,
        endpoint=given.endpoint or "http://localhost:4318",
        traces_endpoint=given.traces_endpoint,
        headers=all_headers,
    )


def _otlp_exporter(given: Environment, target: Target) -> Any:
    headers = {**given.headers, **target.headers} if target.is_alone else target.headers
    if given.protocol.lower() == "grpc":
        if target.dialect != "genai":
            raise SettingError(f"otlp dialect {target.dialect!r} needs http/protobuf or http/json, not grpc")
        return _grpc_exporter(given, target.endpoint, headers)
    return _http_exporter(given, endpoint=target.endpoint, headers=headers, dialect=target.dialect)


def _http_exporter(given: Environment, **options: Any) -> OTLPExporter:
    protocol = given.protocol.lower()
    if protocol not in ("", "http/protobuf", "http/json"):
        _logger.warning("OTEL_EXPORTER_OTLP_PROTOCOL is %r: http/protobuf is used", given.protocol)
    return OTLPExporter(
        protocol="http/json" if protocol == "http/json" else "http/protobuf",
        timeout_s=_timeout_s(given),
        compression=given.compression,
        **options,
    )


def _timeout_s(given: Environment) -> float:
    """Return the seconds for an export: the specification counts milliseconds, the SDK's exporters do not."""
    return 10.0 if given.timeout_ms is None else given.timeout_ms / 1000


def _grpc_exporter(given: Environment, endpoint: str | None, headers: Mapping[str, str]) -> Any:
    try:
        from grpc import Compression  # type: ignore[import-untyped]
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise SettingError(_NEEDS_OTLP) from None
    if endpoint is not None:
        endpoint, credentials = split_credentials(endpoint)
        headers = {**credentials, **headers}
    insecure = True if endpoint and endpoint.startswith("http://") else None
    return OTLPSpanExporter(
        endpoint=endpoint,
        insecure=insecure,
        headers={name.lower(): value for name, value in headers.items()} or None,  # gRPC allows no others
        timeout=_timeout_s(given),
        compression=Compression.Gzip if given.compression == "gzip" else Compression.NoCompression,
    )


def flush(timeout_s: float = 30.0) -> bool:
    """Write and send everything that is decided; return whether that was done in time. Decides nothing
    early.
    """
    provider = otel.get_tracer_provider()
    force_flush = getattr(provider, "force_flush", None)
    return True if force_flush is None else bool(force_flush(int(timeout_s * 1000)))


def shutdown(timeout_s: float = SHUTDOWN_S) -> None:
    """Decide what is open by what is known, write and send it, and stop. Safe to call again.

    Takes no longer than `timeout_s`, whatever hangs. The spans left behind are logged, and counted in
    `stats().dropped_spans["shutdown"]`. (Processors and providers of others have their own times.)
    """
    provider = otel.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown(timeout_s)
    elif isinstance(provider, SDKTracerProvider):
        shut_down(filter(is_bounded, processors_of(provider)), timeout_s)
        provider.shutdown()
