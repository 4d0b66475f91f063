"""Routes of every strategy; a split with its percentages is in `test_load.py`."""

from __future__ import annotations

import pytest

from .conftest import ENDPOINT, GOOD

HEAD = GOOD + ENDPOINT.replace("name: chat", "name: backup") + "routes:\n"
BARE = "[{name: chat}, {name: backup}]"


def route(strategy: str, destinations: str = BARE, more: str = "") -> str:
    return (
        f"{HEAD}  - {{name: r, task_type: llm/v1/chat, destinations: {destinations},"
        f" routing_strategy: {strategy}{more}}}\n"
    )


@pytest.mark.parametrize("strategy", ["FALLBACK", "LEAST_BUSY", "LATENCY", "STICKY", "sticky"])
def test_only_a_split_needs_percentages(loaded, strategy: str) -> None:
    (one,) = loaded(route(strategy)).routes

    assert strategy.upper() == one.routing_strategy
    assert [("chat", None), ("backup", None)] == [(d.name, d.traffic_percentage) for d in one.destinations]


def test_elsewhere_percentages_are_weights(loaded) -> None:
    weighted = "[{name: chat, traffic_percentage: 3}, {name: backup, traffic_percentage: 1}]"
    (one,) = loaded(route("LEAST_BUSY", weighted)).routes

    assert [3, 1] == [d.traffic_percentage for d in one.destinations]


def test_a_sticky_route_says_what_it_goes_by(loaded) -> None:
    (one,) = loaded(route("STICKY", more=", sticky: {header: X-Tenant, ttl: 10m}")).routes

    assert ("x-tenant", 600) == (one.sticky.header, one.sticky.ttl_s)


@pytest.mark.parametrize(
    ("text", "key", "said", "hint"),
    [
        (
            route("TRAFFIC_SPLIT", "[{name: chat, traffic_percentage: 100}, {name: backup}]"),
            "routes[0].destinations[1]",
            "'traffic_percentage' is missing",
            "add traffic_percentage",
        ),
        (
            route("LATENCY", "[{name: chat, traffic_percentage: 100}, {name: backup}]"),
            "routes[0].destinations",
            "some destinations have no traffic_percentage",
            "all of them one, or none",
        ),
        (
            route("LATENCY", "[{name: chat, traffic_percentage: 0}]"),
            "routes[0].destinations",
            "of all destinations is 0",
            "larger",
        ),
        (route("RANDOM"), "routes[0].routing_strategy", "is not one of TRAFFIC_SPLIT, FALLBACK", ""),
        (route("FALBACK"), "routes[0].routing_strategy", "is not one of", "did you mean 'FALLBACK'?"),
        (
            route("LATENCY", more=", sticky: {ttl: 1m}"),
            "routes[0].sticky",
            "the routing_strategy is LATENCY",
            "write routing_strategy: STICKY",
        ),
        (
            route("STICKY", more=", sticky: {header: 'X Y'}"),
            "routes[0].sticky.header",
            "is not the name of a header",
            "X-Session-Id",
        ),
        (route("STICKY", more=", sticky: {ttl: 0}"), "routes[0].sticky.ttl", "longer than", ""),
        (route("FALLBACK", "[{name: chat}, {name: chat}]"), "routes[0].destinations", "named twice", ""),
        (route("FALLBACK", "[{name: chatt}]"), "routes[0].destinations[0].name", "no endpoint", "'chat'?"),
        (route("FALLBACK", "[]"), "routes[0].destinations", "no destinations", "add one"),
    ],
)
def test_one_problem(problem, text: str, key: str, said: str, hint: str) -> None:
    found = problem(text)

    assert key == found.key
    assert said in found.message
    assert hint in found.hint
