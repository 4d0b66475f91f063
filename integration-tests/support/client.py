"""A program that calls the gateway and traces itself, with nothing but the stock OpenTelemetry SDK."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from opentelemetry import propagate
from opentelemetry.sdk.trace import TracerProvider


@dataclass(frozen=True, slots=True)
class CallingSpan:
    """The caller's own span: its ids in hex, and the headers that tell of it."""

    trace_id: str
    span_id: str
    headers: dict[str, str] = field(default_factory=dict)


class CallingProgram:
    """Opens spans around calls."""

    def __init__(self) -> None:
        self._tracer = TracerProvider(shutdown_on_exit=False).get_tracer("program")

    @contextmanager
    def span(self) -> Iterator[CallingSpan]:
        """Open a span, and inject it into headers as OpenTelemetry does by default."""
        with self._tracer.start_as_current_span("ask") as span:
            context = span.get_span_context()
            calling = CallingSpan(f"{context.trace_id:032x}", f"{context.span_id:016x}")
            propagate.inject(calling.headers)
            yield calling
