"""W3C trace context in and out of the data plane, strictly, and nothing else.

`extract` returns the caller's context or an empty one: never the surrounding one, which is the server's own.
`inject` returns the header lines that make an upstream's spans children of the one whose context is given,
without the caller's baggage, which is not for the model's maker. `context_of` holds one span and nothing
else: `SPAN_KEY` is its key.
"""

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, set_span_in_context

from tollway.tracing.propagation import RawContext
from tollway.tracing.propagation import extract_trace_context as extract
from tollway.tracing.propagation import span_context_lines as inject

__all__ = ["SPAN_KEY", "RawContext", "context_of", "extract", "inject"]

(SPAN_KEY,) = set_span_in_context(INVALID_SPAN, Context())


def context_of(span: Span) -> Context:
    """Return the context in which a span is current; `set_span_in_context` copies another for it."""
    return Context({SPAN_KEY: span})
