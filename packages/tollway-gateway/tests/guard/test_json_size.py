"""The nodes of a JSON text are counted as they will be parsed, whatever its strings hold, in linear time."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tollway.gateway.guard import json_size
from tollway.gateway.guard.json_size import MAX_DEPTH, can_be_written, nodes_and_depth, nodes_of, text_bytes

NO_LIMIT = 10**9

texts = st.text(max_size=20) | st.builds(
    lambda unit, count, end: unit * count + end,
    st.sampled_from(["\\", '"', '\\"', "x", "[{,", "é", "\U0001f600"]),
    st.sampled_from([1, 2, 1023, 1024, 1025, 8191, 8192, 9000]),
    st.sampled_from(["", "\\", '"', 'x"']),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=4) | st.dictionaries(texts, inner, min_size=1, max_size=4)
    ),
    max_leaves=12,
)


def recounted(value: Any) -> int:
    if isinstance(value, dict):
        return 3 + sum(map(recounted, value.values()))
    return 1 + sum(map(recounted, value)) if isinstance(value, list) else 1


@given(st.lists(values, min_size=1, max_size=4), st.booleans())
@example(["\\" * 20_000 + '"', [1, 2]], True)
@example(['\\"' * 20_000, [1, 2]], False)
def test_counts_as_the_parsed_value_does(value: list[Any], escapes_all: bool):
    """Both counts are those of a plain recursion, wherever windows and long strings end."""
    body = json.dumps(value, ensure_ascii=escapes_all).encode()
    assert nodes_of(body, NO_LIMIT) == recounted(value)
    assert nodes_and_depth(value)[0] == recounted(value)


@pytest.mark.parametrize("empty", [[], {}])
def test_an_empty_container_counts_at_most_one_too_many(empty: Any):
    assert nodes_of(orjson.dumps([empty] * 100), NO_LIMIT) - recounted([empty] * 100) == 100


def test_stops_soon_after_the_limit():
    """What is far too large is not counted to its end."""
    assert 1000 < nodes_of(b"[" + b"1," * 1_000_000 + b"1]", 1000) < 1000 + 8 * 1024


@pytest.mark.parametrize(
    "unit",
    [
        *(b"\\\\", b'\\"', b'"",', b"[],"),
        *(b"x" * 1100 + b'\\"', b"\\" * 1100 + b'\\"', b'"' + b"x" * 1023 + b'",'),
    ],
)
def test_looks_at_each_byte_a_bounded_number_of_times(unit: bytes, monkeypatch: pytest.MonkeyPatch):
    """Ten times the text is ten times the work: bytes that are split, and bytes searched for a quote."""
    work = 0

    def counting(function: Any, span: Any) -> Any:
        def call(*arguments: Any) -> Any:
            nonlocal work
            result = function(*arguments)
            work += span(result, *arguments)
            return result

        return call

    split = counting(json_size._outside_of_strings, lambda _, window, __: len(window))
    monkeypatch.setattr(json_size, "_outside_of_strings", split)
    searched = counting(json_size._next_quote, lambda found, _, start: found[0] - start)
    monkeypatch.setattr(json_size, "_next_quote", searched)
    body = b'["' + unit * (1_000_000 // len(unit))
    nodes_of(body, NO_LIMIT)
    assert work <= 3 * len(body)


@pytest.mark.parametrize(("depth", "fits"), [(MAX_DEPTH, True), (MAX_DEPTH + 1, False), (1000, False)])
def test_depth(depth: int, fits: bool):
    """What is reported as too deep is what orjson cannot write."""
    value = orjson.loads(b"[" * depth + b"]" * depth)
    assert can_be_written(value) is fits
    assert (nodes_and_depth(value)[1] <= MAX_DEPTH) is fits


@pytest.mark.parametrize(
    ("text", "width"), [("x", 1), ("\\n", 2), ("é", 2), ("\U0001f600", 4), ("\U0010ffff", 4), ("￿", 2)]
)
def test_text_is_as_wide_as_its_widest_character(text: str, width: int):
    body = f'"{text}"'.encode()
    assert text_bytes(body) == width * len(body)
