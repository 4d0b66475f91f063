"""Reading traces, wherever they are: what is asked, what is found, and what they amount to."""

from ._reader import TraceReader
from .query import OrderBy, Progress, Query, SearchOptions
from .views import EventView, SpanView, Trace

__all__ = [
    "EventView",
    "OrderBy",
    "Progress",
    "Query",
    "SearchOptions",
    "SpanView",
    "Trace",
    "TraceReader",
]
