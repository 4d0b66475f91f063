"""Frozen values that are made from plain ones: the part of pydantic that a configuration needs.

pydantic itself takes longer to import, and to build the schemas of these few classes, than everything else
that the gateway reads its configuration with.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import (
    Annotated,
    Any,
    Literal,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

_REQUIRED = object()


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """What `Field` says of a field: its default, whether a repr shows it, and its bounds."""

    default: Any
    default_factory: Callable[[], Any] | None
    repr: bool
    gt: float | None
    ge: float | None
    le: float | None

    def check(self, value: float) -> None:
        """Raise ValueError for a value out of bounds."""
        if self.gt is not None and not value > self.gt:
            raise ValueError(f"must be above {self.gt}, not {value!r}")
        if self.ge is not None and not value >= self.ge:
            raise ValueError(f"must be at least {self.ge}, not {value!r}")
        if self.le is not None and not value <= self.le:
            raise ValueError(f"must be at most {self.le}, not {value!r}")


def Field(  # noqa: N802 - pydantic's own name
    default: Any = _REQUIRED,
    *,
    default_factory: Callable[[], Any] | None = None,
    repr: bool = True,
    gt: float | None = None,
    ge: float | None = None,
    le: float | None = None,
) -> Any:
    """Describe a field: as its default, or inside `Annotated` for bounds alone."""
    return FieldInfo(default, default_factory, repr, gt, ge, le)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
class Value:
    """Base of frozen values: annotations are the fields, and their types are what they are converted to.

    Mappings become the values that a field's type names, lists tuples, words members of an enumeration;
    nothing else is converted but int to float. Raises ValueError for what does not fit, and for unknown
    fields.
    """

    def __init__(self, **given: Any) -> None:
        kind = type(self)
        hints = _hints_of(kind)
        if unknown := sorted(given.keys() - hints.keys()):
            raise ValueError(f"{kind.__name__} has no {', '.join(unknown)}; it has {', '.join(hints)}")
        for name, hint in hints.items():
            try:
                value = converted(hint, given[name]) if name in given else _default(kind, name)
            except ValueError as error:
                raise ValueError(f"{kind.__name__}.{name}: {error}") from None
            self.__dict__[name] = value

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be removed")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.__dict__ == self.__dict__

    def __hash__(self) -> int:
        return hash(tuple(self.__dict__.values()))

    def __repr__(self) -> str:
        shown = (f"{name}={value!r}" for name, value in self.__dict__.items() if _is_shown(type(self), name))
        return f"{type(self).__name__}({', '.join(shown)})"


_HINTS: dict[type, dict[str, Any]] = {}
"""The fields of each class with their types; resolved when its first value is made."""


def _hints_of(kind: type[Value]) -> dict[str, Any]:
    hints = _HINTS.get(kind)
    if hints is None:
        hints = _HINTS[kind] = get_type_hints(kind, include_extras=True)
    return hints


def _default(kind: type[Value], name: str) -> Any:
    default = getattr(kind, name, _REQUIRED)
    if isinstance(default, FieldInfo):
        default = default.default if default.default_factory is None else default.default_factory()
    if default is _REQUIRED:
        raise ValueError("is missing")
    return default


def _is_shown(kind: type[Value], name: str) -> bool:
    info = getattr(kind, name, None)
    return info.repr if isinstance(info, FieldInfo) else True


def converted(hint: Any, value: Any) -> Any:
    """Return the value as the type that an annotation names.

    Raises ValueError for one that does not fit. Its text never holds the value: that may be a secret.
    """
    convert = _GENERIC.get(get_origin(hint))
    if convert is not None:
        return convert(get_args(hint), value)
    if hint is Any or (isinstance(value, hint) and not isinstance(value, bool)) or type(value) is hint:
        return value
    if hint is float and type(value) is int:
        return float(value)
    if issubclass(hint, Value) and isinstance(value, Mapping):
        return hint(**value)
    if issubclass(hint, Enum):
        return hint(_literal(tuple(one.value for one in hint), value))
    raise _unfit(hint.__name__, value)


def _unfit(wanted: str, value: Any) -> ValueError:
    return ValueError(f"must be {wanted}, not {type(value).__name__}")


def _union(options: tuple[Any, ...], value: Any) -> Any:
    if value is None and types.NoneType in options:
        return None
    first, *others = [one for one in options if one is not types.NoneType]
    try:
        return converted(first, value)
    except ValueError:
        for option in others:
            with suppress(ValueError):
                return converted(option, value)
        raise


def _annotated(arguments: tuple[Any, ...], value: Any) -> Any:
    result = converted(arguments[0], value)
    for info in arguments[1:]:
        info.check(result)
    return result


def _literal(options: tuple[Any, ...], value: Any) -> Any:
    if value not in options:
        raise ValueError(f"must be one of: {', '.join(map(repr, options))}")
    return value


def _tuple(arguments: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _unfit("a list", value)
    return tuple(converted(arguments[0], one) for one in value)


def _mapping(arguments: tuple[Any, ...], value: Any) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise _unfit("a mapping", value)
    return {converted(arguments[0], key): converted(arguments[1], one) for key, one in value.items()}


_GENERIC: Mapping[Any, Callable[[tuple[Any, ...], Any], Any]] = {
    Union: _union,
    types.UnionType: _union,
    Annotated: _annotated,
    Literal: _literal,
    tuple: _tuple,
    Mapping: _mapping,
}
"""By the origin of an annotation with arguments: what converts a value, given those arguments."""
