"""A trace is OK unless one of its spans failed; stores written when that was UNSET are read."""

import pytest
from opentelemetry.trace import StatusCode

from tollway.tracing.store import reindex, verify

DAY = "2026-11-24"
TRACE = f"{1:032x}"


def names(store, day=DAY):
    return sorted(path.stem for path in (store.layout.indexes / "by_status" / day).iterdir())


@pytest.fixture
def older(store, span):
    """A store as an earlier version wrote it: one trace without an error, one with."""
    store.write([[span(1)], [span(2, status=StatusCode.ERROR)]])
    for path in store.layout.root.rglob("*.json*"):
        path.write_bytes(path.read_bytes().replace(b'"OK"', b'"UNSET"'))
    bucket = store.layout.indexes / "by_status" / DAY / "OK.jsonl"
    bucket.rename(bucket.with_name("UNSET.jsonl"))
    return store


@pytest.mark.parametrize("code", [StatusCode.UNSET, StatusCode.OK])
def test_a_trace_without_an_error_is_ok(store, span, code):
    """Whether somebody set its root's status or nobody did."""
    store.write([[span(1, status=code)]])
    assert ["OK"] == names(store)
    assert ["OK"] == [trace.status for trace in store.search(status="OK")]
    assert "OK" == store.get(TRACE).status


def test_spans_keep_opentelemetrys_own_status(store, span):
    store.write([[span(1)]])
    assert "UNSET" == store.get(TRACE).spans[0].status


@pytest.mark.parametrize("order_by", ["newest", "oldest", "slowest"])
def test_what_an_earlier_version_called_unset_is_found_as_ok(older, order_by):
    for status in ("OK", "ok", "UNSET"):
        assert [TRACE] == [trace.trace_id for trace in older.search(status=status, order_by=order_by)]
    assert {"OK", "ERROR"} == {trace.status for trace in older.search()}
    assert "OK" == older.get(TRACE).status
    assert verify(older).ok


def test_an_older_trace_that_fails_later_is_no_longer_ok(older, span):
    older.write([[span(1, 9, 1, status=StatusCode.ERROR)]])
    assert [] == older.search(status="OK")
    assert 2 == len(older.search(status="ERROR"))


def test_reindex_moves_older_rows_to_ok(older):
    assert ["ERROR", "UNSET"] == names(older)
    reindex(older)
    assert ["ERROR", "OK"] == names(older)
    assert [TRACE] == [trace.trace_id for trace in older.search(status="OK")]


def test_other_words_are_refused_with_those_that_are_known(store):
    with pytest.raises(ValueError, match="OK, ERROR, not 'FINE'"):
        store.search(status="FINE")
