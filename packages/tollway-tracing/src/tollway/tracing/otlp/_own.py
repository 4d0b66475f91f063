"""The short way from our own spans to bytes, where it is not compiled: there is none, and every span is left
to the other way (`_encode.span_object`).
"""

from collections.abc import Callable, Sequence

from opentelemetry.sdk.trace import ReadableSpan

from tollway.tracing.engine import Span


def own_span_json(span: Span) -> bytes | None:
    """Return an ended span of ours as OTLP JSON; None where `span_object` has to do it."""
    return None


def spans_protobuf(spans: Sequence[ReadableSpan], other: Callable[[ReadableSpan], bytes]) -> bytes:
    """Return spans as the `spans` of an OTLP `ScopeSpans`; `other` gives each that is not written here."""
    return b"".join(map(other, spans))
