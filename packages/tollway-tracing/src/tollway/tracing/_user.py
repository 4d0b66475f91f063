"""The user's API: spans of blocks, on whatever provider OpenTelemetry has.

Under our provider a span is ours and has `set_inputs` and `set_outputs` itself; under somebody else's it is
wrapped in one that has them, and puts the same attributes on it.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, cast

from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace import Span as APISpan

from ._json import to_json_text
from ._runtime import INPUTS, OUTPUTS, attach, detach, known_status, with_current
from .semconv.genai import OPERATIONS, SCHEMA_URL, operation_span

if TYPE_CHECKING:
    from .engine import Tracer as OwnTracer

SCOPE = "tollway.tracing"
"""The instrumentation scope of spans made by `trace` and `start_span`."""

KIND = "tollway.kind"
"""The attribute that says what sort of work a span is, where OpenTelemetry has no word for it: chain ..."""

_tracers: weakref.WeakKeyDictionary[otel.TracerProvider, Tracer] = weakref.WeakKeyDictionary()


class TracedSpan(Protocol):
    """What `start_span` gives: OpenTelemetry's span with inputs and outputs."""

    def set_inputs(self, inputs: Any) -> None:
        """Keep what went in, as JSON in the attribute `tollway.inputs`."""

    def set_outputs(self, outputs: Any) -> None:
        """Keep what came out, as JSON in the attribute `tollway.outputs`."""

    def set_attribute(self, key: str, value: Any) -> None:
        """See OpenTelemetry's `Span.set_attribute`."""

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """See OpenTelemetry's `Span.set_attributes`."""

    def add_event(
        self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None
    ) -> None:
        """See OpenTelemetry's `Span.add_event`."""

    def set_status(self, status: Status | StatusCode | str, description: str | None = None) -> None:
        """Set the status; also by its word: OK, ERROR or UNSET."""

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """See OpenTelemetry's `Span.record_exception`."""

    def update_name(self, name: str) -> None:
        """See OpenTelemetry's `Span.update_name`."""

    def is_recording(self) -> bool:
        """See OpenTelemetry's `Span.is_recording`."""

    def get_span_context(self) -> otel.SpanContext:
        """See OpenTelemetry's `Span.get_span_context`."""

    def end(self, end_time: int | None = None) -> None:
        """See OpenTelemetry's `Span.end`."""


class ForeignSpan(APISpan):
    """A span of another provider with our words; everything else is the span's own.

    It is a span for OpenTelemetry's functions too, which let no other object be current.
    """

    __slots__ = ("span",)

    def __init__(self, span: APISpan) -> None:
        self.span = span

    # What OpenTelemetry's own class has, `__getattr__` never sees.

    def end(self, end_time: int | None = None) -> None:
        """See OpenTelemetry's `Span.end`."""
        self.span.end(end_time)

    def get_span_context(self) -> otel.SpanContext:
        """See OpenTelemetry's `Span.get_span_context`."""
        return self.span.get_span_context()

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """See OpenTelemetry's `Span.set_attributes`."""
        self.span.set_attributes(attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        """See OpenTelemetry's `Span.set_attribute`."""
        self.span.set_attribute(key, value)

    def add_event(
        self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None
    ) -> None:
        """See OpenTelemetry's `Span.add_event`."""
        self.span.add_event(name, attributes, timestamp)

    def add_link(self, context: otel.SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        """See OpenTelemetry's `Span.add_link`."""
        self.span.add_link(context, attributes)

    def update_name(self, name: str) -> None:
        """See OpenTelemetry's `Span.update_name`."""
        self.span.update_name(name)

    def is_recording(self) -> bool:
        """See OpenTelemetry's `Span.is_recording`."""
        return self.span.is_recording()

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """See OpenTelemetry's `Span.record_exception`."""
        self.span.record_exception(exception, attributes, timestamp, escaped)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.span, name)

    def set_inputs(self, inputs: Any) -> None:
        """Keep what went in, as JSON in the attribute `tollway.inputs`."""
        if self.span.is_recording():
            self.span.set_attribute(INPUTS, to_json_text(inputs))

    def set_outputs(self, outputs: Any) -> None:
        """Keep what came out, as JSON in the attribute `tollway.outputs`."""
        if self.span.is_recording():
            self.span.set_attribute(OUTPUTS, to_json_text(outputs))

    def set_status(self, status: Status | StatusCode | str, description: str | None = None) -> None:
        """Set the status; also by its word: OK, ERROR or UNSET."""
        if isinstance(status, Status):
            self.span.set_status(status, description)
        elif (known := known_status(status, description)) is not None:
            self.span.set_status(known)


def with_words(span: APISpan) -> TracedSpan:
    """Return the span itself where it is ours, else one that adds our words to it."""
    return cast("TracedSpan", span if hasattr(span, "set_inputs") else ForeignSpan(span))


def user_tracer() -> Tracer:
    """Return the tracer of this API on the global provider."""
    provider = otel.get_tracer_provider()
    tracer = _tracers.get(provider)
    if tracer is None:
        tracer = provider.get_tracer(SCOPE, schema_url=SCHEMA_URL)
        if not isinstance(provider, otel.ProxyTracerProvider):
            _tracers[provider] = tracer
    return tracer


def current_span() -> TracedSpan:
    """Return the span that is current, whoever made it; one that records nothing where there is none."""
    return with_words(otel.get_current_span())


class SpanBlock:
    """Starts a span on entry and makes it current; ends it on exit. An exception makes it an ERROR."""

    __slots__ = ("_context", "_force", "_links", "_name", "_ratio", "_rest", "_span", "_start_time", "_token")

    def __init__(
        self,
        name: str,
        rest: tuple[SpanKind, Mapping[str, Any] | None],
        context: Context | None = None,
        links: Sequence[Link] | None = None,
        *,
        start_time: int | None = None,
        force: bool = False,
        sampling_ratio: float | None = None,
    ) -> None:
        self._name = name
        self._rest = rest
        self._context = context
        self._links = links
        self._start_time = start_time
        self._force = force
        self._ratio = sampling_ratio
        self._span: APISpan
        self._token: Token[Context]

    def start(self) -> APISpan:
        """Start the span, current for nobody yet."""
        tracer = user_tracer()
        kind, attributes = self._rest
        if hasattr(tracer, "engine"):  # ours
            return cast("OwnTracer", tracer).start_span(
                self._name,
                self._context,
                kind,
                attributes,
                self._links,
                self._start_time,
                force=self._force,
                sampling_ratio=self._ratio,
            )
        return tracer.start_span(
            self._name, self._context, kind, attributes, self._links or (), self._start_time
        )

    def release(self) -> APISpan:
        """Return the span, which the block then does not end: whoever has it does."""
        span, self._span = self._span, otel.INVALID_SPAN
        return span

    def __enter__(self) -> TracedSpan:
        self._span = span = self.start()
        self._token = attach(with_current(span))
        return with_words(span)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_back: TracebackType | None
    ) -> None:
        detach(self._token)
        if error is not None:
            note_error(self._span, error)
        self._span.end()


def note_error(span: APISpan, error: BaseException) -> None:
    """Record an exception that leaves a span's work, and make the span an ERROR; only what is an
    `Exception`.
    """
    if not isinstance(error, Exception) or not span.is_recording():
        return
    if hasattr(span, "note_exception"):  # ours
        span.note_exception(error, record=True, set_status=True)
        return
    try:
        span.record_exception(error, escaped=True)
        description = f"{type(error).__name__}: {error}"
    except Exception:  # an exception whose own `__str__` raises
        description = type(error).__name__
    span.set_status(Status(StatusCode.ERROR, description))


def described(
    name: str, kind: SpanKind | str | None, attributes: Mapping[str, Any] | None
) -> tuple[str, tuple[SpanKind, Mapping[str, Any] | None]]:
    """Return a span's name, and OpenTelemetry's kind and the attributes that any other kind comes to."""
    if kind is None:
        return name, (SpanKind.INTERNAL, attributes)
    if isinstance(kind, SpanKind):
        return name, (kind, attributes)
    name, kind = str(name), str(kind)
    if (operation := OPERATIONS.get(kind.lower())) is not None:
        full_name, span_kind, items = operation_span(operation, name, attributes)
        return full_name, (span_kind, items)
    if (known := SpanKind.__members__.get(kind.upper())) is not None:
        return name, (known, attributes)
    return name, (SpanKind.INTERNAL, {KIND: kind, **(attributes or {})})


def start_span(
    name: str,
    kind: SpanKind | str | None = None,
    *,
    attributes: Mapping[str, Any] | None = None,
    context: Context | None = None,
    links: Sequence[Link] | None = None,
    start_time: int | None = None,
    force: bool = False,
    sampling_ratio: float | None = None,
) -> SpanBlock:
    """Return a context manager that starts a span, makes it current and ends it.

        with tracing.start_span("answer", kind="chain") as span:
            span.set_inputs({"question": question})

    kind: one of OpenTelemetry's, or an operation of the GenAI conventions (tool, agent, retriever, embedding,
    llm, plan: see docs/tracing.md), or any other word, which becomes the attribute `tollway.kind`.
    start_time: Unix nanoseconds. force: keep the whole trace. sampling_ratio: in place of the configured one,
    where the span is a root. The last two need our provider. Raises ValueError for a ratio that is none.
    """
    return SpanBlock(
        *described(name, kind, attributes),
        context,
        links,
        start_time=start_time,
        force=force,
        sampling_ratio=sampling_ratio,
    )
