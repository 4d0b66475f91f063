"""Inputs and outputs as JSON: an odd value costs its own place, and nobody's code runs that need not."""

import functools
import json
from dataclasses import dataclass
from typing import NamedTuple
from unittest import mock

import pytest

from tollway.tracing._json import to_json_text


@dataclass
class Point:
    x: object


class Pair(NamedTuple):
    a: object


class Model:
    def __init__(self, x):
        self.x = x

    def model_dump(self):
        return {"x": self.x}


CYCLE: list[object] = []
CYCLE.append(CYCLE)

ODD = {
    "tuple key": {("a", 1): 1},
    "half a surrogate pair": "\ud83d",
    "surrogate key": {"\ud83d": 1},
    "integer beyond 64 bits": 2**70,
    "cycle": CYCLE,
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("around", [lambda odd: odd, lambda odd: [odd], Point, Pair, Model])
def test_an_odd_value_costs_its_own_place_only(odd, around):
    found = json.loads(to_json_text({"question": "why?", "odd": around(odd), "after": [1, 2.5, None, True]}))
    assert ["question", "odd", "after"] == list(found)
    assert ("why?", [1, 2.5, None, True]) == (found["question"], found["after"])


def test_an_integer_beyond_64_bits_stays_exact():
    assert {"n": 2**70} == json.loads(to_json_text({"n": 2**70}))


def test_what_nests_without_end_is_cut():
    nested: object = "leaf"
    for _ in range(10_000):
        nested = [nested]
    assert to_json_text({"nested": nested, "odd": "\ud800"})


@pytest.mark.parametrize("kind", [mock.Mock, mock.MagicMock, mock.AsyncMock])
def test_a_mock_is_not_asked_for_anything(kind):
    made = kind()
    assert json.loads(to_json_text({"client": made}))["client"] == repr(made)
    assert [] == made.mock_calls


def test_what_answers_to_any_name_is_not_called():
    class Proxy:
        def __getattr__(self, name):
            return functools.partial(pytest.fail, f"called {name}")

        def __repr__(self):
            return "<proxy>"

    assert ["<proxy>"] == json.loads(to_json_text([Proxy()]))


def test_an_asynchronous_dump_is_not_begun(recwarn):
    class Remote:
        async def model_dump(self):
            return {}

    class Hidden:
        def model_dump(self):
            return Remote().model_dump()

    assert 2 == len(json.loads(to_json_text([Remote(), Hidden()])))
    assert [] == [str(warning.message) for warning in recwarn if "never awaited" in str(warning.message)]
