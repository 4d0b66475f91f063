"""Reading a whole file. Read from the bottom: `load`, then the sections, then what binds them together."""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from yaml import MappingNode, SequenceNode

from tollway.gateway.tls import TLSFileError, server_context
from tollway.tracing.semconv.dialects import DIALECTS

from . import scalars
from .auth import auth, check_auth, values_of
from .endpoints import check_fallbacks, endpoints, route_timeout
from .nodes import MAX_NODES, At, Field, Report, TooLargeError, each, fields, renamed
from .problems import ConfigError, InvalidValue
from .routes import check_models, check_routes, routes
from .source import compose
from .storage import limits_section, with_environment
from .values import GatewayConfig

_log = logging.getLogger(__name__)

_is_header_name = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
"""A token: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2"""


def _header(at: At) -> str:
    """Read a header's value; it may be a key, and is not shown."""
    value = at.scalar()
    if not isinstance(value, str) or not (value.isascii() and value.isprintable()):
        raise InvalidValue("a header's value is one line of plain characters", "put it into quotes")
    return value


def _headers(at: At) -> dict[str, str]:
    entries = at.entries()
    for key, (_, value) in entries.items():
        if not _is_header_name(key):
            value.problem("is not the name of a header", "use letters, digits and '-'")
    return fields(at, {key: Field(_header) for key in entries})


def _otlp(at: At) -> Any:
    """Read one target, or a list of them; null is none, whatever the environment says."""
    if at.is_null:
        return {"endpoint": ""}
    return each(at, _target) if isinstance(at.node, SequenceNode) else _target(at)


def _target(at: At) -> dict[str, Any]:
    table = {
        "endpoint": Field(scalars.url, required=True),
        "headers": Field(_headers),
        "dialect": Field(_dialect),
    }
    return fields(at, table)


def _dialect(at: At) -> str:
    name = scalars.text(at)
    if name not in DIALECTS:
        raise InvalidValue(f"unknown dialect {name!r}", f"use one of {', '.join(DIALECTS)}")
    return name


def _store(at: At) -> dict[str, Any] | None:
    if at.is_null:
        return None
    if not isinstance(at.node, MappingNode):
        return {"path": scalars.text(at)}
    table = {
        "path": Field(scalars.text),
        "layout": Field(scalars.choice(["files", "journal"])),
        "file_mode": Field(scalars.file_mode),
        "seal_after": Field(scalars.duration_or_0_s),
    }
    found = fields(at, table)
    if "seal_after" in found:
        found["seal_after_s"] = found.pop("seal_after")
    return found


def _slow_threshold_ms(at: At) -> float:
    return math.inf if at.is_null else scalars.at_least_0(at)


def _tracing(at: At) -> dict[str, Any]:
    table = {
        "service_name": Field(scalars.text),
        "sampling_rate": Field(scalars.ratio),
        "slow_threshold_ms": Field(_slow_threshold_ms, takes_null=True),
        "store": Field(_store, takes_null=True),
        "otlp": Field(_otlp, takes_null=True),
        "capture_content": Field(scalars.flag),
    }
    return fields(at, table)


def _tls(at: At) -> dict[str, Any]:
    """Read paths of a certificate and its key, and check that they go together."""
    found = fields(at, {name: Field(scalars.text, required=True) for name in ("certificate", "key")})
    if len(found) == 2:
        try:
            server_context(**found)
        except TLSFileError as error:
            place = at.entries()[error.file][1]
            place.problem(f"{found[error.file]!r} {error}", error.hint)
    return found


def _admin(at: At) -> dict[str, Any]:
    return fields(at, {"port": Field(scalars.port, required=True), "host": Field(scalars.text)})


def _cors(at: At) -> dict[str, Any]:
    table = {
        "origins": Field(lambda at: each(at, scalars.origin), required=True),
        "max_age": Field(scalars.duration_or_0_s),
    }
    return renamed(fields(at, table), max_age="max_age_s")


def _server(at: At) -> dict[str, Any]:
    table = {
        "max_body_bytes": Field(scalars.count),
        "max_json_nodes": Field(scalars.count),
        "max_buffered_bytes": Field(scalars.count),
        "max_predict_calls": Field(scalars.count),
        "max_answer_bytes": Field(scalars.count),
        "drain_timeout": Field(scalars.duration_or_0_s),
        "allowed_hosts": Field(lambda at: each(at, scalars.host)),
        "cors": Field(_cors),
        "tls": Field(_tls),
        "admin": Field(_admin),
    }
    return renamed(fields(at, table), drain_timeout="drain_timeout_s")


_TOP = {
    "endpoints": Field(endpoints, required=True),
    "routes": Field(routes),
    "tracing": Field(_tracing),
    "server": Field(_server),
    "limits": Field(limits_section),
    "auth": Field(auth),
}


def load(
    path: str | os.PathLike[str],
    environ: Mapping[str, str] = os.environ,
    warn: Callable[[str], None] = _log.warning,
) -> GatewayConfig:
    """Read a YAML file, with `$NAME` taken from `environ`, importing the providers that it names.

    `warn` is called with a message for every key that is ignored.

    Raises:
        ConfigError: the file cannot be read, or something in it is wrong: all of it is told at once.
    """
    where = os.fspath(path)
    report = Report(environ)
    root = At(compose(where), "", report)
    try:
        timeout = route_timeout(root)
        found = fields(root, _TOP, is_whole_file=True)
        _check_names(found)
        check_fallbacks(found)
        check_routes(found)
        check_models(found)
        check_auth(found)
        _check_cors(root, found)
        found["limits"] = with_environment(root, found.get("limits", {}))
        for _, endpoint in found.get("endpoints", ()):
            endpoint["timeout"] = {**timeout, **endpoint.get("timeout", {})}
    except InvalidValue as invalid:
        root.problem(invalid.message, invalid.hint)
    except TooLargeError:
        root.problem(f"more than {MAX_NODES} values, aliases written out", "is it the right file?")
    if report.problems:
        raise ConfigError(where, report.problems)
    for warning in report.warnings:
        warn(warning.told(where))
    return GatewayConfig(**_values(found, environ))


def _values(found: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """Return what was read without the places that it was read from, and what the environment adds."""
    endpoint_values = [
        {**endpoint, "fallback": [name for _, name in endpoint.get("fallback", ())]}
        for _, endpoint in found["endpoints"]
    ]
    route_values = [
        {
            **route,
            "destinations": [values for _, values in route["destinations"][1]],
            "models": [model for _, model in route.get("models", ())],
        }
        for _, route in found.get("routes", ())
    ]
    return {
        **found,
        "endpoints": endpoint_values,
        "routes": route_values,
        "auth": values_of(found.get("auth", {})),
        "tracing": _with_environment(found.get("tracing", {}), environ),
    }


def _with_environment(tracing: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the section with what speaks where the file is silent.

    `tracing.configure` knows OpenTelemetry's other variables.
    """
    values = dict(tracing)
    if name := environ.get("OTEL_SERVICE_NAME"):
        values.setdefault("service_name", name)
    store = values.get("store", {})
    if store is not None and (path := environ.get("TOLLWAY_STORE")):
        values["store"] = {"path": path, **store}
    return values


def _check_cors(root: At, found: Mapping[str, Any]) -> None:
    """Note that every web page may call where callers need no keys: each would spend the owner's."""
    origins = found.get("server", {}).get("cors", {}).get("origins", ())
    if "*" in origins and not found.get("auth", {}).get("keys"):
        server = root.entries()["server"][1]
        place = server.entries()["cors"][1].entries()["origins"][1]
        place.problem(
            "every web page may use the models, without a key", "add auth.keys, or name the origins"
        )


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
