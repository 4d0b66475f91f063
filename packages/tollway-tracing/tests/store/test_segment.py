"""The format of a segment, against a plain list of traces."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollway.tracing.store import Summary
from tollway.tracing.store._files import Files
from tollway.tracing.store._segment import DamagedSegmentError, Segment
from tollway.tracing.store._segment_writer import SegmentWriter, dictionary_of

TRACES = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.one_of(st.integers(1, 40), st.integers(1, 2**128 - 1)),
            "start": st.integers(0, 2_000),
            "duration": st.integers(0, 5_000_000),
            "failed": st.booleans(),
            "size": st.integers(0, 300),
            "whole": st.booleans(),
        }
    ),
    unique_by=lambda trace: trace["id"],
    max_size=40,
)


def summary_of(trace):
    status = "ERROR" if trace["failed"] else "OK"
    return Summary(
        f"{trace['id']:032x}", trace["start"], trace["duration"], status, "op", "ratio", 2, "shop", True
    )


def segment_of(folder, traces, dictionary=None):
    writer = SegmentWriter(Files(str(folder)), f"{folder}/a.seg", dictionary)
    for trace in traces:
        summary = summary_of(trace) if trace["whole"] else None
        writer.add(f"{trace['id']:032x}", data_of(trace), summary)
    writer.finish()
    return Segment("a.seg", os.open(folder / "a.seg", os.O_RDONLY))


def data_of(trace):
    return b"%d " % trace["id"] * trace["size"]


@given(traces=TRACES)
@settings(max_examples=50, deadline=None)
def test_a_segment_says_what_a_list_says(tmp_path_factory, traces):
    """Bytes, rows, ids, and rows by start, status and duration."""
    traces = sorted(traces, key=lambda trace: trace["start"])
    segment = segment_of(tmp_path_factory.mktemp("segment"), traces)
    ids = [f"{trace['id']:032x}" for trace in traces]
    assert ids == list(segment.trace_ids())
    for row, trace in enumerate(traces):
        assert data_of(trace) == segment.data(row)
        assert (ids[row], summary_of(trace) if trace["whole"] else None) == segment.row(row)
        assert row == segment.find(ids[row])
        assert sorted(one for one in ids if one.startswith(ids[row][:3])) == sorted(
            segment.beginning(ids[row][:3])
        )
    assert segment.find("f" * 31 + "0") is None
    failed = [row for row, trace in enumerate(traces) if trace["failed"] and trace["whole"]]
    assert failed == list(segment.by_start("ERROR", newest=False))
    assert failed[::-1] == list(segment.by_start("ERROR", newest=True))
    assert list(range(len(traces)))[::-1] == list(segment.by_start(None, newest=True))
    within = sorted(
        (trace["duration"], row)
        for row, trace in enumerate(traces)
        if trace["whole"] and 1_000 <= trace["duration"] <= 4_000_000
    )
    assert within == list(segment.by_duration(1_000, 4_000_000, slowest=False))
    assert within[::-1] == list(segment.by_duration(1_000, 4_000_000, slowest=True))


def test_many_traces_lie_in_many_blocks(tmp_path):
    """Beyond one block of everything, with a dictionary: what was put in comes out."""
    traces = [
        {"id": n * 7919 % 5003 << 100, "start": n, "duration": n * 31 % 997, "failed": n % 9 == 0, "size": 20}
        | {"whole": True}
        for n in range(1, 5_000)
    ]
    segment = segment_of(tmp_path, traces, dictionary_of([data_of(trace) for trace in traces[:500]]))
    for row in (0, 1, 127, 128, 511, 512, 2_047, 2_048, 4_998):
        assert row == segment.find(f"{traces[row]['id']:032x}")
        assert data_of(traces[row]) == segment.data(row)
    assert sorted((trace["duration"], row) for row, trace in enumerate(traces)) == list(
        segment.by_duration(0, 10_000, slowest=False)
    )
    assert 4_999 == len(set(segment.beginning("0")) | set(segment.trace_ids()))


@pytest.mark.parametrize("kept", [0, 7, 200, -1], ids=str)
def test_a_segment_that_is_cut_is_damaged(tmp_path, kept):
    traces = [
        {"id": n, "start": n, "duration": 5, "failed": False, "size": 50, "whole": True} for n in range(1, 90)
    ]
    segment_of(tmp_path, traces)
    os.truncate(tmp_path / "a.seg", kept if kept >= 0 else (tmp_path / "a.seg").stat().st_size - 1)
    with pytest.raises(DamagedSegmentError):
        Segment("a.seg", os.open(tmp_path / "a.seg", os.O_RDONLY))


def test_bytes_that_changed_are_not_believed(tmp_path):
    """Every frame has a checksum."""
    traces = [{"id": 1, "start": 1, "duration": 5, "failed": False, "size": 3_000, "whole": True}]
    segment_of(tmp_path, traces)
    with (tmp_path / "a.seg").open("r+b") as file:
        file.seek(20)
        file.write(b"\xff\xff\xff")
    segment = Segment("a.seg", os.open(tmp_path / "a.seg", os.O_RDONLY))
    with pytest.raises(DamagedSegmentError):
        segment.data(0)
