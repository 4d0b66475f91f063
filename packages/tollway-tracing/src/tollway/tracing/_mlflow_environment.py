"""MLflow's variables as settings of ours, where nothing else says so.

https://mlflow.org/docs/latest/genai/tracing/
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

_logger = logging.getLogger(__name__)

EXPERIMENT_HEADER = "x-mlflow-experiment-id"
"""https://mlflow.org/docs/latest/genai/tracing/opentelemetry/ingest/"""

_WITHOUT_EFFECT = ("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "MLFLOW_USE_DEFAULT_TRACER_PROVIDER")
"""Traces are always written beside the program; the provider is ours."""

_READ = (
    "MLFLOW_TRACE_SAMPLING_RATIO",
    "MLFLOW_TRACE_TIMEOUT_SECONDS",
    "MLFLOW_TRACKING_URI",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_EXPERIMENT_NAME",
)


def read_mlflow(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that MLflow's variables mean, as arguments of `configure`.

    One line of the log lists those that were set.
    """
    given = [name for name in _READ if environ.get(name)]
    without_effect = [name for name in _WITHOUT_EFFECT if environ.get(name)]
    if not given and not without_effect:
        return {}
    rest = f" ({', '.join(without_effect)}: no effect here)" if without_effect else ""
    _logger.info("MLflow's settings read from the environment: %s%s", ", ".join(given) or "none", rest)
    found: dict[str, Any] = {}
    if (ratio := _number(environ, "MLFLOW_TRACE_SAMPLING_RATIO", 1)) is not None:
        found["sampling_rate"] = ratio
    if (timeout_s := _number(environ, "MLFLOW_TRACE_TIMEOUT_SECONDS", math.inf)) is not None:
        found["slow_threshold_ms"] = timeout_s * 1000
    if uri := environ.get("MLFLOW_TRACKING_URI"):
        found |= target_of(uri, environ.get("MLFLOW_EXPERIMENT_ID"), environ.get("MLFLOW_EXPERIMENT_NAME"))
    return found


def target_of(uri: str, experiment_id: str | None, experiment_name: str | None) -> dict[str, Any]:
    """Return where traces go by MLflow's tracking URI: by OTLP to a server, else into a folder."""
    if uri.startswith(("http://", "https://")):
        if experiment_id is None and experiment_name is not None:
            from ._mlflow_experiments import experiment_of  # `urllib.request` is for those only who need it

            experiment_id = experiment_of(uri, experiment_name)
        return {"otlp": uri, "otlp_headers": {EXPERIMENT_HEADER: experiment_id or "0"}}
    parts = urlsplit(uri)
    if parts.scheme == "file" or len(parts.scheme) <= 1:
        return {"store": (parts.netloc + parts.path) if parts.scheme == "file" else uri}
    _logger.warning(
        "MLflow's tracking URI has the scheme %s: use http(s):// or a path; ignored", parts.scheme
    )
    return {}


def _number(environ: Mapping[str, str], name: str, most: float) -> float | None:
    text = environ.get(name)
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= most:
        _logger.warning("%s is %r, which is not a number from 0 to %g: ignored", name, text, most)
        return None
    return number
