"""The engine: spans that cost little to record, and the decision which of their traces are kept."""

from tollway.tracing.compiled import is_compiled

from ._clock import Clock
from ._constants import KEPT_BECAUSE
from ._ids import RandomIds
from ._provider import TracerProvider
from ._span import Span
from ._tracer import CurrentSpan, Tracer
from .counts import Counts
from .span_core import SpanCore

__all__ = [
    "IS_COMPILED",
    "KEPT_BECAUSE",
    "Clock",
    "Counts",
    "CurrentSpan",
    "RandomIds",
    "Span",
    "Tracer",
    "TracerProvider",
]

IS_COMPILED = is_compiled(SpanCore.__module__)
"""Whether the extension modules run, or the Python that they are made from."""
