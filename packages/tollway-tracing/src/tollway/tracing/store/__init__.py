"""The file store: traces as files that a person, the collector and Jaeger can read."""

from tollway.tracing.readers import EventView, SpanView, Trace, TraceReader
from tollway.tracing.summary import Summary

from ._default import NoStoreError, get_trace, search_traces, set_default
from ._follow import Follower
from ._maintenance import Pruned, Verification, prune, reindex, verify
from ._processor import FileStoreProcessor
from ._seal import Sealed, SealError
from ._sealing import seal, unseal
from ._store import FileStore
from ._writer import StoreCounts
from ._zstd import MissingZstdError

__all__ = [
    "EventView",
    "FileStore",
    "FileStoreProcessor",
    "Follower",
    "MissingZstdError",
    "NoStoreError",
    "Pruned",
    "SealError",
    "Sealed",
    "SpanView",
    "StoreCounts",
    "Summary",
    "Trace",
    "TraceReader",
    "Verification",
    "get_trace",
    "prune",
    "reindex",
    "seal",
    "search_traces",
    "set_default",
    "unseal",
    "verify",
]
