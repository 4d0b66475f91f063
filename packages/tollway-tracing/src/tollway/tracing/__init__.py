"""Tracing on OpenTelemetry: record everything, keep a ratio and whatever was slow or failed."""

from ._configure import configure, flush, shutdown
from ._decorator import trace
from ._environment import SettingError
from ._stats import Stats, stats
from ._user import TracedSpan, current_span, start_span
from .engine import Span, TracerProvider
from .propagation import extract, inject
from .sampling import RatioSlowSampler
from .store import FileStore, NoStoreError, Trace, get_trace, search_traces

__all__ = [
    "FileStore",
    "NoStoreError",
    "RatioSlowSampler",
    "SettingError",
    "Span",
    "Stats",
    "Trace",
    "TracedSpan",
    "TracerProvider",
    "configure",
    "current_span",
    "extract",
    "flush",
    "get_trace",
    "inject",
    "search_traces",
    "shutdown",
    "start_span",
    "stats",
    "trace",
]
