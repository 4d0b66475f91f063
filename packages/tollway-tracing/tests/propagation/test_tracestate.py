"""`tracestate`: the list, and the members of OpenTelemetry and of ours."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import SpanContext, TraceState

from tollway.tracing.propagation import (
    W3CTraceState,
    is_deferred,
    random_value_of,
    threshold_of,
    with_deferred,
    with_threshold,
)

EMPTY = TraceState()
FULL = W3CTraceState([(f"k{n}", "v") for n in range(32)])

thresholds = st.integers(0, 2**56 - 1)
subkeys = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True).filter(lambda key: key != "th")
subvalues = st.from_regex(r"[A-Za-z0-9._\-]{0,8}", fullmatch=True)
keys = st.from_regex(r"[a-z0-9][a-z0-9_\-*/@]{0,20}", fullmatch=True)
values = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters=",="), min_size=1, max_size=20
).filter(lambda value: not value.endswith(" "))
states = st.dictionaries(keys, values, max_size=32).map(lambda members: W3CTraceState(list(members.items())))


def state(header: str) -> W3CTraceState:
    return W3CTraceState.from_header([header])


@pytest.mark.parametrize(
    ("threshold", "header"),
    [
        (0, "ot=th:0"),
        (1 << 55, "ot=th:8"),
        (0xCCCC_CCCC_CCCC_CD, "ot=th:cccccccccccccd"),
        (0xFD70A4 << 32, "ot=th:fd70a4"),
        (1, "ot=th:00000000000001"),
    ],
)
def test_a_threshold_is_written_without_trailing_zeros(threshold, header):
    """OTEP 235: 56 bits in hex, trailing zeros dropped, 0 for "everything is kept"."""
    assert header == with_threshold(EMPTY, threshold).to_header()
    assert threshold == threshold_of(state(header))


@given(thresholds)
def test_every_threshold_survives_the_wire(threshold):
    header = with_threshold(EMPTY, threshold).to_header()

    assert threshold == threshold_of(state(header))


@given(states, thresholds)
def test_a_new_threshold_leaves_the_other_members_in_their_order(before, threshold):
    """What is modified comes first; the last of a full list makes room."""
    after = with_threshold(before, threshold)

    assert threshold == threshold_of(after)
    assert "ot" == next(iter(after))
    others = [member for member in before.items() if member[0] != "ot"]
    assert others[:31] == list(after.items())[1:]


@given(st.lists(st.tuples(subkeys, subvalues), max_size=5, unique_by=lambda pair: pair[0]), thresholds)
def test_other_subkeys_of_ot_stay_in_their_order(pairs, threshold):
    rest = ";".join(f"{key}:{value}" for key, value in pairs)
    before = W3CTraceState([("a", "1"), ("ot", rest)] if rest else [("a", "1")])

    after = with_threshold(before, threshold)

    assert rest == after["ot"].partition(";")[2]
    assert list(before.items()) == sorted(with_threshold(after, None).items())


def test_no_threshold_is_said_by_taking_it_out():
    assert (
        "ot=rv:0123456789abcd,a=1" == with_threshold(state("a=1,ot=th:8;rv:0123456789abcd"), None).to_header()
    )
    assert "a=1" == with_threshold(state("a=1,ot=th:8"), None).to_header()
    assert "" == with_threshold(state("ot=th:8"), None).to_header()
    assert "" == with_threshold(EMPTY, None).to_header()


def test_what_does_not_change_is_not_moved():
    """Only a modified member goes to the front: https://www.w3.org/TR/trace-context-2/#mutating-the-tracestate-field."""
    before = state("a=1,ot=th:8")

    assert before is with_threshold(before, 1 << 55)
    assert before is with_deferred(before, False)


@pytest.mark.parametrize("threshold", [-1, 1 << 56])
@pytest.mark.parametrize("before", [EMPTY, state("a=1")])
def test_a_threshold_that_has_no_56_bits_is_refused(before, threshold):
    with pytest.raises(ValueError, match="56 bits"):
        with_threshold(before, threshold)


def test_a_threshold_that_finds_no_room_says_nothing_rather_than_the_old_one():
    """`ot` holds 256 characters; a threshold that is not that of the sampler would count wrongly."""
    before = W3CTraceState([("ot", "th:8;x:" + "y" * 249)])

    after = with_threshold(before, 0xCCCC_CCCC_CCCC_CD)

    assert "ot=x:" + "y" * 249 == after.to_header()


@pytest.mark.parametrize(
    "value",
    [
        "th:",
        "th:g",
        "th:0123456789abcde",
        "th",
        "th:8;th:8",
        "th:8;",
        "TH:8",
        "th:8 ",
        "rv:8;th:0x8",
        "",
    ],
)
def test_a_malformed_threshold_is_none(value):
    assert threshold_of(W3CTraceState([("ot", value), ("a", "1")])) is None


@pytest.mark.parametrize(
    "value", ["rv:0123456789abc", "rv:0123456789abcde", "rv:0123456789abcg", "rv:", "x:1"]
)
def test_a_random_value_has_exactly_14_digits(value):
    assert random_value_of(W3CTraceState([("ot", value)])) is None


def test_a_random_value_is_read_beside_a_threshold():
    assert 0x0123456789ABCD == random_value_of(state("ot=th:8;rv:0123456789abcd"))
    assert 1 << 55 == threshold_of(state("ot=rv:0123456789abcd;th:8"))
    assert random_value_of(EMPTY) is None
    assert threshold_of(EMPTY) is None


def test_a_state_of_otel_is_read_and_written_as_well():
    """Other propagators make OTel's own class."""
    before = TraceState([("a", "1"), ("ot", "th:8")])

    assert 1 << 55 == threshold_of(before)
    assert "ot=th:c,a=1" == with_threshold(before, 0xC << 52).to_header()
    assert "tollway=d,a=1,ot=th:8" == with_deferred(before, True).to_header()


@given(states)
def test_deferred_is_set_and_taken_back(before):
    after = with_deferred(before, True)

    assert is_deferred(after)
    assert "tollway" == next(iter(after))
    assert not is_deferred(with_deferred(after, False))
    assert list(before.items())[:31] == list(with_deferred(after, False).items())[:31]


def test_what_a_newer_peer_says_in_our_member_stays():
    assert not is_deferred(state("tollway=x:1"))
    assert "tollway=d;x:1" == with_deferred(state("tollway=x:1"), True).to_header()
    assert "tollway=x:1" == with_deferred(state("tollway=d;x:1"), False).to_header()


def test_the_states_of_all_roots_are_made_once():
    """A root asks for the same two states every time."""
    first = with_deferred(with_threshold(EMPTY, 1 << 55), True)

    assert first is with_deferred(with_threshold(TraceState(), 1 << 55), True)
    assert "tollway=d,ot=th:8" == first.to_header()


@given(states)
def test_a_list_survives_the_wire(before):
    after = W3CTraceState.from_header([before.to_header()])

    assert list(before.items()) == list(after.items())


@given(states, st.data())
def test_a_list_in_several_headers_is_one_list(before, data):
    """RFC 9110 section 5.3, with optional whitespace and empty members."""
    members = before.to_header().split(",")
    at = data.draw(st.integers(0, len(members)))
    space = data.draw(st.text(" \t", max_size=3))

    after = W3CTraceState.from_header([f"{space},{space}".join(members[:at]), space, ",".join(members[at:])])

    assert list(before.items()) == list(after.items())


@pytest.mark.parametrize("key", ["1", "foo@", "foo@@bar", "foo@bar@baz", "z" * 256, "t@" + "v" * 254])
def test_a_key_of_level_2_is_kept_through_changes(key):
    """OTel's class knows level 1 only, and drops these when the state is changed."""
    before = state(f"{key}=1,a=1")

    assert ["b", key, "a"] == list(before.add("b", "2"))
    assert ["a", key] == list(before.update("a", "2"))
    assert [key] == list(before.delete("a"))
    assert ["ot", key, "a"] == list(with_threshold(before, 0))


def test_a_state_refuses_what_is_invalid():
    before = state("a=1")

    assert before is before.add("a", "2")
    assert before is before.add("B", "2")
    assert before is before.update("a", "x,y")
    assert before is before.delete("b")
    assert [("a", "1")] == list(W3CTraceState([("a", "1"), ("a", "2"), ("B", "1"), ("b", " ")]).items())


def test_a_full_list_gives_up_its_last_for_a_new_member():
    after = FULL.add("new", "1")

    assert 32 == len(after)
    assert "new" == next(iter(after))
    assert "k31" not in after


def test_a_list_over_8192_characters_is_cut_by_whole_members():
    """Long ones first, then from the end: https://www.w3.org/TR/trace-context-2/#tracestate-limits."""
    long = [(f"tenant{n:06}", "x" * 256) for n in range(31)]
    header = W3CTraceState([*long, ("short", "1")]).to_header()
    assert len(header) > 8192

    cut = state(header)

    assert [*long[:30], ("short", "1")] == list(cut.items())
    assert len(cut.to_header()) <= 8192


def test_a_state_is_pickled_and_copied_like_any_other():
    context = SpanContext(1, 2, True, trace_state=state("1a=1"))

    assert "1a=1" == pickle.loads(pickle.dumps(context)).trace_state.to_header()
