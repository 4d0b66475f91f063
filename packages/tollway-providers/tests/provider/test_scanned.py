"""An object of which parts are not parsed is a dict to whoever reads it."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from tollway.provider.json_text import dumps, members, spliced
from tollway.provider.scanned import OF_ROLES, SMALL_BYTES, ScannedObject, payload_of

PLAIN: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": "é" * SMALL_BYTES}],
    "n": 10**19,
    "tools": [1] * SMALL_BYTES,
}
BODY = json.dumps(PLAIN, indent=1, ensure_ascii=False).encode()
PLACES = {key: (start, end, OF_ROLES if key == "messages" else 0) for key, start, end in members(BODY)}
PARSED = orjson.loads(BODY)


def scanned() -> ScannedObject:
    return ScannedObject(BODY, PLACES)


@pytest.mark.parametrize(
    "read",
    [
        dict,
        lambda one: {**one},
        lambda one: one.copy(),
        copy.copy,
        copy.deepcopy,
        lambda one: pickle.loads(pickle.dumps(one)),  # our own
        lambda one: one | {},
        lambda one: {} | one,
        lambda one: dict(one.items()),
        lambda one: dict(zip(one, one.values(), strict=True)),
        lambda one: {key: one[key] for key in one},
        lambda one: {key: one.get(key) for key in one},
        lambda one: json.loads(json.dumps(one)) | {"n": PARSED["n"]},
        lambda one: orjson.loads(dumps(one)) | {"n": PARSED["n"]},
        lambda one: {key: one.pop(key) for key in list(one)},
        lambda one: {key: one.setdefault(key, 7) for key in list(one)},
        lambda one: dict(reversed([one.popitem() for _ in range(len(one))])),
        payload_of,
    ],
)
def test_reads_as_a_dict(read: Callable[[Any], Any]):
    assert PARSED == read(scanned())


def test_equals_a_dict():
    assert PARSED == scanned()
    assert scanned() == PARSED
    assert not scanned() != PARSED  # noqa: SIM202  # the operator is what is tested
    assert repr(PARSED) == repr(scanned())
    assert (4, True, None) == (len(scanned()), "tools" in scanned(), scanned().get("x"))


def test_encoder_in_c_fails_loudly():
    """Nothing is left out in silence."""
    with pytest.raises(TypeError):
        orjson.dumps(scanned())
    assert PARSED == orjson.loads(orjson.dumps(payload_of(scanned())))


def test_array_is_known_until_it_is_parsed():
    one = scanned()
    assert (OF_ROLES, 0, 0) == (one.kind("messages"), one.kind("model"), one.kind("x"))
    assert PARSED["messages"] == one["messages"]
    assert 0 == one.kind("messages")
    one["messages"] = []
    assert [] == one["messages"]


@pytest.mark.parametrize(
    "changes", [{"model": "other"}, {"stream_options": {"a": 1}}, {"model": 1, "new": 2}, {}]
)
def test_splicing_knows_the_places(changes: dict[str, Any]):
    assert spliced(BODY, PARSED, changes) == spliced(BODY, scanned(), changes)


def test_places_of_another_body_are_not_taken():
    other = BODY.replace(b'"model"', b'  "model"')
    assert spliced(other, PARSED, {"model": "x"}) == spliced(other, scanned(), {"model": "x"})
