import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.provider import sse


def parse(*pieces: bytes) -> list[sse.Event]:
    parser = sse.Parser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    return events + parser.end()


def data_of(*pieces: bytes) -> list[bytes | None]:
    return [event.data for event in parse(*pieces)]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_every_line_end_of_the_specification_ends_a_line(end: bytes) -> None:
    stream = b"data: a" + end * 2 + b"event: ping" + end + b"data: b" + end * 2

    assert [(b"a", b""), (b"b", b"ping")] == [(e.data, e.name) for e in parse(stream)]


def test_one_space_after_the_colon_is_no_part_of_the_value() -> None:
    assert [b"a", b"b", b" c"] == data_of(b"data:a\n\ndata: b\n\ndata:  c\n\n")


def test_data_over_several_lines_is_joined_by_line_feeds() -> None:
    assert [b"a\n\nb"] == data_of(b"data: a\ndata\ndata: b\n\n")


def test_a_byte_order_mark_is_skipped_at_the_start_only() -> None:
    assert [b"a", b"\xef\xbb\xbf"] == data_of(b"\xef\xbb", b"\xbfdata: a\n\ndata: \xef\xbb\xbf\n\n")


def test_a_comment_is_an_event_without_data_so_that_it_can_be_forwarded() -> None:
    assert [sse.Event(b": ping\n\n", None), sse.Event(b"data: a\n\n", b"a")] == parse(
        b": ping\n\ndata: a\n\n"
    )


def test_half_an_event_at_the_end_is_dropped() -> None:
    assert [b"a"] == data_of(b"data: a\n\ndata: b\n")


def test_a_crlf_may_be_split_between_its_halves() -> None:
    assert [sse.Event(b"data: a\r\n\r\n", b"a")] == parse(b"data: a\r", b"\n\r", b"\n")


def test_an_event_without_end_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 10)

    with pytest.raises(sse.EventTooLargeError):
        parse(b"data: 0123456789")


LINES = st.sampled_from(
    [b"data: {}", b"data:x", b"data", b": c", b"event: e", b"id: 1", b"", b"\xef\xbb\xbf", b"?"]
)
STREAMS = st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n", b""])), max_size=12).map(
    lambda lines: b"".join(line + end for line, end in lines)
)


@given(STREAMS, st.lists(st.integers(0, 100), max_size=6))
def test_bytes_split_anywhere_give_the_same_events(stream: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    pieces = [stream[a:b] for a, b in itertools.pairwise(edges)]

    assert parse(stream) == parse(*pieces)


@given(STREAMS)
def test_the_bytes_of_whole_events_are_kept_as_they_came(stream: bytes) -> None:
    kept = b"".join(event.raw for event in parse(stream))

    assert stream.removeprefix(b"\xef\xbb\xbf").startswith(kept)


@given(st.dictionaries(st.text(), st.text()))
def test_what_is_written_is_read_back(value: dict[str, str]) -> None:
    data = json.dumps(value).encode()

    assert [sse.Event(sse.event(data, b"e"), data, b"e")] == parse(sse.event(data, b"e"))
    assert [sse.Event(sse.event(data), data)] == parse(sse.event(data))
