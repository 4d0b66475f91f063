"""`configure`: from settings to a provider with its policy, its store and its exporters."""

from __future__ import annotations

import difflib
import logging
import math
import os
import time
from collections.abc import Mapping
from typing import Any, Literal, TypedDict, Unpack

from opentelemetry import trace as otel
from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor
from opentelemetry.sdk.trace import TracerProvider as SDKTracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Sampler

from . import propagation
from ._ending import is_bounded, shut_down
from ._environment import Environment, SettingError, read_environment
from ._exporters import exporting
from ._feedback_export import flush_feedback, set_feedback_exporter, shut_down_feedback
from ._instruments import observe
from ._mlflow_environment import read_mlflow
from ._private.sdk import processors_of
from ._targets import Targets
from ._worker import SHUTDOWN_S
from .engine import Clock, TracerProvider
from .receiving import TraceReceiver, set_receiver
from .sampling import RatioSlowSampler
from .signals import signal_exporters
from .store import FileStore, FileStoreProcessor, MissingZstdError, set_default
from .store._zstd import zstd

_logger = logging.getLogger(__name__)


class EngineSettings(TypedDict, total=False):
    """Arguments of `configure` that are those of `TracerProvider`."""

    shutdown_on_exit: bool
    id_generator: IdGenerator | None
    span_limits: SpanLimits | None
    clock: Clock | None
    timer: bool
    shutdown_timeout_s: float
    meter_provider: MeterProvider | None
    """Reads the numbers of `stats` as OpenTelemetry metrics."""


class Settings(EngineSettings, total=False):
    """Arguments of `configure`; None is as if it were not given."""

    service_name: str | None
    sampling_rate: float | None
    """The ratio of traces that is kept, 0 to 1 (1)."""
    slow_threshold_ms: float | None
    """Keep every trace slower than that; infinity for none, whatever the environment says."""
    store: str | os.PathLike[str] | FileStore | Literal[False] | None
    """A folder for trace files; False for none, whatever the environment says."""
    store_file_mode: int | None
    """Of new files in the store (0o600); 0o640 lets the group read them."""
    store_seal_after_s: float | None
    """Compress days of the store that ended so long ago (`tollway-tracing[seal]`); never unless given."""
    otlp: Targets | Literal[False] | None
    """The base URL of a collector, or `{"endpoint": ..., "dialect": ..., "headers": ...}`, or a list of them
    (docs/tracing.md); False for none, whatever the environment says.
    """
    otlp_headers: Mapping[str, str] | None
    mode: str | None
    """`local` (decide here) or `collector` (send everything, its tail sampling decides)."""
    resource: Resource | None
    retention_days: float | None
    """What the store keeps, as `retention_bytes`."""
    retention_bytes: int | None


_KNOWN = Settings.__annotations__.keys() | EngineSettings.__annotations__.keys()
_ENGINE = EngineSettings.__annotations__.keys()


def configure(
    *,
    config: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    **settings: Unpack[Settings],
) -> SDKTracerProvider:
    """Set up tracing, and return the provider. Arguments go before the file, which goes before the
    environment, which goes before the defaults. `Settings` says what can be given.

    config: a YAML file with a `tracing:` section, such as the gateway's.

    Variables: TOLLWAY_CONFIG (a file), TOLLWAY_SAMPLING_RATE, TOLLWAY_SLOW_THRESHOLD_MS,
    TOLLWAY_SAMPLING_MODE, TOLLWAY_STORE, OTEL_* as their specification says, and behind them MLflow's.
    Calling it again changes what is set up; tracers that are in use go on.

    Where another provider is global already, the store and the exporter are added to that one; its sampler
    stays. Raises SettingError for a setting that cannot be used.
    """
    _refuse_unknown(settings)
    variables = os.environ if environ is None else environ
    given = read_environment(variables)
    known: dict[str, Any] = {key: value for key, value in settings.items() if value is not None}
    if path := config or variables.get("TOLLWAY_CONFIG"):
        from ._file import read_file

        known = {**read_file(path, variables), **known}
    known = {**_behind(read_mlflow(variables), given), **known}
    engine = {key: known[key] for key in _ENGINE if key in known}
    sampler = _sampler(given, known)
    files, processors = _store(given, known, sampler)
    otlp, headers = known.get("otlp"), known.get("otlp_headers") or {}
    processors += exporting(given, otlp, headers)
    resource = _resource(known)
    set_feedback_exporter(lambda: signal_exporters("logs", otlp, headers, variables), resource)
    propagation.install()
    set_default(files)
    if "meter_provider" in known:
        observe(known["meter_provider"])
    if "otlp" not in known:
        processors = _without_seconds(processors)
    return _install(sampler, resource, processors, engine)


def _refuse_unknown(settings: Mapping[str, Any]) -> None:
    for name in settings.keys() - _KNOWN:
        close = difflib.get_close_matches(name, _KNOWN, n=1)
        hint = f": did you mean {close[0]!r}?" if close else ""
        raise TypeError(f"configure() got an unexpected keyword argument {name!r}{hint}")


def _behind(found: dict[str, Any], given: Environment) -> dict[str, Any]:
    """Return MLflow's settings without those for which a variable of ours or OpenTelemetry's speaks."""
    spoken = {
        "sampling_rate": given.sampling_rate is not None or given.sampler is not None,
        "slow_threshold_ms": given.slow_threshold_ms is not None,
        "store": given.store is not None,
        "otlp": given.endpoint or given.signal_endpoint or given.exporters,
    }
    spoken["otlp_headers"] = spoken["otlp"]
    return {key: value for key, value in found.items() if not spoken.get(key)}


def _resource(known: Mapping[str, Any]) -> Resource:
    name = known.get("service_name")
    made = Resource.create({SERVICE_NAME: name} if name else {})
    return made.merge(known["resource"]) if "resource" in known else made


def _without_seconds(processors: list[SpanProcessor]) -> list[SpanProcessor]:
    """Return processors without exporters, where another provider has those of the environment already."""
    provider = otel.get_tracer_provider()
    if isinstance(provider, TracerProvider) or not isinstance(provider, SDKTracerProvider):
        return processors
    if not any(hasattr(one, "span_exporter") for one in processors_of(provider)):
        return processors
    return [one for one in processors if not hasattr(one, "span_exporter")]


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


def _sampler(given: Environment, known: Mapping[str, Any]) -> Sampler | None:
    """Return our policy; None where only `OTEL_TRACES_SAMPLER` says something, which the SDK does."""
    rate = known.get("sampling_rate", given.sampling_rate)
    slow_ms = known.get("slow_threshold_ms", given.slow_threshold_ms)
    mode = known.get("mode", given.mode)
    if given.sampler is not None and rate is None:
        if slow_ms in (None, math.inf) and mode is None:
            return None
        rate = given.sampler_ratio
        _logger.warning(
            "OTEL_TRACES_SAMPLER is %s: its ratio is used (%s), with the threshold and mode set beside it",
            given.sampler,
            1 if rate is None else rate,
        )
    try:
        return RatioSlowSampler(
            1.0 if rate is None else rate, None if slow_ms == math.inf else slow_ms, mode=mode or "local"
        )
    except (TypeError, ValueError) as error:
        raise SettingError(str(error)) from None


def _store(
    given: Environment, known: Mapping[str, Any], sampler: Sampler | None
) -> tuple[FileStore | None, list[SpanProcessor]]:
    """Return the store and what writes to it, by which spans that other services send are kept as well."""
    store = known.get("store", given.store) or None
    if store is None:
        set_receiver(None)
        return None, []
    if not isinstance(store, FileStore):
        try:
            store = FileStore(store, file_mode=known.get("store_file_mode", 0o600))
        except ValueError as error:
            raise SettingError(f"store_{error}") from None
    days = known.get("retention_days")
    max_age_s = None if days is None else days * 86_400
    stored = FileStoreProcessor(
        store,
        max_age_s=max_age_s,
        max_bytes=known.get("retention_bytes"),
        seal_after_s=_seal_after_s(known.get("store_seal_after_s")),
    )
    policy = sampler if isinstance(sampler, RatioSlowSampler) else RatioSlowSampler()
    set_receiver(TraceReceiver(stored.put, policy, is_behind=lambda: stored.is_behind))
    return store, [stored]


def _seal_after_s(after_s: float | None) -> float | None:
    """Return it, if days can be sealed. Raises SettingError."""
    if after_s is None:
        return None
    if not after_s >= 0:
        raise SettingError(f"store_seal_after_s is {after_s!r}: use seconds, 0 or more")
    try:
        zstd()
    except MissingZstdError as error:
        raise SettingError(str(error)) from None
    return after_s


def flush(timeout_s: float = 30.0) -> bool:
    """Write and send everything that is decided; return whether that was done in time. Decides nothing
    early.
    """
    deadline_s = time.monotonic() + timeout_s
    provider = otel.get_tracer_provider()
    force_flush = getattr(provider, "force_flush", None)
    flushed = True if force_flush is None else bool(force_flush(int(timeout_s * 1000)))
    return flush_feedback(max(0.0, deadline_s - time.monotonic())) and flushed


def shutdown(timeout_s: float = SHUTDOWN_S) -> None:
    """Decide what is open by what is known, write and send it, and stop. Safe to call again.

    Takes no longer than `timeout_s`, whatever hangs. The spans left behind are logged, and counted in
    `stats().dropped_spans["shutdown"]`. (Processors and providers of others have their own times.)
    """
    deadline_s = time.monotonic() + timeout_s
    provider = otel.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown(timeout_s)
    elif isinstance(provider, SDKTracerProvider):
        shut_down(filter(is_bounded, processors_of(provider)), timeout_s)
        provider.shutdown()
    shut_down_feedback(max(0.0, deadline_s - time.monotonic()))
