"""Reading `limits`: where the buckets of all limits are."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from tollway.gateway.limits import address_of

from . import scalars
from .nodes import At, Field, fields
from .problems import InvalidValue

_VARIABLE = "MLFLOW_GATEWAY_RATE_LIMITS_STORAGE_URI"

_HINT = (
    "write shared, or redis://host:6379, redis+sentinel://host:26379/master or redis+cluster://host:6379; "
    "rediss… for TLS"
)


def limits_section(at: At) -> dict[str, Any]:
    """Read `limits`."""
    return fields(at, {"storage": Field(_storage)})


def with_environment(at: At, limits: Mapping[str, Any]) -> dict[str, Any]:
    """Return the section with MLflow's variable where the file is silent; `at` is the file as a whole."""
    url = at.report.environ.get(_VARIABLE, "")
    if "storage" in limits or not url or url == "memory://":
        return dict(limits)
    try:
        return {**limits, "storage": _checked(url)}
    except InvalidValue as invalid:
        at.problem(f"the environment variable {_VARIABLE}: {invalid.message}", invalid.hint)
        return dict(limits)


def _storage(at: At) -> str:
    value = scalars.text(at).strip()
    return "shared" if value.lower() == "shared" else _checked(value)


def _checked(url: str) -> str:
    """Return a URL that can be used. Raises InvalidValue; its text has no password."""
    try:
        address_of(url)
    except ValueError as error:
        raise InvalidValue(f"is not a storage for limits: {error}", _HINT) from None
    if find_spec("redis") is None:
        raise InvalidValue("the package redis is not installed", "pip install 'tollway-gateway[redis]'")
    return url
