"""The experiments of an MLflow server, by its REST API."""

from __future__ import annotations

import json
import logging
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

_logger = logging.getLogger(__name__)

TIMEOUT_S = 3.0
"""What a program may have to wait for at its start."""


def experiment_of(uri: str, name: str) -> str | None:
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
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers)  # noqa: S310 - http or https: `target_of` looks
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - the same
        return json.load(answer)
