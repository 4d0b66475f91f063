"""What one configuration keeps is found by the next under the same key, and by no later one."""

from __future__ import annotations

from tollway.gateway.pipeline.carried import CarriedState, hashable


def test_the_same_key_gives_the_same_object():
    """Also one that is empty: what counts is that it is there."""
    first = CarriedState()
    kept: list[int] = first.get("a", list)
    second = CarriedState(first)
    assert kept is first.get("a", list)
    assert kept is second.get("a", list)
    assert kept is not second.get("b", list)


def test_what_a_configuration_does_not_ask_for_ends_with_the_one_before():
    first = CarriedState()
    first.get("a", list)
    second = CarriedState(first)
    second.seal()
    assert second.found("a") is None
    assert CarriedState(second).found("a") is None


def test_plain_data_is_part_of_a_key():
    """The order of a mapping is no difference; 1, 1.0 and true are three settings."""
    assert hashable({"a": [1, {"b": None}], "c": 2}) == hashable({"c": 2, "a": [1, {"b": None}]})
    assert 3 == len({hashable(value) for value in (1, 1.0, True)})
    assert hashable({"a": 1}) != hashable([("a", 1)])
