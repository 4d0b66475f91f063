"""JSON whose bytes matter."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.provider import Call, Task
from tollway.provider._openai_dialect import body_of
from tollway.provider.json_text import TooDeepError, dumps, loads, members, spliced, without_key

BIG = 100000000000000000001

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(["model", "stream", "x", 'mo"del', "\\"]) | st.text()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a":%d}' % BIG, {"a": BIG}),
        (b'"\\ud83d"', "\ud83d"),
        (b"[-Infinity]", [float("-inf")]),
        (b"\xef\xbb\xbf{}", {}),
        (b'"\xe9"', "\ufffd"),
    ],
)
def test_what_the_official_clients_read_is_read(text: bytes, value: Any):
    assert value == loads(text)


@pytest.mark.parametrize("value", [BIG, "\ud83d", [BIG, "\ud83d"]])
def test_what_was_read_is_written_again(value: Any):
    assert value == loads(dumps(value))


@given(st.dictionaries(keys, values, max_size=6), st.sampled_from([None, 1]), st.booleans())
def test_members_are_those_of_the_object(given_object: dict[str, Any], indent: int | None, ascii_only: bool):
    """Each with the bytes of its value, whatever the white space."""
    body = json.dumps(given_object, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    found = [(key, json.loads(body[start:end].decode())) for key, start, end in members(body)]

    assert list(given_object.values()) == [value for _, value in found]
    assert [key.encode().decode("latin-1") if not ascii_only else key for key in given_object] == [
        key for key, _ in found
    ]


@given(st.dictionaries(keys, values, max_size=6), st.sampled_from([None, 1]))
def test_a_spliced_object_differs_in_the_changes_alone(given_object: dict[str, Any], indent: int | None):
    body = json.dumps(given_object, indent=indent).encode()
    changes = {"model": 'a "name"', "stream_options": {"include_usage": True}}

    assert {**given_object, **changes} == json.loads(spliced(body, given_object, changes))


@given(st.dictionaries(keys, values, max_size=6), st.sampled_from([None, 1]), st.booleans())
def test_the_model_of_a_body_is_its_own(given_object: dict[str, Any], indent: int | None, stream: bool):
    """Keys of that name inside of it stay, however they and it are written."""
    body = json.dumps(given_object, indent=indent).encode()
    options = {} if isinstance(given_object.get("stream_options"), dict) else {"stream_options": None}
    payload = {**given_object, **options}
    call = Call(Task.CHAT, payload, json.dumps(payload, indent=indent).encode(), stream)
    read = json.loads(body_of(call, "m", ask_usage=False))

    assert {**payload, "model": "m"} == read
    assert body


def test_a_key_written_with_escapes_is_found():
    body = b'{"\\u006dodel": "a", "tools": [{"model": "b"}]}'
    call = Call(Task.CHAT, json.loads(body), body)

    assert b'{"\\u006dodel": "m", "tools": [{"model": "b"}]}' == body_of(call, "m")


def test_what_is_nested_too_deep_to_look_through_is_told():
    body = b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with pytest.raises(TooDeepError):
        list(members(body))


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (b'{"k": {}, "a": 1e400}', b'{"a": 1e400}'),
        (b' { "a" : 1 , "k" : null } ', b'{"a" : 1}'),
        (b'{"k":1}', b"{}"),
        (b'{"a":[1,{"k":2}],"b":","}', b'{"a":[1,{"k":2}],"b":","}'),
    ],
)
def test_without_a_key(body: bytes, left: bytes) -> None:
    """The other keys and values are written as they came."""
    assert left == without_key(body, "k")
