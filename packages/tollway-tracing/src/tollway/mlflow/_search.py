"""`get_trace` and `search_traces` on the store that is configured."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TypedDict

from tollway.tracing import flush
from tollway.tracing import get_trace as get_stored
from tollway.tracing import search_traces as search_stored

from ._filter import Condition, FilterError, parse
from ._target import ensure_configured
from ._views import Trace

_ORDERS = {
    "timestamp_ms": lambda trace: trace.info.request_time,
    "timestamp": lambda trace: trace.info.request_time,
    "execution_time_ms": lambda trace: trace.stored.duration_ms,
    "execution_time": lambda trace: trace.stored.duration_ms,
    "status": lambda trace: trace.info.state,
    "name": lambda trace: trace.stored.root_name or "",
    "request_id": lambda trace: trace.info.trace_id,
}


def get_trace(trace_id: str, silent: bool = False) -> Trace | None:
    """Return a stored trace by its id; None where there is none. What has ended is written first."""
    ensure_configured()
    flush()
    found = get_stored(trace_id.removeprefix("tr-"))
    return None if found is None else Trace(found)


class Ignored(TypedDict, total=False):
    """Arguments of MLflow's that say where its own server has traces."""

    experiment_ids: Sequence[str] | None
    locations: Sequence[str] | None
    run_id: str | None
    model_id: str | None
    sql_warehouse_id: str | None
    include_spans: bool
    extract_fields: Sequence[str] | None
    flush: bool


def search_traces(
    filter_string: str | None = None,
    *,
    max_results: int | None = 100,
    order_by: Sequence[str] | None = None,
    return_type: Literal["list", "pandas"] | None = None,
    **ignored: Any,
) -> Any:
    """Return stored traces that a filter admits, the newest first.

    filter_string: `trace.status = 'ERROR' AND span.name LIKE 'search%' AND feedback.helpful = 'true'`.
    order_by: `timestamp_ms DESC`, `execution_time_ms ASC` ... return_type: `list`, or `pandas` for a
    DataFrame, which is also what is returned where pandas is installed, as MLflow does. Raises FilterError.
    """
    unknown = ignored.keys() - Ignored.__annotations__.keys()
    if unknown:
        raise TypeError(f"search_traces has no argument {sorted(unknown)[0]!r}")
    ensure_configured()
    flush()
    conditions = parse(filter_string)
    limit = sys.maxsize if max_results is None else max_results
    keys = [_order(one) for one in order_by or ()]
    candidates = (Trace(found) for found in search_stored(limit=sys.maxsize, **_by_summary(conditions)))
    matching = (trace for trace in candidates if all(one.holds(trace) for one in conditions))
    found = _first(matching, limit) if not keys else _ordered(list(matching), keys)[:limit]
    return found if return_type == "list" or (return_type is None and not _has_pandas()) else _frame(found)


def _by_summary(conditions: Sequence[Condition]) -> dict[str, Any]:
    """Return what of a filter the store's indexes answer: so most traces are not opened."""
    found: dict[str, Any] = {}
    for one in conditions:
        if one.scope == "trace" and one.field == "status" and one.comparator == "=":
            if one.wanted in ("OK", "ERROR"):
                found["status"] = one.wanted
        elif (
            one.scope == "trace"
            and one.field.startswith("timestamp")
            and isinstance(one.wanted, (int, float))
        ):
            moment = datetime.fromtimestamp(one.wanted / 1000, UTC)
            if one.comparator in (">", ">="):
                found["since"] = moment
        elif (
            one.scope == "trace" and one.field.startswith("execution_time") and one.comparator in (">", ">=")
        ):
            found["min_duration_ms"] = one.wanted
    return found


def _first(traces: Iterable[Trace], limit: int) -> list[Trace]:
    found: list[Trace] = []
    for trace in traces:
        if len(found) >= limit:
            break
        found.append(trace)
    return found


def _order(text: str) -> tuple[Any, bool]:
    name, _, direction = text.strip().partition(" ")
    key = _ORDERS.get(name.removeprefix("trace.").removeprefix("attributes.").lower())
    direction = direction.strip().upper() or "ASC"
    if key is None or direction not in ("ASC", "DESC"):
        raise FilterError(f"cannot order by {text!r}: use {', '.join(_ORDERS)} with ASC or DESC")
    return key, direction == "DESC"


def _ordered(traces: list[Trace], keys: Sequence[tuple[Any, bool]]) -> list[Trace]:
    for key, descending in reversed(keys):
        traces.sort(key=key, reverse=descending)
    return traces


def _has_pandas() -> bool:
    from importlib.util import find_spec

    return find_spec("pandas") is not None


def _frame(traces: list[Trace]) -> Any:
    try:
        import pandas
    except ImportError:
        raise ImportError("return_type='pandas' needs pandas: pip install pandas (or use 'list')") from None
    rows = [{**trace.to_dict(), "trace": trace, "assessments": trace.info.assessments} for trace in traces]
    return pandas.DataFrame(rows)
