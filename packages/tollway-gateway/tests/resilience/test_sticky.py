from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.apis import api_of
from tollway.gateway.resilience.sticky import StickyTable, conversation_key, rendezvous
from tollway.provider import Task

from .conftest import Clock

CHAT, COMPLETIONS = api_of(Task.CHAT), api_of(Task.COMPLETIONS)

SYSTEM = {"role": "system", "content": "You are kind."}


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def chat(*messages: Any, **more: Any) -> bytes | None:
    return conversation_key([], CHAT, {"messages": list(messages), **more})


def test_a_conversation_is_known_by_its_beginning() -> None:
    answer = {"role": "assistant", "content": "Hi"}

    assert chat(SYSTEM, user("a")) == chat(SYSTEM, user("a"), answer, user("b"))
    assert chat(SYSTEM, user("a")) != chat(SYSTEM, user("b"))
    assert chat(user("a")) != chat(SYSTEM, user("a"))


@pytest.mark.parametrize(
    "named",
    [
        {"prompt_cache_key": "k"},
        {"session_id": "k"},
        {"conversation": "k"},
        {"conversation": {"id": "k"}},
        {"metadata": {"session_id": "k"}},
        {"user": "k"},
    ],
)
def test_a_field_that_names_it_goes_before_its_beginning(named: dict[str, Any]) -> None:
    assert chat(user("a"), **named) == chat(user("b"), **named)
    assert chat(user("a"), **named) != chat(user("a"))


def test_a_conversation_goes_before_the_user() -> None:
    assert chat(user("a"), session_id="s", user="u") == chat(user("a"), session_id="s", user="v")


def test_headers_go_before_fields_and_the_configured_one_before_all() -> None:
    headers = [(b"x-session-id", b"s"), (b"x-tenant", b"t")]
    by = [
        conversation_key(headers, CHAT, {"session_id": "k"}),
        conversation_key(headers[:1], CHAT, {}),
        conversation_key(headers, CHAT, {}, b"x-tenant"),
        conversation_key(headers[1:], CHAT, {"session_id": "k"}, b"x-tenant"),
    ]

    assert by[0] == by[1]
    assert by[2] == by[3] != by[0]


def test_a_prompt_is_its_own_beginning() -> None:
    assert conversation_key([], COMPLETIONS, {"prompt": "a"}) != conversation_key(
        [], COMPLETIONS, {"prompt": "b"}
    )


@pytest.mark.parametrize("payload", [{}, {"input": "a"}, {"messages": []}, {"messages": 3}, {"user": ""}])
def test_what_names_nothing_has_no_key(payload: dict[str, Any]) -> None:
    assert conversation_key([], CHAT, payload) is None


@given(
    st.dictionaries(
        st.sampled_from(["messages", "prompt", "user", "metadata", "conversation"]),
        st.recursive(
            st.none() | st.integers() | st.text(st.characters()) | st.floats(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
        ),
    )
)
def test_any_request_has_a_key_or_none(payload: dict[str, Any]) -> None:
    key = conversation_key([], CHAT, payload)

    assert key is None or len(key) == 16


KEYS = [bytes([a, b]) for a in range(100) for b in range(20)]


def test_keys_spread_by_weight() -> None:
    first = Counter(rendezvous(key, {"a": 3.0, "b": 1.0})[0] for key in KEYS)

    assert 0.7 < first["a"] / len(KEYS) < 0.8


def test_without_one_name_the_others_keep_their_order() -> None:
    names = {"a": 1.0, "b": 2.0, "c": 1.0}
    for key in KEYS:
        order = rendezvous(key, names)
        rest = [name for name in order if name != "b"]
        assert rest == rendezvous(key, {"a": 1.0, "c": 1.0})


def test_the_order_is_the_same_in_every_process() -> None:
    """Written down, as another process would work it out."""
    assert ["a", "b", "c"] == rendezvous(b"k" * 16, {"a": 1.0, "b": 1.0, "c": 1.0})


def test_what_was_moved_is_forgotten_after_its_time(clock: Clock) -> None:
    table = StickyTable(60.0, clock)
    table.remember(b"k", "b")
    clock.advance(59)
    assert "b" == table.find(b"k")
    clock.advance(1)
    assert table.find(b"k") is None
    assert 0 == len(table)


def test_a_table_is_bounded_and_the_quietest_conversation_gives_way(clock: Clock) -> None:
    table = StickyTable(60.0, clock, max_entries=2)
    table.remember(b"1", "a")
    table.remember(b"2", "a")
    table.remember(b"1", "a")
    table.remember(b"3", "a")

    assert [True, False, True] == [table.find(key) is not None for key in (b"1", b"2", b"3")]
