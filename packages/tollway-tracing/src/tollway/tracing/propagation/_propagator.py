"""The propagators: what OpenTelemetry calls to carry a context over a wire."""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry.baggage import set_baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.trace import NonRecordingSpan, get_current_span, set_span_in_context

from ._baggage import members
from ._traceparent import parse, write

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
BAGGAGE = "baggage"


class TraceContextPropagator(TextMapPropagator):
    """W3C Trace Context level 2, strict: https://www.w3.org/TR/trace-context-2/.

    A `traceparent` that is malformed, or there more than once, restarts the trace: the context stays as it
    was and `tracestate` is not read. Several `tracestate` headers are one list.
    """

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        """Return the context with the caller's span in it, if there is one."""
        if context is None:
            context = Context()
        parents = _values(getter, carrier, TRACEPARENT)
        if len(parents) != 1:
            return context
        remote = parse(parents[0], _values(getter, carrier, TRACESTATE))
        return context if remote is None else set_span_in_context(NonRecordingSpan(remote), context)

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        """Set the headers of the current span, if there is one."""
        current = get_current_span(context).get_span_context()
        if not current.is_valid:
            return
        setter.set(carrier, TRACEPARENT, write(current))
        if current.trace_state:
            setter.set(carrier, TRACESTATE, current.trace_state.to_header())

    @property
    def fields(self) -> set[str]:
        """The headers that `inject` sets."""
        return {TRACEPARENT, TRACESTATE}


class BaggagePropagator(W3CBaggagePropagator):
    """OTel's baggage, with all headers where there are several, and spaces as every language reads them.

    https://www.w3.org/TR/baggage/#header-content. OTel's own reads the first header only, in quadratic time,
    and writes a space as `+`, which is a plus to all who decode by percent. Members that are not valid are
    left out without a word in the log: callers would fill it.
    """

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        """Return the context with the caller's baggage in it."""
        if context is None:
            context = Context()
        for key, value in members(",".join(_values(getter, carrier, BAGGAGE))):
            context = set_baggage(key, value, context)
        return context

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        """Set the header of the context's baggage, if there is any."""
        written: dict[str, str] = {}
        super().inject(written, context)
        for name, value in written.items():
            setter.set(carrier, name, value.replace("+", "%20"))  # a plus of the value is %2B by now


def _values(getter: Getter[CarrierT], carrier: CarrierT, name: str) -> list[str]:
    """Return all that the getter has. Getters are many, and some give a bare string, or what is no text."""
    values: Iterable[object] | None = getter.get(carrier, name)
    if values is None:
        return []
    if isinstance(values, str):
        return [values]
    return [value if isinstance(value, str) else "\0" for value in values]
