"""What a list says of a trace beyond its summary: models, tokens, cost, whose it was."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Any

from tollway.tracing.readers import SpanView, Trace
from tollway.tracing.readers.analysis import cost_usd, tokens_in
from tollway.tracing.readers.query import ENDPOINT_KEYS, MODEL_KEYS, SESSION_KEYS, USER_KEYS
from tollway.tracing.summary import Summary

MAX_SPANS = 1_000
"""Traces with more spans are not opened for a list."""

MAX_CACHED = 5_000
"""Rows that are remembered."""


def row_of(trace: Trace) -> dict[str, Any]:
    """Return what a list shows of a trace; what only its spans know is None where they are too many."""
    summary = trace.summary
    spans = trace.spans if summary.span_count <= MAX_SPANS else ()
    return {
        "trace_id": summary.trace_id,
        "root": summary.root_name,
        "service": summary.service,
        "start_ms": summary.start_ns / 1e6,
        "duration_ms": trace.duration_ms,
        "status": summary.status,
        "spans": summary.span_count,
        "kept_because": summary.kept_because,
        **facts_of(spans),
    }


class RowCache:
    """Rows of traces that were listed lately: turning back reads nothing. For any number of threads."""

    def __init__(self) -> None:
        self._rows: OrderedDict[Summary, dict[str, Any]] = OrderedDict()
        self._lock = Lock()

    def row(self, trace: Trace) -> dict[str, Any]:
        """Return the row of a trace."""
        with self._lock:
            row = self._rows.get(trace.summary)
        if row is None:
            row = row_of(trace)
            with self._lock:
                self._rows[trace.summary] = row
                if len(self._rows) > MAX_CACHED:
                    self._rows.popitem(last=False)
        return row

    def known(self) -> list[dict[str, Any]]:
        """Return the rows that are at hand."""
        with self._lock:
            return list(self._rows.values())


def facts_of(spans: Iterable[SpanView]) -> dict[str, Any]:
    """Return what spans say of their trace; None where none of them says it."""
    spans = tuple(spans)
    tokens = tokens_in(spans)
    return {
        "errors": sum(span.status == "ERROR" for span in spans) if spans else None,
        "endpoint": _first(spans, *ENDPOINT_KEYS),
        "model": _first(spans, *MODEL_KEYS),
        "input_tokens": tokens and tokens["input"],
        "output_tokens": tokens and tokens["output"],
        "cost_usd": cost_usd(spans),
        "session": _first(spans, *SESSION_KEYS),
        "user": _first(spans, *USER_KEYS),
    }


def model_of(attributes: Mapping[str, Any]) -> str | None:
    """Return the model that answered, or the one that was asked for."""
    found = next((attributes[key] for key in MODEL_KEYS if attributes.get(key)), None)
    return None if found is None else str(found)


def _first(spans: Iterable[SpanView], *keys: str) -> str | None:
    found = (span.attributes.get(key) for span in spans for key in keys)
    return next((str(value) for value in found if value), None)
