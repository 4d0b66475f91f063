"""Finds what is compiled: every extension module of every Tollway distribution, their classes and members."""

from __future__ import annotations

import inspect
from functools import cache
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import BuiltinFunctionType, ModuleType
from typing import Any

import tollway
import tollway.gateway
import tollway.tracing

from . import builds

_HEAP_TYPE = 1 << 9
"""`Py_TPFLAGS_HEAPTYPE`: a class of Python's own, also in a compiled module; its methods take any `self`."""

_WITHOUT_SELF = (BuiltinFunctionType, staticmethod, classmethod)


def modules() -> list[ModuleType]:
    """Import every compiled module."""
    names = {
        ".".join(("tollway", *file.relative_to(root).parent.parts, file.name.split(".", 1)[0]))
        for root in map(Path, tollway.__path__)
        for suffix in EXTENSION_SUFFIXES
        for file in root.rglob(f"*{suffix}")
    }
    return [import_module(name) for name in sorted(names)]


def classes() -> list[type]:
    """Return every compiled class."""
    return [
        value
        for module in modules()
        for value in vars(module).values()
        if isinstance(value, type)
        and value.__module__ == module.__name__
        and not value.__flags__ & _HEAP_TYPE
    ]


def callables(class_: type) -> dict[str, Any]:
    """Return the members of a class that are called with a `self`: methods, and the getters of properties."""
    found = {}
    for name, member in vars(class_).items():
        if type(member).__name__ == "Property":
            found[name] = member.__get__
        elif callable(member) and not isinstance(member, _WITHOUT_SELF):
            found[name] = member
    return found


def twin_of(class_: type) -> type | None:
    """Return the class of the Python source, for use with that build; None for what is written in Cython."""
    found: type | None = getattr(import_module(class_.__module__), class_.__name__, None)
    return found


@cache
def required(class_: type, name: str) -> list[str]:
    """Return the names of the arguments that a method needs, without `self`."""
    with builds.using(builds.INTERPRETED):
        member = getattr(twin_of(class_), name, None) or getattr(class_, name)
        try:
            parameters = [*inspect.signature(member).parameters.values()][1:]
        except (TypeError, ValueError):  # a special method that is written in C has no signature
            return []
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY)
    return [one.name for one in parameters if one.kind in kinds and one.default is one.empty]
