"""The path table: every path of the pipeline, and what a request on it can reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from tollway.provider import Task

from .authenticate import Caller
from .errors import Shape, mlflow_shape, openai_shape
from .plan import Destination

_OPENAI_PATHS = {
    "/v1/chat/completions": Task.CHAT,
    "/v1/completions": Task.COMPLETIONS,
    "/v1/embeddings": Task.EMBEDDINGS,
}

_MLFLOW_PREFIXES = ("/endpoints/", "/gateway/")

_INVOCATIONS = "/invocations"


@dataclass(frozen=True, slots=True)
class HTTPRoute:
    """One path: its template (`http.route`), how its errors look, and what a request on it can reach.

    Either the path itself names its `destination`, or the payload's `model` names one of `destinations` that
    serves the `task`. `missing` is set when the path names nothing: it returns what a caller is told.
    """

    template: str
    shape: Shape
    destination: Destination | None = None
    task: Task | None = None
    destinations: Mapping[str, Destination] | None = None
    missing: Callable[[Caller], str] | None = None


class HTTPRoutes(dict[str, HTTPRoute | None]):
    """Routes by path: a look-up without a call for every path that serves; None for paths of nobody here."""

    def __init__(self, destinations: Mapping[str, Destination]) -> None:
        super().__init__(_routes(destinations))
        self._names = sorted(destinations)

    def __missing__(self, path: str) -> HTTPRoute | None:
        """Return a route that tells what there is, where only the name of an MLflow path is unknown."""
        for prefix in _MLFLOW_PREFIXES:
            if path.startswith(prefix) and path.endswith(_INVOCATIONS):
                name = path[len(prefix) : -len(_INVOCATIONS)]
                return HTTPRoute(_template(prefix), mlflow_shape, missing=partial(self._missing, name))
        return None

    def _missing(self, name: str, caller: Caller) -> str:
        names = ", ".join(one for one in self._names if caller.may_use(one)) or "none"
        return f"no endpoint or route named {name[:100]!r}; there are: {names}"


def _routes(destinations: Mapping[str, Destination]) -> Iterator[tuple[str, HTTPRoute]]:
    for path, task in _OPENAI_PATHS.items():
        yield path, HTTPRoute(path, openai_shape, task=task, destinations=destinations)
    for prefix in _MLFLOW_PREFIXES:
        for name, destination in destinations.items():
            yield f"{prefix}{name}{_INVOCATIONS}", HTTPRoute(_template(prefix), mlflow_shape, destination)


def _template(prefix: str) -> str:
    return f"{prefix}{{name}}{_INVOCATIONS}"
