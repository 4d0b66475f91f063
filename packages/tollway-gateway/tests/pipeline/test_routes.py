"""The path table: which paths are the pipeline's, and what a request on each can reach."""

from __future__ import annotations

import pytest

from tollway.gateway.apis import mlflow_shape, openai_shape
from tollway.gateway.pipeline.authenticate import ANONYMOUS
from tollway.gateway.pipeline.routes import HTTPRoutes
from tollway.provider import Task


class Named:
    """Stands for an endpoint."""

    by_conversation = False
    models = ()
    task = Task.CHAT

    def __init__(self, name: str) -> None:
        self.name = name


CHAT = Named("chat")


@pytest.fixture
def routes() -> HTTPRoutes:
    return HTTPRoutes({"chat": CHAT})  # type: ignore[dict-item]  # a stand-in


@pytest.mark.parametrize("prefix", ["/endpoints/", "/gateway/"])
def test_an_mlflow_path_names_its_destination(routes: HTTPRoutes, prefix: str):
    """Spans and metrics have its template, which does not grow with the names."""
    route = routes[f"{prefix}chat/invocations"]
    assert route is not None
    assert (CHAT, mlflow_shape, None) == (route.destination, route.shape, route.missing)
    assert f"{prefix}{{name}}/invocations" == route.template


def test_an_openai_path_leaves_the_destination_to_the_payload(routes: HTTPRoutes):
    route = routes["/v1/chat/completions"]
    assert route is not None
    assert (None, Task.CHAT, openai_shape) == (route.destination, route.api.task, route.shape)
    assert {"chat": CHAT} == route.destinations


def test_an_unknown_name_is_told_what_there_is(routes: HTTPRoutes):
    route = routes["/gateway/chot/invocations"]
    assert route is not None
    assert route.missing is not None
    assert "no endpoint or route named 'chot'; there are: chat" == route.missing(ANONYMOUS)
    assert "/gateway/{name}/invocations" == route.template


@pytest.mark.parametrize("path", ["/", "/docs", "/v1/models", "/endpoints/chat", "/v1/chat/"])
def test_other_paths_are_of_nobody_here(routes: HTTPRoutes, path: str):
    assert routes[path] is None


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/gateway/chat/invocations"])
def test_slashes_at_the_end_do_not_matter(routes: HTTPRoutes, path: str):
    assert routes[path] is routes[f"{path}/"] is routes[f"{path}{'/' * 60_000}"]


def test_unknown_paths_leave_nothing_behind(routes: HTTPRoutes):
    """Whatever callers ask for, the table does not grow."""
    before = len(routes)
    for number in range(100):
        assert routes[f"/gateway/{number}/invocations"] is not None
    assert before == len(routes)
