"""The file store: traces as files that a person, the collector and Jaeger can read."""

from tollway.tracing.readers import EventView, SpanView, Trace, TraceReader
from tollway.tracing.summary import Summary

from ._default import NoStoreError, get_trace, search_traces, set_default
from ._follow import Follower
from ._maintenance import Pruned, Verification, prune, reindex, verify
from ._processor import FileStoreProcessor
from ._store import FileStore
from ._writer import StoreCounts

__all__ = [
    "EventView",
    "FileStore",
    "FileStoreProcessor",
    "Follower",
    "NoStoreError",
    "Pruned",
    "SpanView",
    "StoreCounts",
    "Summary",
    "Trace",
    "TraceReader",
    "Verification",
    "get_trace",
    "prune",
    "reindex",
    "search_traces",
    "set_default",
    "verify",
]
