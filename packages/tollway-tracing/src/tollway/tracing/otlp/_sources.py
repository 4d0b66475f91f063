"""Where spans come from: one adapter each for our own, for any other SDK's, and for records from outside.

`source_of` chooses by type. The compiled encoders of our own spans (`_own.pyx`) look at types themselves.
"""

from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, StatusCode, TraceFlags

from tollway.tracing._json import to_json
from tollway.tracing.engine import KEPT_BECAUSE, Span
from tollway.tracing.records import FAR, LOCAL_ROOT, ROOT, Origin, Record

from ._objects import span_object
from ._own import own_span_json

if TYPE_CHECKING:
    from ._encode import Encoder


class Source(Protocol):
    """Reads the ended spans of one maker."""

    def trace_id(self, span: Any) -> int | None:
        """Return the id of a span's trace; None for a hand-made span that has none."""
        ...

    def distance(self, span: Any) -> int:
        """Return `ROOT`, `LOCAL_ROOT` or `FAR`."""
        ...

    def is_sampled(self, span: Any) -> bool:
        """Return whether exporters may have the span: the W3C sampled flag is set."""
        ...

    def json(self, span: Any) -> bytes | None:
        """Return the span as OTLP JSON; None for what is no span at all. May raise what its span raises."""
        ...

    def origin(self, span: Any, encoder: "Encoder") -> Origin:
        """Return what made the span."""
        ...

    def record(self, span: Any, json: bytes, origin: Origin) -> Record:
        """Return the span's facts with its JSON."""
        ...


class SDKSpans:
    """Any `ReadableSpan`."""

    def trace_id(self, span: ReadableSpan) -> int | None:
        """See `Source`."""
        context = span.get_span_context()
        return None if context is None else context.trace_id

    def distance(self, span: ReadableSpan) -> int:
        """See `Source`."""
        return _distance(span.parent)

    def is_sampled(self, span: ReadableSpan) -> bool:
        """See `Source`."""
        context = span.get_span_context()
        return context is not None and bool(context.trace_flags & TraceFlags.SAMPLED)

    def json(self, span: ReadableSpan) -> bytes | None:
        """See `Source`."""
        return to_json(span_object(span))

    def origin(self, span: ReadableSpan, encoder: "Encoder") -> Origin:
        """See `Source`."""
        return encoder.origin_of(span.resource, span.instrumentation_scope)

    def record(self, span: ReadableSpan, json: bytes, origin: Origin) -> Record:
        """See `Source`."""
        context, attributes = span.get_span_context(), span.attributes
        assert context is not None  # it was encoded
        kept = attributes.get(KEPT_BECAUSE) if attributes else None
        return Record(
            context.trace_id,
            _distance(span.parent),
            span.start_time or 0,
            span.end_time or 0,
            span.status.status_code is StatusCode.ERROR,
            str(span.name),
            None if kept is None else str(kept),
            origin,
            json,
        )


class OwnSpans:
    """Spans of our engine, whose slots are read: properties that exporters read are made anew each time."""

    def trace_id(self, span: Span) -> int | None:
        """See `Source`."""
        return span._local.trace_id

    def distance(self, span: Span) -> int:
        """See `Source`."""
        return _distance(span._parent_span)

    def is_sampled(self, span: Span) -> bool:
        """See `Source`."""
        return bool(span._local.flags & TraceFlags.SAMPLED)

    def json(self, span: Span) -> bytes | None:
        """See `Source`."""
        return own_span_json(span) or to_json(span_object(span))

    def origin(self, span: Span, encoder: "Encoder") -> Origin:
        """See `Source`."""
        return encoder.origin_of(span._tracer.resource, span._tracer.scope)

    def record(self, span: Span, json: bytes, origin: Origin) -> Record:
        """See `Source`."""
        kept = span._own_attributes.get(KEPT_BECAUSE) if span._own_attributes else None
        return Record(
            span._local.trace_id,
            _distance(span._parent_span),
            span._start_time,
            span._end_time or 0,
            span._status.status_code is StatusCode.ERROR,
            str(span._name),
            None if kept is None else str(kept),
            origin,
            json,
        )


class Records:
    """Spans that came as OTLP: records already."""

    def trace_id(self, span: Record) -> int | None:
        """See `Source`."""
        return span.trace_id

    def distance(self, span: Record) -> int:
        """See `Source`."""
        return span.distance

    def is_sampled(self, span: Record) -> bool:
        """See `Source`: what was sent here was meant to be kept."""
        return True

    def json(self, span: Record) -> bytes | None:
        """See `Source`."""
        return span.json

    def origin(self, span: Record, encoder: "Encoder") -> Origin:
        """See `Source`."""
        return span.origin

    def record(self, span: Record, json: bytes, origin: Origin) -> Record:
        """See `Source`."""
        return span


def _distance(parent: object) -> int:
    if parent is None:
        return ROOT
    return LOCAL_ROOT if isinstance(parent, SpanContext) and parent.is_remote else FAR


_OTHERS: Source = SDKSpans()
_SOURCES: dict[type, Source] = {Span: OwnSpans(), Record: Records()}


def source_of(span: object) -> Source:
    """Return the adapter of a span."""
    return _SOURCES.get(type(span), _OTHERS)


def trace_id_of(span: object) -> int | None:
    """Return the id of a span's trace; None for a hand-made span that has none."""
    return source_of(span).trace_id(span)


def is_local_root(span: object) -> bool:
    """Return whether the span is the first of its trace in its process."""
    return source_of(span).distance(span) < FAR


def is_sampled(span: object) -> bool:
    """Return whether exporters may have the span: the W3C sampled flag is set."""
    return source_of(span).is_sampled(span)
