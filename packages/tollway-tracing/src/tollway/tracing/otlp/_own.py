"""The short way from our own spans to bytes, where it is not compiled: there is none, and every span is left
to the other way (`_encode.span_object`).
"""

from collections.abc import Callable, Sequence
from typing import Any

from tollway.tracing.engine import Span
from tollway.tracing.semconv.dialects import Dialect


def own_span_json(span: Span) -> bytes | None:
    """Return an ended span of ours as OTLP JSON; None where `span_object` has to do it."""
    return None


def spans_protobuf(
    spans: Sequence[Any],
    other: Callable[[Any], bytes],
    translate: Dialect | None = None,
    always: bool = False,
) -> bytes:
    """Return spans as the `spans` of an OTLP `ScopeSpans`; `other` gives each that is not written here.

    translate: gives the attributes to send, of spans with inputs or outputs; `always`, of all spans.
    """
    return b"".join(map(other, spans))
