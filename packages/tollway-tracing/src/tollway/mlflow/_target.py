"""Where traces go: MLflow's variables and calls, as settings of `tollway.tracing.configure`."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry import trace as otel

from tollway import tracing
from tollway.tracing._mlflow_environment import target_of
from tollway.tracing._mlflow_experiments import experiment_of

_logger = logging.getLogger(__name__)

DEFAULT_STORE = "traces"


@dataclass
class _Target:
    uri: str | None = None
    experiment_id: str | None = None
    ratio: float | None = None
    is_ours: bool = False
    """Whether this module has configured tracing, and may do so again."""


_target = _Target()


def set_tracking_uri(uri: str | os.PathLike[str]) -> None:
    """Send traces there: to an MLflow server or any OTLP receiver by its http(s) URL, or into a folder."""
    _target.uri = os.fspath(uri)
    _apply()


def get_tracking_uri() -> str:
    """Return where traces go."""
    return _target.uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_STORE


def set_experiment(experiment_name: str | None = None, experiment_id: str | None = None) -> str | None:
    """Trace into an experiment of the tracking server, which makes it where there is none; return its id."""
    if experiment_id is None and experiment_name is not None and get_tracking_uri().startswith("http"):
        experiment_id = experiment_of(get_tracking_uri(), experiment_name)
    _target.experiment_id = experiment_id
    _apply()
    return experiment_id


def set_destination(destination: Any) -> None:
    """Trace into the experiment that a destination of MLflow's names."""
    set_experiment(experiment_id=getattr(destination, "experiment_id", None))


def set_ratio(ratio: float) -> None:
    """Keep this ratio of traces, 0 to 1, beside those that failed."""
    _target.ratio = ratio
    _apply()


def flush_trace_async_logging(terminate: bool = False) -> None:
    """Write and send what has ended."""
    tracing.flush()


def ensure_configured() -> None:
    """Configure tracing by the environment, where nobody has done it yet."""
    if isinstance(otel.get_tracer_provider(), otel.ProxyTracerProvider):
        _apply()


def _apply() -> None:
    known = isinstance(otel.get_tracer_provider(), otel.ProxyTracerProvider)
    if not (known or _target.is_ours or isinstance(otel.get_tracer_provider(), tracing.TracerProvider)):
        _logger.warning("another TracerProvider is set: where its traces go stays as it is")
        return
    _target.is_ours = True
    tracing.configure(**_settings(get_tracking_uri(), os.environ), sampling_rate=_target.ratio)


def _settings(uri: str, environ: Mapping[str, str]) -> dict[str, Any]:
    known = _target.experiment_id or environ.get("MLFLOW_EXPERIMENT_ID")
    found = target_of(uri, known, environ.get("MLFLOW_EXPERIMENT_NAME"))
    return {"store": environ.get("TOLLWAY_STORE") or DEFAULT_STORE, **found}
