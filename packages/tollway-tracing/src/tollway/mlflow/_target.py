"""Where traces go: MLflow's variables and calls, as settings of `tollway.tracing.configure`."""

from __future__ import annotations

import json
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from opentelemetry import trace as otel

from tollway import tracing

_logger = logging.getLogger(__name__)

EXPERIMENT_HEADER = "x-mlflow-experiment-id"
"""https://mlflow.org/docs/latest/genai/tracing/opentelemetry/ingest/"""

DEFAULT_STORE = "traces"

_TIMEOUT_S = 10.0


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
    if experiment_id is None and experiment_name is not None and _is_http(get_tracking_uri()):
        experiment_id = _experiment_of(get_tracking_uri(), experiment_name)
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
    if _is_http(uri):
        experiment = _target.experiment_id or environ.get("MLFLOW_EXPERIMENT_ID")
        if experiment is None and (name := environ.get("MLFLOW_EXPERIMENT_NAME")):
            experiment = _experiment_of(uri, name)
        return {
            "otlp": uri,
            "otlp_headers": {EXPERIMENT_HEADER: experiment or "0"},
            "store": environ.get("TOLLWAY_STORE") or DEFAULT_STORE,
        }
    parts = urlsplit(uri)
    return {"store": (parts.netloc + parts.path if parts.scheme == "file" else uri) or DEFAULT_STORE}


def _is_http(uri: str) -> bool:
    return uri.startswith(("http://", "https://"))


def _experiment_of(uri: str, name: str) -> str | None:
    """Return the id of an experiment by its name, made where there is none; None where the server is away."""
    api = f"{uri.rstrip('/')}/api/2.0/mlflow/experiments"
    try:
        try:
            answer = _call(f"{api}/get-by-name?experiment_name={quote(name)}")
            return str(answer["experiment"]["experiment_id"])
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
        return str(_call(f"{api}/create", {"name": name})["experiment_id"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        _logger.warning(
            "cannot ask %s for the experiment %r: %s; traces go to the default one", uri, name, error
        )
        return None


def _call(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310 - `_is_http`
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - the same
        return json.load(answer)
