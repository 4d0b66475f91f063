"""The path table: every path of the pipeline, and what a request on it can reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from tollway.gateway.apis import API, APIS, ErrorShape, api_of, mlflow
from tollway.provider import Task

from .authenticate import Caller
from .plan import Destination


@dataclass(frozen=True, slots=True)
class HTTPRoute:
    """One path: its template (`http.route`), its API and how errors look there, and what it can reach.

    Either the path itself names its `destination`, or the payload's `model` names one of `destinations`.
    `missing` is set when the path names nothing: it returns what a caller is told.
    """

    template: str
    api: API
    shape: ErrorShape
    destination: Destination | None = None
    destinations: Mapping[str, Destination] = field(default_factory=dict)
    missing: Callable[[Caller], str] | None = None


class HTTPRoutes(dict[str, HTTPRoute | None]):
    """Routes by path: a look-up without a call for every path that serves; None for paths of nobody here."""

    def __init__(self, destinations: Mapping[str, Destination]) -> None:
        super().__init__(_routes(destinations))
        self._names = sorted(destinations)

    def __missing__(self, path: str) -> HTTPRoute | None:
        """Return a route that tells what there is, where only the name of an MLflow path is unknown."""
        found = mlflow.name_in(path)
        if found is None:
            return None
        name, template = found
        return HTTPRoute(template, api_of(Task.CHAT), mlflow.SHAPE, missing=partial(self._missing, name))

    def _missing(self, name: str, caller: Caller) -> str:
        names = ", ".join(one for one in self._names if caller.may_use(one)) or "none"
        return f"no endpoint or route named {name[:100]!r}; there are: {names}"


def _routes(destinations: Mapping[str, Destination]) -> Iterator[tuple[str, HTTPRoute]]:
    for api in APIS:
        for path in api.paths:
            yield path, HTTPRoute(path, api, api.shape, destinations=destinations)
    for name, destination in destinations.items():
        for path, template in mlflow.paths_of(name):
            yield path, HTTPRoute(template, api_of(destination.task), mlflow.SHAPE, destination)
