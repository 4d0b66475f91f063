"""Schemas as Claude's structured outputs take them."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.providers._anthropic_schema import closed, is_open

PLACE = {"type": "object", "properties": {"city": {"type": "string", "minLength": 2}}, "required": ["city"]}


def test_every_object_is_closed_wherever_it_stands() -> None:
    schema = {
        "type": "object",
        "properties": {
            "one": PLACE,
            "some": {"type": "array", "items": PLACE},
            "any": {"anyOf": [PLACE, {"type": "null"}]},
            "all": {"allOf": [PLACE]},
            "maybe": {"type": ["object", "null"], "properties": {"a": {"type": "integer"}}},
        },
        "$defs": {"place": PLACE},
    }

    def objects(node: Any) -> list[Any]:
        inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        own = [node] if isinstance(node, dict) and isinstance(node.get("properties"), dict) else []
        return own + [found for value in inner for found in objects(value)]

    found = objects(closed(schema))
    assert 7 == len(found)
    assert all(one["additionalProperties"] is False for one in found)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("minimum", 1),
        ("maximum", 9.5),
        ("exclusiveMinimum", 0),
        ("multipleOf", 2),
        ("minLength", 3),
        ("maxLength", 5),
        ("minItems", 2),
        ("maxItems", 4),
        ("uniqueItems", True),
        ("format", "color"),
        ("pattern", "(?=a)b"),
    ],
)
def test_what_is_refused_moves_to_the_description(keyword: str, value: Any) -> None:
    said = closed({"type": "string", "description": "A name.", keyword: value})

    assert keyword not in said
    assert said["description"].startswith("A name.")
    assert json.dumps({keyword: value}) in said["description"]


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("minItems", 1),
        ("format", "date"),
        ("pattern", "^a+$"),
        ("enum", ["a"]),
        ("const", 1),
        ("default", 1),
        ("title", "T"),
    ],
)
def test_what_is_taken_stays(keyword: str, value: Any) -> None:
    schema = {"type": "string", keyword: value}

    assert schema == closed(schema)


def test_one_of_is_any_of() -> None:
    said = closed({"oneOf": [PLACE, {"type": "string"}]})

    assert [closed(PLACE), {"type": "string"}] == said["anyOf"]
    assert {"anyOf"} == set(said)


def test_the_callers_schema_is_left_as_it_was() -> None:
    before = copy.deepcopy(PLACE)
    closed(PLACE)

    assert before == PLACE


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        ({"type": "object"}, True),
        ({"type": "object", "additionalProperties": {"type": "string"}}, True),
        ({"type": "array", "items": {"type": "object"}}, True),
        ({"anyOf": [{"type": "null"}, {"type": "object", "patternProperties": {"a": {}}}]}, True),
        ({"type": "object", "additionalProperties": False}, False),
        (PLACE, False),
        ({**PLACE, "additionalProperties": True}, False),
    ],
)
def test_an_object_of_any_keys_is_open(schema: dict[str, Any], answer: bool) -> None:
    """Closed, it could only be empty; one that names properties has an answer either way."""
    assert answer is is_open(schema)


KEYWORDS = st.sampled_from(
    ["type", "properties", "items", "anyOf", "oneOf", "enum", "minimum", "format", "pattern"]
)
ANY = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from(["object", "string", "date"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYWORDS, inner, max_size=3),
    max_leaves=9,
)


@given(st.dictionaries(KEYWORDS, ANY, max_size=4))
def test_any_json_can_be_closed(schema: dict[str, Any]) -> None:
    """And what is closed stays as it is, but for limits that are named in descriptions."""
    once = closed(schema)

    assert once == closed(once)
    assert is_open(schema) in (True, False)
