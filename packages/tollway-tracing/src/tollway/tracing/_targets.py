"""Where spans go by OTLP: any number of receivers, each with its own headers and its own dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ._environment import SettingError
from .semconv.dialects import DIALECTS

Targets = str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]
"""An endpoint, a mapping with `endpoint`, `dialect` and `headers`, or several of either."""


@dataclass(frozen=True, slots=True)
class Target:
    """One receiver. `headers` may hold keys, and are kept out of the repr; so is the endpoint."""

    endpoint: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    dialect: str = "genai"
    is_alone: bool = True
    """Whether what the environment says of OTLP's headers is for this one: it is for no other beside it."""


def targets_of(otlp: Targets | Literal[False] | None, headers: Mapping[str, str]) -> list[Target]:
    """Return the targets that an argument names; headers are for all of them.

    Raises SettingError for one that is none.
    """
    if otlp is None or otlp is False:
        return []
    items = [otlp] if isinstance(otlp, str | Mapping) else list(otlp)
    return [_target(item, headers, is_alone=len(items) == 1) for item in items]


def _target(item: str | Mapping[str, Any], headers: Mapping[str, str], *, is_alone: bool) -> Target:
    known: dict[str, Any] = {"endpoint": item} if isinstance(item, str) else dict(item)
    endpoint = known.pop("endpoint", None)
    dialect = known.pop("dialect", None) or "genai"
    own = known.pop("headers", None) or {}
    if not isinstance(endpoint, str) or not endpoint:
        raise SettingError("a target of otlp needs an endpoint: the URL of a collector, or of a tool's OTLP")
    if known:
        unknown = ", ".join(map(str, known))
        raise SettingError(f"a target of otlp has endpoint, headers and dialect, not {unknown}")
    if dialect not in DIALECTS:
        raise SettingError(f"otlp dialect {dialect!r}: use one of {', '.join(DIALECTS)}")
    return Target(endpoint, {**headers, **{str(k): str(v) for k, v in own.items()}}, dialect, is_alone)
