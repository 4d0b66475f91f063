"""What is said of a trace when it is over: feedback, expectations and tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollway.tracing import log_feedback as log

from ._fluent import get_last_active_trace_id
from ._target import ensure_configured
from ._views import Assessment


def log_feedback(
    *,
    trace_id: str | None = None,
    name: str = "feedback",
    value: Any = None,
    source: Any = None,
    error: BaseException | str | None = None,
    rationale: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    span_id: str | None = None,
) -> Assessment:
    """Say how good a trace is, or a span of it; `source` is an `AssessmentSource`. Without `trace_id` it is
    the trace that was begun last.
    """
    if error is not None:
        metadata = {**(metadata or {}), "error": str(error)}
    return _log(trace_id, name, value, "feedback", source, rationale, metadata, span_id, "code")


def log_expectation(
    *,
    trace_id: str | None = None,
    name: str = "expectation",
    value: Any = None,
    source: Any = None,
    metadata: Mapping[str, Any] | None = None,
    span_id: str | None = None,
) -> Assessment:
    """Say what would have been right."""
    return _log(trace_id, name, value, "expectation", source, None, metadata, span_id, "human")


def set_trace_tag(trace_id: str, key: str, value: str) -> None:
    """Put a tag on a trace that is over."""
    _log(trace_id, key, str(value), "tag", None, None, None, None, "code")


def delete_trace_tag(trace_id: str, key: str) -> None:
    """Take a tag off a trace."""
    _log(trace_id, key, None, "tag", None, None, None, None, "code")


def _log(  # noqa: PLR0913, PLR0917 - what MLflow's functions have in common
    trace_id: str | None,
    name: str,
    value: Any,
    kind: str,
    source: Any,
    explanation: str | None,
    metadata: Mapping[str, Any] | None,
    span_id: str | None,
    default_source: str,
) -> Assessment:
    ensure_configured()
    known = trace_id or get_last_active_trace_id()
    if known is None:
        raise ValueError("no trace_id, and no trace was begun yet: pass trace_id=")
    return Assessment(
        log(
            known.removeprefix("tr-"),
            name,
            value,
            kind=kind,
            explanation=explanation,
            source=getattr(source, "source_id", None),
            source_type=str(getattr(source, "source_type", default_source)).lower(),
            metadata=metadata,
            span_id=span_id,
        )
    )
