"""MLflow's paths, whose requests are OpenAI's: the path names the destination, its type the API."""

from __future__ import annotations

from .shapes import ErrorShape, mlflow_shape

_PREFIXES = ("/endpoints/", "/gateway/")

_INVOCATIONS = "/invocations"

SHAPE: ErrorShape = mlflow_shape
"""How errors look on these paths."""


def paths_of(name: str) -> list[tuple[str, str]]:
    """Return every path of a destination, with its template (`http.route`)."""
    return [(f"{prefix}{name}{_INVOCATIONS}", _template(prefix)) for prefix in _PREFIXES]


def name_in(path: str) -> tuple[str, str] | None:
    """Return the name that a path is made for, and its template; None for other paths."""
    for prefix in _PREFIXES:
        if path.startswith(prefix) and path.endswith(_INVOCATIONS):
            return path[len(prefix) : -len(_INVOCATIONS)], _template(prefix)
    return None


def documented_path(name: str) -> str:
    """Return the path that the documentation tells."""
    return f"/endpoints/{name}{_INVOCATIONS}"


def _template(prefix: str) -> str:
    return f"{prefix}{{name}}{_INVOCATIONS}"
