"""Reading `endpoints`, and what binds them together: their fallbacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollway.provider import Task

from . import resilience, scalars
from .budgets import budgets
from .limits import limits
from .model import model_reader
from .nodes import At, Field, Read, Report, each, fields, renamed
from .prices import price_reader
from .problems import InvalidValue, did_you_mean

_SHOWN = 8
"""Endpoints of a cycle that its problem names."""

_ROUTE_TIMEOUT = "MLFLOW_GATEWAY_ROUTE_TIMEOUT_SECONDS"

TASK = Field(scalars.choice(Task), required=True)


def _timeout(at: At) -> dict[str, Any]:
    names = ("connect", "first_token", "idle", "total")
    found = fields(at, {name: Field(scalars.duration_s) for name in names})
    return {f"{name}_s": value for name, value in found.items()}


def route_timeout(root: At) -> dict[str, float]:
    """Return the time limits that MLflow's variable sets where the file is silent: it has one for all."""
    written = root.report.environ.get(_ROUTE_TIMEOUT, "").strip()
    if not written:
        return {}
    try:
        seconds = float(written)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= scalars.MAX_SECONDS:
        root.problem(
            f"the environment variable {_ROUTE_TIMEOUT} is not a number of seconds", "write one such as 300"
        )
        return {}
    return {"first_token_s": seconds, "idle_s": seconds, "total_s": seconds}


def _fallback(at: At) -> list[tuple[At, str]]:
    return each(at, lambda item: (item, scalars.alias(item)))


def _endpoint(at: At) -> Read:
    name, task = peek(at, "name", scalars.alias), peek(at, "endpoint_type", TASK.read)
    at = At(at.node, at.key, at.report, f"endpoint {name!r}" if name else "")
    known_task = Task(task) if task else None
    table = {
        "name": Field(scalars.alias, required=True),
        "endpoint_type": TASK,
        "model": Field(model_reader(known_task), required=True),
        "limit": Field(limits),
        "timeout": Field(_timeout),
        "retry": Field(resilience.retry),
        "fallback": Field(_fallback),
        "hedge": Field(resilience.hedge),
        "breaker": Field(resilience.breaker),
        "concurrency": Field(resilience.concurrency),
        "stream_recovery": Field(scalars.choice(["error", "continue", "buffer"])),
        "prefill": Field(scalars.flag),
        "unsupported": Field(scalars.choice(["error", "drop"])),
        "price": Field(price_reader(known_task)),
        "budget": Field(budgets),
    }
    found = renamed(fields(at, table), limit="limits", budget="budgets")
    if "model" in found:
        found["model"].setdefault("name", name or "")  # MLflow asks for none: some services have one model
    return at, found


def endpoints(at: At) -> list[Read]:
    """Read all endpoints."""
    if not at.items():
        raise InvalidValue("there are no endpoints", "add one")
    return each(at, _endpoint)


def peek(at: At, key: str, read: Any) -> Any:
    """Read a key ahead of its turn, saying nothing: its turn comes."""
    quiet = At(at.node, at.key, Report(at.report.environ), at.inside)
    try:
        entries = quiet.entries()
        return read(entries[key][1]) if key in entries else None
    except InvalidValue:
        return None


def check_fallbacks(found: Mapping[str, Any]) -> None:
    """Note every fallback that cannot be one: unknown, of another type, itself, or part of a cycle."""
    known = {one["name"]: one for _, one in found.get("endpoints", ()) if "name" in one}
    routes = {one.get("name") for _, one in found.get("routes", ())}
    for _, endpoint in found.get("endpoints", ()):
        seen: set[str] = set()
        for place, name in endpoint.get("fallback", ()):
            _check_fallback(place, name, endpoint, known, routes)
            if name in seen:
                place.problem(f"{name!r} is given twice", "remove one")
            seen.add(name)
    _check_cycles(known)


def _check_fallback(
    at: At, name: str, endpoint: Mapping[str, Any], known: Mapping[str, Any], routes: set[str]
) -> None:
    if name == endpoint.get("name"):
        at.problem(f"{name!r} names itself as its fallback", "name another endpoint")
    elif name in routes:
        at.problem(f"{name!r} is a route", "name an endpoint")
    elif name not in known:
        others = [one for one in known if one != endpoint.get("name")]
        at.problem(
            f"there is no endpoint {name!r}",
            did_you_mean(name, others, f"there are: {', '.join(others) or 'no others'}"),
        )
    else:
        task, wanted = known[name].get("endpoint_type"), endpoint.get("endpoint_type")
        if task and wanted and task != wanted:
            at.problem(f"{name!r} serves {task}, this endpoint {wanted}", "name an endpoint of the same type")


def _check_cycles(known: Mapping[str, Any]) -> None:
    """Note every cycle once, at the fallback that closes it."""
    done: set[str] = set()
    for start in known:
        if start not in done:
            _follow(start, known, done)


def _follow(start: str, known: Mapping[str, Any], done: set[str]) -> None:
    """Follow all fallbacks from one endpoint, depth first; a chain may be longer than recursion is deep."""
    way = {start: iter(known[start].get("fallback", ()))}
    while way:
        name = next(reversed(way))
        place, following = next(way[name], (None, ""))
        if place is None:
            del way[name]
            done.add(name)
        elif following in way and following != name:
            names = list(way)
            cycle = _shown([*names[names.index(following) :], following])
            place.problem(f"the fallbacks form a cycle: {cycle}", "remove one of them")
        elif following in known and following not in done and following not in way:
            way[following] = iter(known[following].get("fallback", ()))


def _shown(cycle: list[str]) -> str:
    if len(cycle) > _SHOWN:
        cycle = [*cycle[: _SHOWN // 2], "…", *cycle[-_SHOWN // 2 :]]
    return " -> ".join(cycle)
