"""Reading a whole file. Read from the bottom: `load`, then the sections, then what binds them together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from tollway.provider import Task

from . import scalars
from .model import model_reader
from .nodes import MAX_NODES, At, Field, Report, TooLargeError, each, fields
from .problems import ConfigError, Wrong, did_you_mean
from .source import compose
from .values import GatewayConfig

Read = tuple[At, dict[str, Any]]
"""What was read of an entry of a list, and where it stands."""

_TASK = Field(scalars.choice(Task), required=True)


def _limit_key(at: At) -> None:
    key = scalars.text(at)
    if key.lower() != "endpoint":
        raise Wrong(f"limits by {at.shown} are not there yet", "write endpoint: one limit for all callers")


def _limit(at: At) -> dict[str, Any]:
    found = fields(
        at,
        {
            "calls": Field(scalars.count, required=True),
            "renewal_period": Field(scalars.period_s, required=True),
            "burst": Field(scalars.count),
            "key": Field(_limit_key),
        },
    )
    found.pop("key", None)
    return _renamed(found, renewal_period="renewal_period_s") | {
        "burst": found.get("burst", found.get("calls"))
    }


def _timeout(at: At) -> dict[str, Any]:
    names = ("connect", "first_token", "idle", "total")
    found = fields(at, {name: Field(scalars.duration_s) for name in names})
    return {f"{name}_s": value for name, value in found.items()}


_ENDPOINT_NOT_YET = {
    "retry": "retries are",
    "fallback": "fallbacks are",
    "stream_recovery": "recovery of streams is",
}


def _endpoint(at: At) -> Read:
    name, task = _peek(at, "name", scalars.name), _peek(at, "endpoint_type", _TASK.read)
    at = At(at.node, at.key, at.report, f"endpoint {name!r}" if name else "")
    table = {
        "name": Field(scalars.name, required=True),
        "endpoint_type": _TASK,
        "model": Field(model_reader(Task(task) if task else None), required=True),
        "limit": Field(_limit),
        "timeout": Field(_timeout),
    }
    found = fields(at, table, _ENDPOINT_NOT_YET)
    if "model" in found:
        found["model"].setdefault("name", name or "")  # MLflow asks for none: some services have one model
    return at, found


def _endpoints(at: At) -> list[Read]:
    if not at.items():
        raise Wrong("there are no endpoints", "add one")
    return each(at, _endpoint)


def _peek(at: At, key: str, read: Any) -> Any:
    """Read a key ahead of its turn, saying nothing: its turn comes."""
    quiet = At(at.node, at.key, Report(at.report.environ), at.inside)
    try:
        entries = quiet.entries()
        return read(entries[key][1]) if key in entries else None
    except Wrong:
        return None


def _destination(at: At) -> Read:
    table = {
        "name": Field(scalars.name, required=True),
        "traffic_percentage": Field(scalars.percentage, required=True),
    }
    return at, fields(at, table)


def _route(at: At) -> Read:
    table = {
        "name": Field(scalars.name, required=True),
        "task_type": _TASK,
        "destinations": Field(lambda at: (at, each(at, _destination)), required=True),
        "routing_strategy": Field(scalars.choice(["TRAFFIC_SPLIT"])),
    }
    return at, fields(at, table)


def _header(at: At) -> str:
    """Read a header's value; it may be a key, and is not shown."""
    value = at.scalar()
    if not isinstance(value, str) or not (value.isascii() and value.isprintable()):
        raise Wrong("a header's value is one line of plain characters", "put it into quotes")
    return value


def _headers(at: At) -> dict[str, str]:
    return fields(at, {key: Field(_header) for key in at.entries()})


def _otlp(at: At) -> dict[str, Any]:
    return fields(at, {"endpoint": Field(scalars.url, required=True), "headers": Field(_headers)})


def _store(at: At) -> str | None:
    return None if at.is_null else scalars.text(at)


def _tracing(at: At) -> dict[str, Any]:
    table = {
        "service_name": Field(scalars.text),
        "sampling_rate": Field(scalars.ratio),
        "slow_threshold_ms": Field(scalars.at_least_0),
        "store": Field(_store, takes_null=True),
        "otlp": Field(_otlp),
        "capture_content": Field(scalars.flag),
    }
    return fields(at, table)


def _server(at: At) -> dict[str, Any]:
    table = {
        "max_body_bytes": Field(scalars.count),
        "max_json_nodes": Field(scalars.count),
        "max_buffered_bytes": Field(scalars.count),
        "max_predict_calls": Field(scalars.count),
        "drain_timeout": Field(scalars.duration_or_0_s),
    }
    return _renamed(fields(at, table), drain_timeout="drain_timeout_s")


def _storage(at: At) -> str:
    if isinstance(value := at.scalar(), str) and value.startswith(("redis://", "rediss://")):
        raise Wrong(
            "limits that several machines share are not there yet", "write shared: this machine's workers"
        )
    return scalars.choice(["shared"])(at)


_TOP = {
    "endpoints": Field(_endpoints, required=True),
    "routes": Field(lambda at: each(at, _route)),
    "tracing": Field(_tracing),
    "server": Field(_server),
    "limits": Field(lambda at: fields(at, {"storage": Field(_storage)})),
}

_TOP_NOT_YET = {"auth": "keys of callers are"}


def load(path: str | os.PathLike[str], environ: Mapping[str, str] = os.environ) -> GatewayConfig:
    """Read a YAML file, with `$NAME` taken from `environ`, importing the providers that it names.

    Raises:
        ConfigError: the file cannot be read, or something in it is wrong: all of it is told at once.
    """
    where = os.fspath(path)
    report = Report(environ)
    root = At(compose(where), "", report)
    try:
        found = fields(root, _TOP, _TOP_NOT_YET)
        _check_names(found)
        _check_routes(found)
    except Wrong as wrong:
        root.problem(wrong.message, wrong.mend)
    except (TooLargeError, RecursionError):  # an alias that holds itself never ends
        root.problem(f"more than {MAX_NODES} values, aliases written out", "is it the right file?")
    if report.problems:
        raise ConfigError(where, report.problems)
    return GatewayConfig(**_values(found, environ))


_TRACING_VARIABLES = {"service_name": "OTEL_SERVICE_NAME", "store": "TOLLWAY_STORE"}
"""What speaks where the file is silent; `tracing.configure` knows OpenTelemetry's other variables."""


def _values(found: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """Return what was read without the places that it was read from, and what the environment adds."""
    routes = [
        {**route, "destinations": [values for _, values in route["destinations"][1]]}
        for _, route in found.get("routes", ())
    ]
    said = {key: environ[name] for key, name in _TRACING_VARIABLES.items() if environ.get(name)}
    return {
        **found,
        "endpoints": [endpoint for _, endpoint in found["endpoints"]],
        "routes": routes,
        "tracing": {**said, **found.get("tracing", {})},
    }


def _check_names(found: dict[str, Any]) -> None:
    """Note every name that two endpoints or routes bear."""
    first: dict[str, At] = {}
    for at, values in (*found.get("endpoints", ()), *found.get("routes", ())):
        name = values.get("name")
        if name in first:
            place = at.entries()["name"][1]
            place.problem(f"{name!r} is the name of {first[name].key} too", "rename one of them")
        elif name is not None:
            first[name] = at


def _check_routes(found: dict[str, Any]) -> None:
    endpoints = {one["name"]: one for _, one in found.get("endpoints", ()) if "name" in one}
    for _, route in found.get("routes", ()):
        if "destinations" in route:
            at, destinations = route["destinations"]
            _check_destinations(at, destinations, route, endpoints)


def _check_destinations(
    at: At, destinations: list[Read], route: dict[str, Any], endpoints: dict[str, Any]
) -> None:
    for place, values in destinations:
        _check_destination(place, values.get("name"), route, endpoints)
    names = [values.get("name") for _, values in destinations]
    if len({*names}) < len(names):
        at.problem("the same endpoint is named twice", "add its percentages up")
    shares = [values["traffic_percentage"] for _, values in destinations if "traffic_percentage" in values]
    total = sum(shares)
    if len(shares) == len(at.node.value) and abs(total - 100) > 1e-6:
        at.problem(f"the traffic_percentage of all destinations is {total:g}", "make it 100")


def _check_destination(place: At, name: str | None, route: dict[str, Any], endpoints: dict[str, Any]) -> None:
    if name is None:
        return
    at = place.entries()["name"][1]
    if name not in endpoints:
        known = ", ".join(endpoints) or "none"
        at.problem(f"there is no endpoint {name!r}", did_you_mean(name, endpoints, f"there are: {known}"))
        return
    task, wanted = endpoints[name].get("endpoint_type"), route.get("task_type")
    if task and wanted and task != wanted:
        at.problem(f"{name!r} serves {task}, the route {wanted}", "name an endpoint of the same type")


def _renamed(found: dict[str, Any], **names: str) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in found.items()}
