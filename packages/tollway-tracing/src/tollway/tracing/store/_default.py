"""The store that `configure` chose, for readers that name none."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict, Unpack

from ._search import OrderBy, Progress
from ._store import TraceReader
from ._views import Trace

_default: TraceReader | None = None


class NoStoreError(RuntimeError):
    """No store was configured, and none was given."""


class SearchOptions(TypedDict, total=False):
    """The arguments of `TraceReader.search`."""

    status: str | None
    min_duration_ms: float | None
    max_duration_ms: float | None
    since: datetime | None
    until: datetime | None
    name: str | None
    attribute: Mapping[str, Any] | None
    session: str | None
    user: str | None
    text: str | None
    order_by: OrderBy
    limit: int
    progress: Progress | None


def set_default(store: TraceReader | None) -> None:
    """Set the store that `get_trace` and `search_traces` read."""
    global _default  # noqa: PLW0603 - one per process, as the global tracer provider that it belongs to
    _default = store


def _store(store: TraceReader | None) -> TraceReader:
    chosen = store if store is not None else _default
    if chosen is None:
        raise NoStoreError("no trace store: call tollway.tracing.configure(store=...) first, or pass store=")
    return chosen


def get_trace(trace_id: str, *, store: TraceReader | None = None) -> Trace | None:
    """Return a stored trace by its id (32 hex digits), or None. Raises NoStoreError."""
    return _store(store).get(trace_id)


def search_traces(*, store: TraceReader | None = None, **options: Unpack[SearchOptions]) -> list[Trace]:
    """Return stored traces; see `FileStore.search` for the options. Raises NoStoreError."""
    return _store(store).search(**options)
