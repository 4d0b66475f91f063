"""Checks of `model.config` against the settings that a provider declares."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ._values import Setting, SettingProblem, Task


def check_settings(
    settings: tuple[Setting, ...] | None,
    tasks: frozenset[Task],
    config: Mapping[str, Any],
    task: Task,
) -> Iterator[SettingProblem]:
    """Yield a problem for every unknown, missing or wrong key, and for an endpoint type not served."""
    if task not in tasks:
        served = ", ".join(sorted(tasks))
        yield SettingProblem(None, f"this provider does not serve {task}", f"use one of: {served}")
    if settings is None:
        return
    known = {setting.name: setting for setting in settings}
    for key in config:
        if key not in known:
            yield SettingProblem(key, f"unknown key {key!r}", _suggest(key, known))
    for setting in settings:
        yield from _check_value(setting, config.get(setting.name))


def with_defaults(settings: Iterable[Setting] | None, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return `config` with the declared default of every key that it leaves out."""
    defaults = {s.name: s.default for s in settings or () if s.default is not None}
    return {**defaults, **config}


def _check_value(setting: Setting, value: Any) -> Iterator[SettingProblem]:
    if value is None or (setting.required and value == ""):
        if setting.required:
            yield SettingProblem(setting.name, f"{setting.name} is missing", f"add it: {setting.help}")
        return
    expected = (int, float) if setting.type is float else (setting.type,)
    if not isinstance(value, expected) or (isinstance(value, bool) and setting.type is not bool):
        name = {"dict": "mapping", "str": "string"}.get(setting.type.__name__, setting.type.__name__)
        yield SettingProblem(setting.name, f"{setting.name} must be a {name}", f"set it to {setting.help}")
    elif setting.choices and value not in setting.choices:
        allowed = ", ".join(map(str, setting.choices))
        yield SettingProblem(
            setting.name, f"{setting.name} is not one of {allowed}", f"use one of: {allowed}"
        )


def check_header_values(
    settings: tuple[Setting, ...] | None, config: Mapping[str, Any]
) -> Iterator[SettingProblem]:
    """Yield a problem for every secret that no HTTP header can carry (RFC 9110 section 5.5)."""
    for setting in settings or ():
        value = config.get(setting.name)
        if setting.secret and isinstance(value, str) and not (value.isascii() and value.isprintable()):
            message = f"{setting.name} holds a line end, or another character that no HTTP header can carry"
            yield SettingProblem(setting.name, message, "copy it again: one line of plain characters")


def _suggest(key: str, known: Mapping[str, Setting]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"remove it; known keys: {', '.join(sorted(known)) or 'none'}"
