"""Reading `routes`, and checking them against the endpoints that they name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from . import scalars
from .budgets import budgets
from .endpoints import TASK, peek
from .limits import limits
from .nodes import At, Field, Read, each, fields, renamed
from .problems import InvalidValue, did_you_mean
from .values import RoutingStrategy

_SPLIT = "TRAFFIC_SPLIT"


def _destination(at: At) -> Read:
    table = {
        "name": Field(scalars.alias, required=True),
        "traffic_percentage": Field(scalars.percentage),
    }
    return at, fields(at, table)


def _destinations(at: At) -> tuple[At, list[Read]]:
    if not at.items():
        raise InvalidValue("there are no destinations", "add one")
    return at, each(at, _destination)


def _models(at: At) -> list[tuple[At, str]]:
    """Read what callers may write for a route beside its name: one or a list."""
    places = at.items() if at.is_list else [at]
    return [(place, scalars.alias_pattern(place)) for place in places]


def _sticky(at: At) -> dict[str, Any]:
    found = fields(
        at,
        {
            "header": Field(lambda at: scalars.header_name(scalars.text(at), at)),
            "ttl": Field(scalars.duration_s),
        },
    )
    return renamed(found, ttl="ttl_s")


def _route(at: At) -> Read:
    name = peek(at, "name", scalars.alias_pattern)
    at = At(at.node, at.key, at.report, f"route {name!r}" if name else "")
    table = {
        "name": Field(scalars.alias_pattern, required=True),
        "model": Field(_models),
        "task_type": TASK,
        "destinations": Field(_destinations, required=True),
        "routing_strategy": Field(scalars.choice(get_args(RoutingStrategy))),
        "sticky": Field(_sticky),
        "limit": Field(limits),
        "budget": Field(budgets),
    }
    found = renamed(fields(at, table), model="models", limit="limits", budget="budgets")
    entries = at.entries()
    strategy = found.get("routing_strategy", None if "routing_strategy" in entries else _SPLIT)
    if strategy is None:  # it could not be read, and so nothing can be held against it
        return at, found
    if "sticky" in found and strategy != "STICKY":
        place = entries["sticky"][1]
        place.problem(f"the routing_strategy is {strategy}", "write routing_strategy: STICKY, or remove it")
    if "destinations" in found:
        place, destinations = found["destinations"]
        _check_shares(place, destinations, strategy)
    return at, found


def routes(at: At) -> list[Read]:
    """Read all routes."""
    return each(at, _route)


def check_routes(found: Mapping[str, Any]) -> None:
    """Note every destination that cannot be one."""
    known = {one["name"]: one for _, one in found.get("endpoints", ()) if "name" in one}
    for _, route in found.get("routes", ()):
        if "destinations" not in route:
            continue
        at, destinations = route["destinations"]
        for place, values in destinations:
            _check_destination(place, values.get("name"), route, known)
        names = [values.get("name") for _, values in destinations]
        if len({*names}) < len(names):
            at.problem("the same endpoint is named twice", "add its percentages up")


def check_models(found: Mapping[str, Any]) -> None:
    """Note every model of a route that something else of the same type goes by."""
    names = {one.get("name") for _, one in (*found.get("endpoints", ()), *found.get("routes", ()))}
    taken: dict[tuple[str, Any], str] = {}
    for _, route in found.get("routes", ()):
        for place, model in route.get("models", ()):
            other = taken.setdefault((model, route.get("task_type")), route.get("name"))
            if model in names:
                place.problem(f"{model!r} is a name of its own", "remove it here, or rename the other")
            elif other != route.get("name"):
                place.problem(f"{model!r} stands for the route {other!r} already", "remove one of them")


def _check_shares(at: At, destinations: list[Read], strategy: str) -> None:
    """Check the percentages: a split needs all of them, adding up to 100; elsewhere they are weights."""
    shares = [values["traffic_percentage"] for _, values in destinations if "traffic_percentage" in values]
    unread = len(destinations) < len(at.node.value)
    if strategy != _SPLIT:
        if shares and len(shares) < len(destinations):
            at.problem("some destinations have no traffic_percentage", "give all of them one, or none")
        elif shares and not unread and not sum(shares):
            at.problem("the traffic_percentage of all destinations is 0", "make one of them larger")
        return
    for place, _ in destinations:
        if "traffic_percentage" not in place.entries():
            place.problem("the key 'traffic_percentage' is missing", "add traffic_percentage")
    if not unread and len(shares) == len(destinations) and abs(sum(shares) - 100) > 1e-6:
        at.problem(f"the traffic_percentage of all destinations is {sum(shares):g}", "make it 100")


def _check_destination(
    place: At, name: str | None, route: Mapping[str, Any], known: Mapping[str, Any]
) -> None:
    if name is None:
        return
    at = place.entries()["name"][1]
    if name not in known:
        there_are = f"there are: {', '.join(known) or 'none'}"
        at.problem(f"there is no endpoint {name!r}", did_you_mean(name, known, there_are))
        return
    task, wanted = known[name].get("endpoint_type"), route.get("task_type")
    if task and wanted and task != wanted:
        at.problem(f"{name!r} serves {task}, the route {wanted}", "name an endpoint of the same type")
