"""The private names of OpenTelemetry's SDK."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

from opentelemetry.metrics import get_meter_provider
from opentelemetry.sdk.environment_variables import OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED
from opentelemetry.sdk.trace import (
    ReadableSpan,
    Span,
    SpanLimits,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
    Tracer,
    TracerProvider,
    _TracerConfig,
)
from opentelemetry.sdk.trace._tracer_metrics import NoOpTracerMetrics, TracerMetricsT, create_tracer_metrics
from opentelemetry.sdk.util.instrumentation import InstrumentationInfo, InstrumentationScope

__all__ = ["NoOpTracerMetrics", "TracerMetricsT"]

# --- processors ---


class One:
    """One processor, held as the SDK holds several."""

    def __init__(self, processor: SpanProcessor) -> None:
        self._span_processors = (processor,)


Several: TypeAlias = SynchronousMultiSpanProcessor | One

processors_in: Callable[[Several], tuple[SpanProcessor, ...]] = attrgetter("_span_processors")
"""Return the processors of a multi-processor as they are now: others add to it."""


def active_processor(provider: TracerProvider) -> SpanProcessor:
    """Return the processor that a provider's spans are given to, which holds all others."""
    return provider._active_span_processor


def processors_of(provider: TracerProvider) -> tuple[SpanProcessor, ...]:
    """Return the processors of a provider."""
    active = provider._active_span_processor
    return getattr(active, "_span_processors", (active,))


def set_processors(provider: TracerProvider, processors: tuple[SpanProcessor, ...]) -> None:
    """Replace the processors of a provider; none is shut down."""
    provider._active_span_processor._span_processors = processors


def listens(processor: SpanProcessor, method: str) -> bool:
    """Return whether a processor has its own method, not the SDK's empty one."""
    own = getattr(processor, method, None)  # of the object, not its class: stand-ins of tests have it there
    return own is not None and getattr(own, "__func__", own) is not getattr(SpanProcessor, method)


def ending_hooks(processors: Iterable[SpanProcessor]) -> tuple[Callable[[Any], None], ...]:
    """Return what tells processors of a span that is about to end, for those that want to hear of it."""
    return tuple(processor._on_ending for processor in processors if listens(processor, "_on_ending"))


class EndingProcessor(SpanProcessor):
    """A processor that hears of spans that are about to end."""

    def on_ending(self, span: Span) -> None:
        """Look at, or change, a span just before it ends."""

    def _on_ending(self, span: Span) -> None:
        self.on_ending(span)


# --- providers and tracers ---


class SDKTracer(Tracer):
    """The SDK's tracer, which says when it is enabled or disabled."""

    def configured(self, is_enabled: bool) -> None:
        """Take note of it."""

    def _set_tracer_config(self, tracer_config: _TracerConfig) -> None:
        super()._set_tracer_config(tracer_config)
        self.configured(tracer_config.is_enabled)


class Parts(NamedTuple):
    """What the SDK's constructor made of a tracer's arguments."""

    scope: InstrumentationScope
    metrics: TracerMetricsT
    is_enabled: bool
    limits: SpanLimits


def parts_of(tracer: Tracer) -> Parts:
    """Return the private parts of a tracer."""
    return Parts(
        tracer._instrumentation_scope,
        tracer._tracer_metrics,
        tracer._tracer_config.is_enabled,
        tracer._span_limits,
    )


T = TypeVar("T", bound=Tracer)


def tracer_of(provider: TracerProvider, scope: InstrumentationScope, make: Callable[[], T]) -> T:
    """Return the provider's tracer of a scope, made at the first call."""
    with provider._tracers_lock:
        known = provider._tracers.get(scope)
        if known is None:
            known = provider._tracers[scope] = make()
    return cast("T", known)


def new_tracer(kind: type[T], provider: TracerProvider, scope: InstrumentationScope) -> T:
    """Return a tracer with the settings of its provider."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # exporters still read the old name
        info = InstrumentationInfo(scope.name, scope.version, scope.schema_url)
    return kind(
        provider.sampler,
        provider.resource,
        provider._active_span_processor,
        provider.id_generator,
        info,
        provider._span_limits,
        scope,
        meter_provider=provider._meter_provider,
        _tracer_config=provider._apply_tracer_configurator(scope),
    )


def is_disabled(provider: TracerProvider) -> bool:
    """Return whether `OTEL_SDK_DISABLED` says that there are no spans."""
    return provider._disabled


def metrics_of(provider: TracerProvider, environ: Mapping[str, str] = os.environ) -> TracerMetricsT | None:
    """Return what counts for the SDK's own metrics; None where the environment does not ask for them."""
    if environ.get(OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED, "").strip().lower() != "true":
        return None
    return create_tracer_metrics(provider._meter_provider or get_meter_provider(), True)


def take_over(
    provider: TracerProvider, fresh: TracerProvider, also: Iterable[str], told: Callable[[Tracer], None]
) -> None:
    """Give a provider and its tracers the settings of a fresh one, and the attributes named in `also`.

    Each tracer is `told` before another thread can get one.
    """
    settings = ("sampler", "_resource", "_active_span_processor", "id_generator", "_span_limits")
    with provider._tracers_lock:
        for name in (*settings, "_meter_provider", "_disabled", *also):
            setattr(provider, name, getattr(fresh, name))
        for tracer in provider._tracers.values():
            tracer.sampler, tracer.resource = provider.sampler, provider.resource
            tracer.span_processor = provider._active_span_processor
            tracer.id_generator, tracer._span_limits = provider.id_generator, provider._span_limits
            told(tracer)


# --- spans ---


def _public(name: str) -> Any:
    return property(attrgetter(name))


def register_span(kind: type) -> None:
    """Make `isinstance(span, opentelemetry.sdk.trace.Span)` true of another class: programs test for it, and
    the SDK's class is an ABC.
    """
    Span.register(kind)


class ReadNames(ReadableSpan):
    """A span's private names, which the SDK's own `to_json` and some exporters read."""

    __slots__ = ()

    _context = _public("context")
    _parent = _public("parent")
    _events = _public("events")
    _links = _public("links")
    _resource = _public("resource")
    _instrumentation_scope = _public("instrumentation_scope")
    _instrumentation_info = _public("instrumentation_info")

    @property
    def _attributes(self) -> Mapping[str, Any]:
        return self.attributes or {}

    @_attributes.setter
    def _attributes(self, attributes: Mapping[str, Any]) -> None:
        self.replace_attributes(attributes)

    def replace_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Take other attributes: processors that redact what has ended set the private name."""
        raise NotImplementedError

    def _readable_span(self) -> ReadableSpan:
        return self
