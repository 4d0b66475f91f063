"""Frozen values are made from plain ones, and refuse what does not fit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest

from tollway.gateway.config.frozen import Field, Value


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


class Inner(Value):
    count: Annotated[int, Field(gt=0)]
    ratio: Annotated[float, Field(ge=0, le=1)] | None = None


class Outer(Value):
    name: str
    inner: Inner = Inner(count=1)
    more: tuple[Inner, ...] = ()
    size: Size = Size.SMALL
    mode: Literal["shared"] = "shared"
    flag: bool = False
    anything: Any = None
    headers: Mapping[str, str] = Field(default_factory=dict, repr=False)


def test_plain_values_become_the_types_of_the_fields():
    made = Outer(
        name="a", inner={"count": 2, "ratio": 1}, more=[{"count": 3}], size="large", headers={"k": "v"}
    )
    assert Inner(count=2, ratio=1.0) == made.inner
    assert float is type(made.inner.ratio)
    assert (Inner(count=3),) == made.more
    assert made.size is Size.LARGE
    assert {"k": "v"} == made.headers


def test_what_is_not_given_has_its_default():
    """A default that can change is made anew for each value."""
    first, second = Outer(name="a"), Outer(name="b")
    assert (Inner(count=1), (), Size.SMALL, "shared", False, None) == (
        *(first.inner, first.more, first.size, first.mode, first.flag, first.anything),
    )
    assert first.headers is not second.headers


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Outer.name: is missing"),
        ({"name": 1}, "Outer.name: must be str, not int"),
        ({"name": None}, "Outer.name: must be str, not NoneType"),
        ({"name": "a", "nome": "b"}, "Outer has no nome; it has name, inner, "),
        ({"name": "a", "inner": {"count": 0}}, "Outer.inner: Inner.count: must be above 0, not 0"),
        ({"name": "a", "inner": {"count": True}}, "Inner.count: must be int, not bool"),
        ({"name": "a", "inner": {"count": 1.5}}, "Inner.count: must be int, not float"),
        ({"name": "a", "inner": {"count": 1, "ratio": 1.5}}, "Inner.ratio: must be at most 1, not 1.5"),
        ({"name": "a", "inner": {"count": 1, "ratio": -1}}, "Inner.ratio: must be at least 0, not -1.0"),
        ({"name": "a", "inner": {"count": 1, "ratio": float("nan")}}, "Inner.ratio: must be at least 0"),
        ({"name": "a", "inner": []}, "Outer.inner: must be Inner, not list"),
        ({"name": "a", "more": {"count": 1}}, "Outer.more: must be a list, not dict"),
        ({"name": "a", "size": "huge"}, "Outer.size: must be one of: 'small', 'large'"),
        ({"name": "a", "mode": "lonely"}, "Outer.mode: must be one of: 'shared'"),
        ({"name": "a", "flag": 1}, "Outer.flag: must be bool, not int"),
        ({"name": "a", "headers": []}, "Outer.headers: must be a mapping, not list"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(given: dict[str, Any], said: str):
    with pytest.raises(ValueError, match="^" + said.replace(".", r"\.") if "Outer" in said else said):
        Outer(**given)


def test_a_refusal_never_shows_the_value():
    """It may be a secret that stands in the wrong place."""
    with pytest.raises(ValueError, match=r"headers: must be str, not list") as refused:
        Outer(name="a", headers={"authorization": ["sk-secret"]})
    assert "sk-secret" not in str(refused.value)


def test_a_value_cannot_be_changed():
    made = Outer(name="a")
    with pytest.raises(AttributeError, match="Outer is frozen: name cannot be set"):
        made.name = "b"
    with pytest.raises(AttributeError, match="Outer is frozen: name cannot be removed"):
        del made.name
    assert "a" == made.name


def test_equal_values_are_equal_and_hash_alike():
    assert Inner(count=1) == Inner(count=1, ratio=None)
    assert Inner(count=1) != Inner(count=2)
    assert 1 == len({Inner(count=1), Inner(count=1)})


def test_a_repr_leaves_out_what_is_kept_out_of_it():
    shown = repr(Outer(name="a", headers={"authorization": "sk-secret"}))
    assert shown.startswith("Outer(name='a', inner=Inner(count=1, ratio=None), more=()")
    assert "headers" not in shown


def test_a_configuration_is_read_without_pydantic():
    """It takes longer to import than everything else that reading a configuration needs."""
    code = "import sys, tollway.gateway.config; print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "False" == done.stdout.strip()
