"""The scanner beside orjson: what it accepts, orjson accepts, with the same values in the same places."""

from __future__ import annotations

import json
import random
from typing import Any

import orjson
import pytest

from tollway.gateway.guard.json_scan import scan
from tollway.tracing.engine import IS_COMPILED

_PIECES = (
    *(
        b'"',
        b"\\",
        b"\\u",
        b"d800",
        b"0041",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"1",
        b"-",
        b"0",
        b".",
        b"e",
    ),
    *(b"e", b"E5", b"true", b"false", b"null", b"nul", b"\0", b"\x1f", b" ", b"\n", b"\t", b"\r"),
    *(
        b"\xff",
        b"\xc3\xa9",
        b"\xe2\x82",
        b"\xf0\x9f\x98\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xc0\x80",
    ),
    *(b"\xe0\x80\x80", b"role", b'"role":"u"', b'"a":1', b"NaN", b"\xef\xbb\xbf", b"a" * 23, b"\\n", b"/"),
)
_SIGNS = ("a", "é", "日", "😀", "\\", '"', "\n", "\x7f", "x" * 19, "/")


def value(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.randrange(9 if depth < 5 else 5)
    if kind < 3:
        whole = chance.randrange(-(10 ** chance.randrange(1, 25)), 10**25)
        part = round(chance.uniform(-1e6, 1e6), chance.randrange(8))
        return chance.choice((None, True, False, whole, whole, part, part))
    if kind < 5:
        return "".join(chance.choice(_SIGNS) for _ in range(chance.randrange(30)))
    if kind == 5:
        return [value(chance, depth + 1) for _ in range(chance.randrange(5))]
    if kind == 6:
        return [{"role": value(chance, 9), "c": value(chance, depth + 1)} for _ in range(chance.randrange(4))]
    keys = ("role", "a", "é", "b\\", "x" * 20, "model")
    return {chance.choice(keys): value(chance, depth + 1) for _ in range(chance.randrange(5))}


def text(chance: random.Random) -> bytes:
    """Return an object's JSON, often with something wrong in it."""
    keys = ("model", "messages", "a", "é", "")
    made = {f"{chance.choice(keys)}{index}": value(chance) for index in range(chance.randrange(6))}
    indent = chance.choice((None, None, 1))
    whole = bytearray(json.dumps(made, ensure_ascii=chance.random() < 0.3, indent=indent).encode())
    for _ in range(chance.choice((0, 0, 1, 1, 2, 3))):
        at = chance.randrange(len(whole) + 1)
        what = chance.randrange(4)
        if what == 0:
            whole[at:at] = chance.choice(_PIECES)
        elif what == 1:
            del whole[at : at + chance.randrange(1, 4)]
        elif what == 2 and at < len(whole):
            whole[at] = chance.randrange(256)
        else:
            whole[at : at + chance.randrange(3)] = chance.choice(_PIECES)
    return bytes(whole)


def known_of(value: Any) -> int:
    """Return what is to be known of an array."""
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        return 0
    return 2 if all(isinstance(one.get("role"), str) for one in value) else 1


@pytest.mark.parametrize("seed", range(8))
def test_what_it_accepts_orjson_reads_alike(seed: int):
    chance = random.Random(seed)
    for _ in range(2000):
        body = text(chance)
        if (found := scan(body)) is None:
            continue
        places, nodes, _ = found
        payload = orjson.loads(body)
        assert list(payload) == list(places), body
        assert payload == {key: orjson.loads(body[start:end]) for key, (start, end, _) in places.items()}, (
            body
        )
        for key, (_, _, known) in places.items():
            # A key `role` that is written with escapes, or stands there twice, is left to the parser.
            assert known <= known_of(payload[key]), body
        assert nodes >= 1 + len(payload)


@pytest.mark.parametrize("seed", range(2))
def test_usual_objects_are_accepted(seed: int):
    chance = random.Random(seed)
    for _ in range(1000):
        made = {f"k{index}": value(chance) for index in range(1 + chance.randrange(6))}
        body = json.dumps(made, ensure_ascii=False).encode()
        if b"e-" not in body and b"e+" not in body:
            found = scan(body)
            if found is None:  # the Python in its place accepts nothing
                assert not IS_COMPILED, body
                continue
            assert {key: known_of(one) for key, one in made.items()} == {
                key: known for key, (_, _, known) in found[0].items()
            }, body


@pytest.mark.parametrize(
    ("content", "width"), [("a" * 40, 1), ("a\n", 2), ("é" * 9, 2), ("日" * 9, 2), ("a" * 17 + "😀", 4)]
)
def test_width_is_that_of_the_widest_character(content: str, width: int):
    found = scan(json.dumps({"a": content}, ensure_ascii=False).encode())
    assert (width if IS_COMPILED else None) == (found and found[2])


@pytest.mark.parametrize("given", [None, "{}", 1, bytearray(b'{"a":1}'), memoryview(b'{"a":1}')])
def test_odd_arguments_raise(given: Any):
    if IS_COMPILED:
        with pytest.raises(TypeError):
            scan(given)


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b"{",
            b'{"',
            b'{"a',
            b'{"a"',
            b'{"a":',
            b'{"a":1',
            b'{"a":1,',
            b'{"a":"\\',
            b'{"a":"\\u',
            b"[1]",
        ),
        *(
            b'{"a":1}x',
            b'{"a":tru',
            b'{"a":1e400}',
            b'{"a":"\\ud800"}',
            b'{"a":1,"a":2}',
            b'{"\\u0061":1}',
            b"{}",
        ),
        *(b'{"a":' + b"[" * 255 + b"]" * 255 + b"}", b'{"a":' + b"[" * 1000, b'{"a":01}', b'{"a":"\xff"}'),
        *(b'{"a":' + b"1" * 400 + b"}", b'\xef\xbb\xbf{"a":1}', b'{"a":"\n"}', b'{"a":NaN}', b'{"a":\xc3'),
    ],
)
def test_what_is_unusual_or_wrong_is_left_to_the_parser(body: bytes):
    assert scan(body) is None
