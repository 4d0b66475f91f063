"""W3C trace context in and out of the data plane, which has its headers as ASGI does: pairs of bytes."""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()

_NO_PARENT = Context()


def extract(headers: Iterable[tuple[bytes, bytes]]) -> Context:
    """Return the caller's context, or an empty one: never the surrounding one, which is the server's own."""
    carrier: dict[str, str] = {}
    for key, value in headers:
        if key in (b"traceparent", b"tracestate"):
            carrier[key.decode()] = value.decode("latin-1")
    return _PROPAGATOR.extract(carrier, _NO_PARENT) if carrier else _NO_PARENT


def inject(context: Context) -> tuple[tuple[str, str], ...]:
    """Return the headers that make an upstream's spans children of the current one.

    Trace context only: the caller's baggage is not for the model's maker.
    """
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, context)
    return tuple(carrier.items())
