"""A follower tells what any process adds to a store, once, and reads nothing that did not change."""

import pytest
from opentelemetry.trace import StatusCode

from tollway.tracing.readers import Query
from tollway.tracing.store import FileStore, Follower, reindex

ALL = Query()


@pytest.fixture
def follower(store, span):
    store.write([[span(99)]])
    return Follower(FileStore(store.layout.root))


def names(traces):
    return [int(trace.trace_id, 16) for trace in traces]


def test_what_is_written_is_told_once(store, span, follower):
    """By several writers, in order; what was there before is not told."""
    other = FileStore(store.layout.root, layout="journal")
    store.write([[span(1)]])
    other.write([[span(2)]])
    assert [1, 2] == names(follower.new(ALL))
    assert [] == follower.new(ALL)
    store.write([[span(3)]])
    assert [3] == names(follower.new(ALL))
    other.close()


def test_a_trace_that_grows_is_told_again_as_it_is_now(store, span, follower):
    store.write([[span(1)]])
    follower.new(ALL)
    store.write([[span(1, 2, 1, status=StatusCode.ERROR)]])
    (trace,) = follower.new(ALL)
    assert ("ERROR", 2) == (trace.status, len(trace.spans))


def test_a_query_chooses(store, span, follower):
    store.write([[span(1, attributes={"user.id": "ann"})], [span(2, status=StatusCode.ERROR)]])
    assert [2] == names(follower.new(Query.of(status="ERROR")))
    store.write([[span(3, attributes={"user.id": "ann"})], [span(4)]])
    assert [3] == names(follower.new(Query.of(user="ann")))


def test_nothing_is_read_that_did_not_change(store, span, follower, monkeypatch):
    follower.new(ALL)
    monkeypatch.setattr(follower._reader.layout.files, "read", None)
    assert [] == follower.new(ALL)


def test_a_row_that_is_not_whole_is_told_when_it_is(store, span, follower):
    store.write([[span(1)]])
    (bucket,) = store.layout.indexes.glob("by_status/*/OK.jsonl")
    data = bucket.read_bytes()
    bucket.write_bytes(data[:-9])
    assert [] == follower.new(ALL)
    bucket.write_bytes(data)
    assert [1] == names(follower.new(ALL))


def test_indexes_that_are_made_anew_are_no_news(store, span, follower):
    store.write([[span(1)]])
    follower.new(ALL)
    reindex(store)
    store.write([[span(2)]])
    assert {2} <= set(names(follower.new(ALL)))


def test_a_store_that_is_not_there_yet_can_be_followed(tmp_path, span):
    follower = Follower(FileStore(tmp_path / "later"))
    assert [] == follower.new(ALL)
    FileStore(tmp_path / "later").write([[span(1)]])
    assert [1] == names(follower.new(ALL))
