"""Ended spans as a test describes them, made by the stock SDK and by Tollway."""

from collections.abc import Callable, Sequence

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from tollway.tracing.engine import Span, TracerProvider
from tollway.tracing.engine.local_trace_core import LocalTrace

NOON_NS = 1_795_521_600_000_000_000
"""2026-11-24T12:00:00Z."""

MS = 1_000_000

MakeSpan = Callable[..., ReadableSpan]


def make_span(
    trace_id: int = 1,
    span_id: int = 1,
    parent_id: int | None = None,
    *,
    name: str = "root",
    start_ns: int = NOON_NS,
    duration_ms: float = 10,
    status: StatusCode = StatusCode.UNSET,
    message: str | None = None,
    attributes: dict | None = None,
    events: Sequence[Event] = (),
    service: str = "shop",
    remote_parent: bool = False,
    sampled: bool = True,
) -> ReadableSpan:
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else 0)
    return ReadableSpan(
        name=name,
        context=SpanContext(trace_id, span_id, False, flags),
        parent=None if parent_id is None else SpanContext(trace_id, parent_id, remote_parent, flags),
        resource=Resource({"service.name": service}),
        attributes=attributes or {},
        events=events,
        kind=SpanKind.INTERNAL,
        status=Status(status, message if status is StatusCode.ERROR else None),
        start_time=start_ns,
        end_time=start_ns + round(duration_ms * MS),
        instrumentation_scope=InstrumentationScope("tests", "1"),
    )


_tracers = {}


def make_own_span(*ids: int, service: str = "shop", **facts) -> Span:
    """Return an ended span of our engine that says what `make_span` says."""
    said = make_span(*ids, service=service, **facts)
    if service not in _tracers:
        provider = TracerProvider(
            resource=Resource({"service.name": service}), shutdown_on_exit=False, timer=False
        )
        _tracers[service] = provider.get_tracer("tests", "1")
    tracer, context = _tracers[service], said.context
    local = LocalTrace()
    local.begin(
        tracer.engine, context.trace_id, False, context.trace_flags, TraceState(), 0, None, None, False
    )
    span = tracer.start_span(said.name, kind=said.kind, start_time=said.start_time)
    span._local, span._span_id, span._parent_span = local, context.span_id, said.parent
    span.set_attributes(said.attributes)
    for event in said.events:
        span.add_event(event.name, event.attributes, event.timestamp)
    span.set_status(said.status)
    span._end_time = said.end_time
    return span
