"""The path table: every path of the pipeline, and what a request on it can reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from tollway.gateway.apis import API, APIS, ErrorShape, api_of, mlflow, openai_shape
from tollway.gateway.apis.openai_responses import RESPONSES
from tollway.gateway.apis.passthrough import BY_MODEL, BY_NAME, PASSTHROUGH, RawForm
from tollway.provider import Task

from .authenticate import Caller
from .plan import Destination
from .stored import StoredResponses

Patterns = tuple[tuple[str, str, Destination], ...]
"""What models begin and end with, and what they stand for then; the most particular first."""


@dataclass(frozen=True, slots=True)
class HTTPRoute:
    """One path: its template (`http.route`), its API and how errors look there, and what it can reach.

    Either the path itself names its `destination`, or the payload's `model` names one of `destinations`, or
    fits one of the `patterns`.
    `missing` is set when the path names nothing: it returns what a caller is told.
    """

    template: str
    api: API
    shape: ErrorShape
    destination: Destination | None = None
    destinations: Mapping[str, Destination] = field(default_factory=dict)
    patterns: Patterns = ()
    missing: Callable[[Caller], str] | None = None
    raw: RawForm | None = None
    """How it names an endpoint of any type, to whose service requests pass raw; None where they do not."""

    stored: StoredResponses | None = None
    """What answers by itself; no model is asked."""

    deepest: int = 0
    """The most slashes that a name in its path has."""


class HTTPRoutes(dict[str, HTTPRoute | None]):
    """Routes by path: a look-up without a call for every path that serves; None for paths of nobody here."""

    def __init__(
        self, destinations: Mapping[str, Destination], stored: StoredResponses | None = None
    ) -> None:
        super().__init__(_routes(destinations))
        self._stored = stored
        self._names = sorted(destinations)
        self._raw = {start: _raw_route(form, destinations) for start, form in BY_NAME.items()}

    def __missing__(self, path: str) -> HTTPRoute | None:
        """Return the route of a path with slashes at its end, as that of the one without.

        Where only the name of an MLflow path is unknown, one that tells what there is.
        """
        for start, route in self._raw.items():
            if path.startswith(start):
                return route
        if path.endswith("/"):
            return self[path.rstrip("/")]
        if (of_stored := StoredResponses.template(path)) is not None:
            return HTTPRoute(of_stored, RESPONSES, RESPONSES.shape, stored=self._stored)
        found = mlflow.name_in(path)
        if found is None:
            return None
        name, template = found
        return HTTPRoute(template, api_of(Task.CHAT), mlflow.SHAPE, missing=partial(self._missing, name))

    def _missing(self, name: str, caller: Caller) -> str:
        names = ", ".join(one for one in self._names if caller.may_use(one)) or "none"
        return f"no endpoint or route named {name[:100]!r}; there are: {names}"


def matching(patterns: Patterns, model: str, task: Task) -> Destination | None:
    """Return what a model stands for by a pattern; None for nothing that does the task."""
    for start, end, destination in patterns:
        if (
            destination.task is task
            and len(model) >= len(start) + len(end)
            and model.startswith(start)
            and model.endswith(end)
        ):
            return destination
    return None


def _raw_route(form: RawForm, destinations: Mapping[str, Destination]) -> HTTPRoute:
    deepest = max((name.count("/") for name in destinations), default=0)
    return HTTPRoute(
        form.template, PASSTHROUGH, form.shape, destinations=destinations, raw=form, deepest=deepest
    )


def _patterns(destinations: Mapping[str, Destination]) -> Patterns:
    """Split the patterns of all routes at their `*`; the ones with more letters go first."""
    found = [
        (start, end, destination)
        for destination in destinations.values()
        for model in destination.models
        if "*" in model
        for start, _, end in [model.partition("*")]
    ]
    return tuple(sorted(found, key=lambda one: -len(one[0]) - len(one[1])))


def _routes(destinations: Mapping[str, Destination]) -> Iterator[tuple[str, HTTPRoute]]:
    patterns = _patterns(destinations)
    for api in APIS:
        fitting = [one for one in destinations.values() if one.task is api.task]
        by_model = {model: one for one in fitting for model in one.models if "*" not in model}
        by_model.update(destinations)
        for path in api.paths:
            yield path, HTTPRoute(path, api, api.shape, destinations=by_model, patterns=patterns)
            for other in mlflow.paths_by_model(path):
                shape = mlflow.SHAPE if api.shape is openai_shape else api.shape
                yield other, HTTPRoute(other, api, shape, destinations=by_model, patterns=patterns)
    for path, form in BY_MODEL.items():
        yield path, _raw_route(form, destinations)
    for name, destination in destinations.items():
        for path, template in mlflow.paths_of(name):
            api = mlflow.OWN.get(destination.task) or api_of(destination.task)
            yield path, HTTPRoute(template, api, mlflow.SHAPE, destination)
