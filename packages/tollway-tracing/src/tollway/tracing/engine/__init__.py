"""The engine: spans that cost little to record, and the decision which of their traces are kept."""

from ._clock import Clock
from ._constants import KEPT_BECAUSE
from ._core import IS_COMPILED, Counts
from ._ids import RandomIds
from ._provider import TracerProvider
from ._span import Span
from ._tracer import CurrentSpan, Tracer

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
