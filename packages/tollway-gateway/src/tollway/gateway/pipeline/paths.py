"""The path table: every path of the data plane, and what a request on it can reach."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from tollway.provider import Task

from .errors import RequestRejected, Shape, mlflow_shape, openai_shape
from .plan import Destination, named
from .request import model_of

_POST_ONLY = b"allow: POST\r\n"

_OPENAI_PATHS = {
    "/v1/chat/completions": Task.CHAT,
    "/v1/completions": Task.COMPLETIONS,
    "/v1/embeddings": Task.EMBEDDINGS,
}

_MLFLOW_PREFIXES = ("/endpoints/", "/gateway/")

_INVOCATIONS = "/invocations"


@dataclass(frozen=True, slots=True)
class Entrance:
    """One path: its template (`http.route`), how its errors look, and how a payload names its destination.

    `missing` is set when the path names nothing: what the caller is told.
    """

    route: str
    shape: Shape
    find: Callable[[Mapping[str, Any]], Destination]
    missing: str | None = None

    def check(self, scope: MutableMapping[str, Any]) -> None:
        """Refuse what can be refused before the body is read."""
        if scope["method"] != "POST":
            raise RequestRejected(405, "method_not_allowed", "use POST", header_lines=_POST_ONLY)
        if self.missing is not None:
            raise RequestRejected(404, "endpoint_not_found", self.missing)


class Paths:
    """Finds the entrance of a path: one look-up for every path that serves."""

    def __init__(self, destinations: Mapping[str, Destination]) -> None:
        self._names = sorted(destinations)
        self._entrances = dict(_entrances(destinations))

    def find(self, path: str) -> Entrance | None:
        """Return the entrance, or None when the path is not the data plane's."""
        return self._entrances.get(path) or self._missing(path)

    def _missing(self, path: str) -> Entrance | None:
        for prefix in _MLFLOW_PREFIXES:
            if path.startswith(prefix) and path.endswith(_INVOCATIONS):
                name = path[len(prefix) : -len(_INVOCATIONS)]
                message = f"no endpoint or route named {name[:100]!r}; there are: {', '.join(self._names)}"
                return Entrance(_route(prefix), mlflow_shape, _nowhere, message)
        return None


def _entrances(destinations: Mapping[str, Destination]) -> Iterable[tuple[str, Entrance]]:
    for path, task in _OPENAI_PATHS.items():
        yield path, Entrance(path, openai_shape, partial(_by_model, task, destinations))
    for prefix in _MLFLOW_PREFIXES:
        for name, destination in destinations.items():
            always = partial(_always, destination)
            yield f"{prefix}{name}{_INVOCATIONS}", Entrance(_route(prefix), mlflow_shape, always)


def _route(prefix: str) -> str:
    return f"{prefix}{{name}}{_INVOCATIONS}"


def _by_model(task: Task, destinations: Mapping[str, Destination], payload: Mapping[str, Any]) -> Destination:
    return named(model_of(payload), task, destinations)


def _always(destination: Destination, _: Mapping[str, Any]) -> Destination:
    return destination


def _nowhere(_: Mapping[str, Any]) -> Destination:
    raise AssertionError("an entrance that leads nowhere refuses before it is asked")
