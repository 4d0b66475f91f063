"""A method of a compiled class takes any `self` that the same method in Python takes, and refuses others."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import wrapt

from support import builds, compiled
from support.instances import SAMPLES, instance_of, is_made

pytestmark = pytest.mark.skipif(not compiled.modules(), reason=builds.NOT_COMPILED)

MEMBERS = [
    pytest.param(class_, name, id=f"{class_.__module__}.{class_.__name__}.{name}")
    for class_ in compiled.classes()
    for name in compiled.callables(class_)
]


class Forwarding:
    """The least that is a proxy."""

    def __init__(self, wrapped: object) -> None:
        object.__setattr__(self, "wrapped", wrapped)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.wrapped, name, value)


class Foreign:
    """Anything else."""


def arguments_of(class_: type, name: str) -> list[Any]:
    return [SAMPLES.get(argument, lambda: None)() for argument in compiled.required(class_, name)]


def outcome(class_: type, name: str, this: Callable[[], object]) -> tuple[str, str]:
    """Return what comes of a call, in words that both builds have in common."""
    try:
        value = compiled.callables(class_)[name](this(), *arguments_of(class_, name))
    except Exception as error:
        return "raised", type(error).__name__
    if isinstance(value, Coroutine):
        value.close()
    return "returned", type(value).__name__


@pytest.mark.parametrize(
    "proxy", [wrapt.ObjectProxy, Forwarding, lambda one: Forwarding(wrapt.ObjectProxy(one))]
)
@pytest.mark.parametrize(("class_", "name"), MEMBERS)
def test_a_proxy_is_what_it_stands_for(class_: type, name: str, proxy: Callable[[object], object]) -> None:
    """The outcome is that of a call with the instance itself."""
    direct = outcome(class_, name, lambda: instance_of(class_))
    assert direct == outcome(class_, name, lambda: proxy(instance_of(class_)))


@pytest.mark.parametrize(("class_", "name"), MEMBERS)
def test_an_instance_of_a_subclass_is_one_of_the_class(class_: type, name: str) -> None:
    """Its outcome is that of the class's own instance, neither of which was filled."""
    try:
        child = type("Child", (class_,), {})
    except TypeError:  # it is final
        return
    direct = outcome(class_, name, lambda: class_.__new__(class_))
    assert direct == outcome(class_, name, lambda: child.__new__(child))


@pytest.mark.parametrize("foreign", [Foreign, int, type, lambda: None, wrapt.ObjectProxy(Foreign)])
@pytest.mark.parametrize(("class_", "name"), MEMBERS)
def test_anything_else_is_a_type_error(class_: type, name: str, foreign: Callable[[], object]) -> None:
    assert ("raised", "TypeError") == outcome(class_, name, foreign)


@pytest.mark.parametrize(("class_", "name"), MEMBERS)
def test_no_self_is_a_type_error(class_: type, name: str) -> None:
    with pytest.raises(TypeError):
        compiled.callables(class_)[name]()


@pytest.mark.parametrize("proxy", [lambda one: one, wrapt.ObjectProxy])
@pytest.mark.parametrize(("class_", "name"), MEMBERS)
def test_both_builds_agree(class_: type, name: str, proxy: Callable[[object], object]) -> None:
    """What is compiled does with an instance, and with a proxy, what its Python source does."""
    with builds.using(builds.INTERPRETED):
        twin = compiled.twin_of(class_)
        if twin is None or name not in vars(twin) or not is_made(class_):
            return
        expected = outcome(twin, name, lambda: proxy(instance_of(twin)))
    assert expected == outcome(class_, name, lambda: proxy(instance_of(class_)))
