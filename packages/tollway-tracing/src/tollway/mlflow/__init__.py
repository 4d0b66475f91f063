"""MLflow's tracing API on OpenTelemetry: `import tollway.mlflow as mlflow` in place of `import mlflow`.

A program that traces with MLflow runs unchanged, without MLflow being installed. What is not about tracing is
not here; asking for it says what to use.
https://mlflow.org/docs/latest/api_reference/python_api/mlflow.html
"""

from typing import Any

from . import entities, tracing
from ._assess import delete_trace_tag, log_expectation, log_feedback, set_trace_tag
from ._fluent import (
    get_active_trace_id,
    get_current_active_span,
    get_last_active_trace_id,
    start_span,
    start_span_no_context,
    trace,
    update_current_trace,
)
from ._hints import hint_for
from ._search import get_trace, search_traces
from ._target import (
    flush_trace_async_logging,
    get_tracking_uri,
    set_experiment,
    set_tracking_uri,
)

__all__ = [
    "delete_trace_tag",
    "entities",
    "flush_trace_async_logging",
    "get_active_trace_id",
    "get_current_active_span",
    "get_last_active_trace_id",
    "get_trace",
    "get_tracking_uri",
    "log_expectation",
    "log_feedback",
    "search_traces",
    "set_experiment",
    "set_trace_tag",
    "set_tracking_uri",
    "start_span",
    "start_span_no_context",
    "trace",
    "tracing",
    "update_current_trace",
]


def __getattr__(name: str) -> Any:
    raise AttributeError(f"tollway.mlflow has no {name!r}: {hint_for(name, __all__)}")
