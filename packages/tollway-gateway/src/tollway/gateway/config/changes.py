"""What differs between the configuration that serves and another one: names and keys, never values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .frozen import Value
from .problems import Problem
from .values import GatewayConfig

_RESTART = ("tracing", "limits", "server.drain_timeout_s", "server.tls", "server.admin")
"""What is set up once for a process: paths of fields."""

_NAMED = (("endpoint", "endpoints"), ("route", "routes"))

_KEYS = {"digest": "key", "admin_digest": "admin_key", "limits": "limit", "after_quantile": "after"}
"""Fields that the file calls otherwise; of the others `_s` is left out."""


@dataclass(frozen=True, slots=True)
class Changes:
    """From one configuration to another, which is `config` but for what needs a `restart`."""

    config: GatewayConfig
    lines: tuple[str, ...]
    """`endpoint 'a' added`, `endpoint 'b' changed: model.name, limit`."""

    restart: tuple[str, ...]
    """Keys that another process must be started for."""


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """What became of a reload. It is `refused` where there are `problems`, and then nothing has changed."""

    result: Literal["applied", "unchanged", "refused"]
    changes: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def refused(*problems: Problem) -> ReloadResult:
    """Return the result of a reload that came to nothing."""
    return ReloadResult("refused", problems=problems)


def changes_of(running: GatewayConfig, asked: GatewayConfig) -> Changes:
    """Return how a gateway that runs gets to the configuration that is asked for."""
    restart = [path for path in _differing(running, asked) if path.startswith(_RESTART)]
    config = asked
    for path in _RESTART:
        config = _with(config, path.split("."), running)
    return Changes(config, tuple(_lines(running, config)), tuple(map(_shown, restart)))


def _lines(before: GatewayConfig, after: GatewayConfig) -> Iterator[str]:
    for kind, field in _NAMED:
        yield from _named(kind, getattr(before, field), getattr(after, field))
    yield from _named("key", before.auth.keys, after.auth.keys)
    others = [
        _shown(path) for path in _differing(before, after) if path not in ("endpoints", "routes", "auth.keys")
    ]
    if others:
        yield f"changed: {', '.join(others)}"


def _named(kind: str, before: Iterable[Any], after: Iterable[Any]) -> Iterator[str]:
    old, new = {one.name: one for one in before}, {one.name: one for one in after}
    for name in [*old, *(name for name in new if name not in old)]:
        if name not in new:
            yield f"{kind} {name!r} removed"
        elif name not in old:
            yield f"{kind} {name!r} added"
        elif paths := [_shown(path) for path in _differing(old[name], new[name])]:
            yield f"{kind} {name!r} changed: {', '.join(paths)}"
    if old == new and list(old) != list(new):
        yield f"{kind}s in another order"


def _differing(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of what differs, as deep as both have the same shape."""
    if before == after:
        return
    old, new = _entries(before), _entries(after)
    if old is None or new is None:
        yield path
        return
    for key in [*old, *(key for key in new if key not in old)]:
        below = f"{path}.{key}" if path else key
        if key in old and key in new:
            yield from _differing(old[key], new[key], below)
        else:
            yield below


def _entries(value: Any) -> Mapping[str, Any] | None:
    if isinstance(value, Value):
        return value.__dict__
    return value if isinstance(value, Mapping) else None


def _with(value: Any, path: list[str], source: Any) -> Any:
    """Return a value with what another one has at a path."""
    key, *below = path
    taken = getattr(source, key)
    if below:
        taken = _with(getattr(value, key), below, taken)
    return type(value)(**{**value.__dict__, key: taken})


def _shown(path: str) -> str:
    return ".".join(_KEYS.get(one, one.removesuffix("_s")) for one in path.split("."))
