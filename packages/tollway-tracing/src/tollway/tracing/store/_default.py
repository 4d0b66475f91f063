"""The store that `configure` chose, for readers that name none."""

from typing import Unpack

from tollway.tracing.readers import Progress, SearchOptions, Trace, TraceReader

_default: TraceReader | None = None


class NoStoreError(RuntimeError):
    """No store was configured, and none was given."""


def set_default(store: TraceReader | None) -> None:
    """Set the store that `get_trace` and `search_traces` read."""
    global _default  # noqa: PLW0603 - one per process, as the global tracer provider that it belongs to
    _default = store


def default_store() -> TraceReader | None:
    """Return the store that `configure` chose."""
    return _default


def _store(store: TraceReader | None) -> TraceReader:
    chosen = store if store is not None else _default
    if chosen is None:
        raise NoStoreError("no trace store: call tollway.tracing.configure(store=...) first, or pass store=")
    return chosen


def get_trace(trace_id: str, *, store: TraceReader | None = None) -> Trace | None:
    """Return a stored trace by its id (32 hex digits), or None. Raises NoStoreError."""
    return _store(store).get(trace_id)


def search_traces(
    *, store: TraceReader | None = None, progress: Progress | None = None, **options: Unpack[SearchOptions]
) -> list[Trace]:
    """Return stored traces; `SearchOptions` says what can be given. Raises NoStoreError, and ValueError."""
    return _store(store).search(progress=progress, **options)
