"""What modules that are compiled in place share.

A class that Cython compiles is an extension type. Its methods do not look at `self`: called through the class
with anything else, they read memory that is not theirs. Instrumentations do call them so, with a proxy:
OpenInference's tracer is a `wrapt.ObjectProxy` that calls `type(tracer).start_span(proxy, ...)`. Each
compiled class is therefore passed to `accept_proxies`. See docs/decisions/0085.
"""

from __future__ import annotations

import sys
from importlib.machinery import ExtensionFileLoader
from typing import TypeVar

T = TypeVar("T")

_ACCESSOR = "_this"
"""The property by which an instance returns itself: a proxy forwards attributes, and returns its instance."""


def is_compiled(module: str) -> bool:
    """Return whether an imported module, by its name, is an extension module."""
    spec = sys.modules[module].__spec__
    return spec is not None and isinstance(spec.loader, ExtensionFileLoader)


def accept_proxies(*classes: type) -> None:
    """Have methods and properties of classes take a proxy for `self`, as functions in Python do.

    Of a compiled class they then raise TypeError for any other object. A class that is not compiled only gets
    what `unproxied` needs.
    """
    for class_ in classes:
        if is_compiled(class_.__module__):
            from ._methods import check_self

            check_self(class_, _ACCESSOR)
        else:
            setattr(class_, _ACCESSOR, property(_itself))


def unproxied(found: object, class_: type[T]) -> T | None:
    """Return the instance of a class that an object is, or stands for; None where it is neither."""
    if issubclass(type(found), class_):
        return found  # type: ignore[return-value]  # which is looked at by type: a proxy may claim any `__class__`
    this = getattr(found, _ACCESSOR, None)
    return this if issubclass(type(this), class_) else None


def _itself(this: T) -> T:
    return this
