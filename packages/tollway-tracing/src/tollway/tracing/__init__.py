"""Tracing on OpenTelemetry: record everything, keep a ratio and whatever was slow or failed.

What decorates and starts spans needs the API alone; the rest is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import _abi as _abi  # first: where it refuses, other imports fail too
from ._context import tags, wrap
from ._decorator import trace
from ._deferred import Deferred
from ._user import TracedSpan, current_span, start_span

if TYPE_CHECKING:
    from ._assess import log_feedback
    from ._configure import configure, flush, shutdown
    from ._environment import SettingError
    from ._instrument import instrument
    from ._stats import Stats, stats
    from .engine import Span, TracerProvider
    from .feedback import Feedback
    from .propagation import extract, inject
    from .sampling import RatioSlowSampler
    from .store import FileStore, NoStoreError, Trace, get_trace, search_traces

__all__ = [
    "Deferred",
    "Feedback",
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
    "instrument",
    "log_feedback",
    "search_traces",
    "shutdown",
    "start_span",
    "stats",
    "tags",
    "trace",
    "wrap",
]

_HOMES = {
    "_assess": ("log_feedback",),
    "_configure": ("configure", "flush", "shutdown"),
    "_environment": ("SettingError",),
    "_instrument": ("instrument",),
    "_stats": ("Stats", "stats"),
    "feedback": ("Feedback",),
    "engine": ("Span", "TracerProvider"),
    "propagation": ("extract", "inject"),
    "sampling": ("RatioSlowSampler",),
    "store": ("FileStore", "NoStoreError", "Trace", "get_trace", "search_traces"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if (home := _HOME.get(name)) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f".{home}", __name__), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
