"""What endpoints and routes may be called."""

from __future__ import annotations

import pytest

from .conftest import ENDPOINT, GOOD

ROUTE = "  - {name: r, task_type: llm/v1/chat, destinations: [{name: chat, traffic_percentage: 100}]%s}\n"


def with_route(more: str) -> str:
    return f"{GOOD}routes:\n{ROUTE % more}"


@pytest.mark.parametrize("name", ["openai/gpt-4o", "llama3:8b", "@cf/meta/llama", "a+b", "a/b/c.d"])
def test_names_of_models_are_names(loaded, name: str):
    (endpoint,) = loaded(f"endpoints:\n{ENDPOINT.replace('name: chat', f'name: {name!r}')}").endpoints
    assert name == endpoint.name


@pytest.mark.parametrize("name", ["/a", "a/", "a//b", "a/../b", ".", "a b", "a?b", "a#b", "a*", "ü"])
def test_what_is_no_name(problem, name: str):
    found = problem(f"endpoints:\n{ENDPOINT.replace('name: chat', f'name: {name!r}')}")
    assert "endpoints[0].name" == found.key


def test_further_names_of_a_route(loaded):
    assert ("*", "gpt-*") == loaded(with_route(", model: ['*', 'gpt-*']")).routes[0].models
    assert ("openai/*",) == loaded(with_route(", model: openai/*")).routes[0].models
    assert () == loaded(with_route("")).routes[0].models


def test_name_of_a_route_may_be_a_pattern(loaded):
    assert "gpt-*" == loaded(with_route("").replace("name: r", "name: gpt-*")).routes[0].name


@pytest.mark.parametrize(
    ("model", "said"),
    [("'a*b*'", "invalid pattern"), ("chat", "is a name of its own"), ("'a b'", "invalid name")],
)
def test_what_no_route_can_stand_for(problem, model: str, said: str):
    assert said in problem(with_route(f", model: {model}")).message


def test_two_routes_for_one_pattern(problem):
    """Nobody could tell which of them a caller means."""
    second = (ROUTE % ", model: '*'").replace("name: r", "name: s")
    assert "stands for the route 'r' already" in problem(with_route(", model: '*'") + second).message
