"""Our propagators in the place of OTel's own, within what `OTEL_PROPAGATORS` or the program has set."""

from __future__ import annotations

from functools import lru_cache

from opentelemetry import propagate
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ._propagator import BaggagePropagator, TraceContextPropagator

_OURS: dict[type[TextMapPropagator], type[TextMapPropagator]] = {
    TraceContextTextMapPropagator: TraceContextPropagator,
    W3CBaggagePropagator: BaggagePropagator,
}


def install() -> None:
    """Make the strict propagators OpenTelemetry's global ones; others, like B3, stay in their place.

    `OTEL_PROPAGATORS` names them, `tracecontext,baggage` by default; with `none` there are none.
    """
    propagate.set_global_textmap(current())


def current() -> TextMapPropagator:
    """Return OpenTelemetry's global propagator, strict whether or not `install` was called."""
    return _strict(propagate.get_global_textmap())


@lru_cache(maxsize=8)  # asked for every request; there is one global propagator
def _strict(propagator: TextMapPropagator) -> TextMapPropagator:
    """Return the propagator with OTel's own replaced by ours; itself where there is nothing to replace."""
    ours = _OURS.get(type(propagator))
    if ours is not None:
        return ours()
    if type(propagator) is not CompositePropagator:
        return propagator
    parts = propagator._propagators
    if not any(type(part) in _OURS or type(part) is CompositePropagator for part in parts):
        return propagator
    return CompositePropagator([_strict(part) for part in parts])
