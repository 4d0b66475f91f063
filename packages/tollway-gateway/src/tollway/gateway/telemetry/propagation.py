"""W3C trace context in and out of the data plane, strictly, and nothing else.

`extract` returns the caller's context or an empty one: never the surrounding one, which is the server's own.
`inject` returns the headers that make an upstream's spans children of the one whose context is given, without
the caller's baggage, which is not for the model's maker.
"""

from tollway.tracing.propagation import extract_trace_context as extract
from tollway.tracing.propagation import span_context_headers as inject

__all__ = ["extract", "inject"]
