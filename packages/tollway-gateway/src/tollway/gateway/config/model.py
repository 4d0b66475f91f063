"""Reading `endpoints[].model`: the provider is imported, and says itself what its config must hold."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from tollway.provider import (
    HTTPProvider,
    PluginError,
    Provider,
    ProviderNotFoundError,
    Setting,
    SettingProblem,
    Target,
    Task,
    discovery,
    with_defaults,
)

from . import scalars, secrets
from .nodes import MISSING, At, Field, fields
from .problems import InvalidValue, did_you_mean

_log = logging.getLogger(__name__)

_CASTS: Mapping[type, Callable[[str], Any]] = {
    int: int,
    float: float,
    bool: lambda text: {"true": True, "false": False}[text.strip().lower()],
}
"""What `$NAME` gives is text: this makes of it what the provider declares."""


def model_reader(task: Task | None) -> Callable[[At], dict[str, Any]]:
    """Return the reader of an endpoint's model; `task` is None where the endpoint does not say it."""

    def read(at: At) -> dict[str, Any]:
        kinds: list[type[Provider]] = []

        def provider(at: At) -> str:
            name = scalars.text(at)
            kinds.append(_load(name, at.report.providers))
            return name

        found = fields(
            at,
            {
                "provider": Field(provider, required=True),
                "name": Field(scalars.text),
                "config": Field(lambda at: at),
            },
        )
        config: At | None = found.pop("config", None)
        if kinds:
            before = len(at.report.problems)
            found["config"] = _config(at, config, kinds[0], task)
            if task and len(at.report.problems) == before:
                _check_proxy(at, kinds[0], found, task)
        return found

    return read


def _load(name: str, loaded: dict[str, type[Provider]]) -> type[Provider]:
    if name in loaded:
        return loaded[name]
    try:
        kind = loaded[name] = discovery.load(name)
        return kind
    except ProviderNotFoundError as error:
        raise InvalidValue(
            str(error), did_you_mean(discovery.normalise(name), discovery.installed(), "")
        ) from None
    except PluginError as error:
        raise InvalidValue(str(error), "fix or reinstall that distribution") from None


def _config(model: At, at: At | None, kind: type[Provider], task: Task | None) -> dict[str, Any]:
    """Read the provider's own keys; what it has against them is noted where they stand."""
    entries = {} if at is None else at.entries()
    read = {key: _value(value, key, kind.settings) for key, (_, value) in entries.items()}
    values = {key: value for key, value in read.items() if value is not MISSING}
    for problem in _checked(kind, values, task) if task else ():
        if problem.key in read and read[problem.key] is MISSING:
            continue  # it has a problem already, and a better one
        where = model if problem.key is None else at or model
        key = f"{model.key}.config.{problem.key}" if problem.key else model.key
        node = entries[problem.key][0] if problem.key in entries else where.node
        message = secrets.without(problem.message, values, kind.settings)
        At(node, key, model.report, model.inside).problem(
            message, secrets.without(problem.hint, values, kind.settings)
        )
    return values


def _check_proxy(at: At, kind: type[Provider], model: Mapping[str, Any], task: Task) -> None:
    """Note a proxy of the environment that requests to this model could not go through.

    Where the model is, only its provider knows, which is made for that if there is a proxy at all.
    """
    from tollway.gateway.upstream import ProxyError, check_proxy, names_proxy

    if not issubclass(kind, HTTPProvider) or not names_proxy(at.report.environ):
        return
    config = with_defaults(kind.settings, model["config"])
    try:
        url = kind(Target("", task, model.get("name", ""), config)).url_of(task)
        check_proxy(url, at.report.environ)
    except ProxyError as error:
        at.problem(error.problem, error.hint)
    except Exception:  # a plugin may fail in any way it likes: the start says how
        _log.debug("a provider could not be made to check its proxy", exc_info=True)


def _value(at: At, key: str, settings: tuple[Setting, ...] | None) -> Any:
    try:
        value = at.plain()
        if not isinstance(value, str):
            return value
        if secrets.is_secret(key, settings):
            return secrets.from_file(value)
        return _cast(value, next((s.type for s in settings or () if s.name == key), str))
    except InvalidValue as invalid:
        hint = invalid.hint
        if secrets.is_secret(key, settings) and hint.startswith("export "):
            hint += ", or give the path of a file that holds it"
        message = invalid.message
        if secrets.is_secret(key, settings):
            message = message.replace(at.shown, "its value")
        at.problem(message, hint)
        return MISSING


def _cast(value: str, kind: type) -> Any:
    with suppress(ValueError, KeyError):  # the provider's check says it better
        return _CASTS.get(kind, str)(value)
    return value


def _checked(kind: type[Provider], values: dict[str, Any], task: Task) -> list[SettingProblem]:
    try:
        return list(kind.check(with_defaults(kind.settings, values), task))
    except Exception as error:  # a plugin may fail in any way it likes
        message = f"the check of {kind.__qualname__} failed: {type(error).__name__}: {error}"
        return [SettingProblem(None, message, "tell its author")]
