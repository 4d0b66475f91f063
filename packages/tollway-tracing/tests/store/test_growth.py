"""A trace that grows costs what it grows by, and its row says what its file does, whoever wrote the lines."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import StatusCode

from support.growth import growth
from tollway.tracing.store import FileStore, Summary, _growth, verify
from tollway.tracing.store._growth import Growing
from tollway.tracing.summary import Merging, merged

TRACE = f"{1:032x}"
MS = 1_000_000
DAY = "2026-11-24"


def late(span, n, **facts):
    """Return the group of one request of the trace: a local root, as a caller's traceparent makes it."""
    return [span(1, n + 2, 1, remote_parent=True, name=f"request {n}", **facts)]


def append(store, *groups):
    """Write groups one by one, and their rows together."""
    store.write_index([row for group in groups for row in store.append([group])[1]])


def path_of(store):
    return store.layout.trace_file(DAY, TRACE)


@pytest.fixture
def parsed(monkeypatch):
    """The lines that writers parsed."""
    lines = []
    real = _growth.summary_of
    monkeypatch.setattr(_growth, "summary_of", lambda line: lines.append(line) or real(line))
    return lines


def test_every_line_is_parsed_once(store, span, parsed):
    """By the process that writes them all."""
    for n in range(50):
        store.write([late(span, n)])
    assert 50 == len(parsed)
    assert [50] == [trace.span_count for trace in store.search()]


def test_processes_read_each_others_lines_once(tmp_path, span, parsed):
    stores = [FileStore(tmp_path) for _ in range(3)]
    for n in range(60):
        stores[n % 3].write([late(span, n)])
    assert len(parsed) <= 3 * 60
    assert [60] == [trace.span_count for trace in FileStore(tmp_path).search()]
    assert verify(stores[0]).ok


def test_appending_takes_linear_time(tmp_path_factory, span):
    """Eight times the requests of one trace take eight times the time, not 64 or 512 times."""

    def write(requests):
        store = FileStore(tmp_path_factory.mktemp("store"))
        for n in range(requests):
            store.write([late(span, n)])

    assert growth(write, 40) < 24


def test_reading_takes_linear_time(tmp_path_factory, span):
    """So do the look at a trace by its id, and the search that opens its file."""
    stores = {}
    for lines in (400, 3_200):
        stores[lines] = FileStore(tmp_path_factory.mktemp("store"))
        for n in range(lines):
            stores[lines].write([late(span, n)])

    def read(lines):
        assert lines == len(stores[lines].get(TRACE).spans)
        assert [lines] == [trace.span_count for trace in stores[lines].search(text="request 7")]
        for order in ("newest", "oldest", "slowest", "fastest"):
            assert [lines] == [trace.span_count for trace in stores[lines].search(order_by=order)]

    assert growth(read, 400) < 24


def test_the_indexes_get_two_rows_for_an_append_and_one_for_each_bucket_that_is_left(store, span, noon_ns):
    """A bucket that was left long ago is not told again and again."""
    for n in range(40):
        store.write([late(span, n, start_ns=noon_ns, duration_ms=2**n)])
    rows = [line for file in store.layout.indexes.rglob("*.jsonl") for line in file.read_bytes().splitlines()]
    assert len(rows) <= 40 * 2 + 40
    for order in ("newest", "oldest", "slowest", "fastest"):
        assert [2.0**39] == [trace.duration_ms for trace in store.search(order_by=order)]
    for n in range(39):
        assert [] == store.search(min_duration_ms=2**n, max_duration_ms=2**n * 1.5, order_by="fastest")
        assert [] == store.search(min_duration_ms=2**n, max_duration_ms=2**n * 1.5, order_by="oldest")


def test_rows_of_one_trace_in_one_round_become_one(store, span):
    append(store, *(late(span, n, duration_ms=10 + n) for n in range(30)))
    rows = (store.layout.indexes / "by_status" / DAY / "OK.jsonl").read_bytes().splitlines()
    assert 1 == len(rows)
    assert verify(store).ok


def test_a_trace_that_moves_twice_in_one_round_is_found_in_its_last_place_only(store, span):
    append(store, late(span, 0, status=StatusCode.OK))
    append(
        store,
        late(span, 1, status=StatusCode.OK, duration_ms=100),
        late(span, 2, status=StatusCode.ERROR, duration_ms=9_000),
    )
    assert [] == store.search(status="OK")
    assert [] == store.search(max_duration_ms=1_000, order_by="fastest")
    assert [3] == [trace.span_count for trace in store.search(status="ERROR")]


def test_only_so_many_traces_are_remembered(store, span, parsed):
    """The others are read from their start: their rows are right all the same."""
    store._growing = Growing(max_growing=2)
    for n in range(9):
        store.write([[span(n % 3 + 1, n + 2, 1, remote_parent=True)]])
    assert 2 == len(store._growing)
    assert [3, 3, 3] == [trace.span_count for trace in store.search()]


@pytest.mark.parametrize("change", ["replaced", "cut"])
def test_a_file_that_somebody_changed_is_read_from_its_start(store, span, change):
    for n in range(3):
        store.write([late(span, n)])
    path = path_of(store)
    with open(path, "rb") as file:
        first = file.readline()
    if change == "cut":
        os.truncate(path, len(first))
    else:
        with open(f"{path}.new", "wb") as file:
            file.write(first * 5)
        os.replace(f"{path}.new", path)
    store.write([late(span, 9)])
    assert verify(store).ok


def test_a_line_that_is_not_complete_is_read_when_it_is(store, span):
    """Another process may be writing it; what died in it is ended by the next append."""
    for n in range(3):
        store.write([late(span, n)])
    other = FileStore(store.layout.root)
    with open(path_of(store), "ab") as file:
        file.write(b'{"traceId":"')
    other.write([late(span, 3)])
    store.write([late(span, 4)])
    assert [5] == [trace.span_count for trace in store.search()]
    assert verify(store).ok


def test_what_others_wrote_and_moved_meanwhile_is_counted(tmp_path, span):
    """Their journal came and went between two looks."""
    stores = [FileStore(tmp_path) for _ in range(2)]
    for n in range(6):
        stores[n // 2 % 2].write([late(span, n)])
    assert [6] == [trace.span_count for trace in stores[0].search()]
    assert verify(stores[0]).ok


SUMMARIES = st.builds(
    Summary,
    trace_id=st.just(TRACE),
    start_ns=st.integers(0, 20),
    duration_ns=st.integers(0, 20),
    status=st.sampled_from(["OK", "ERROR"]),
    root_name=st.sampled_from(["a", "b"]),
    kept_because=st.sampled_from([None, "slow"]),
    span_count=st.integers(1, 3),
    service=st.none(),
    has_root=st.booleans(),
)


@given(st.lists(SUMMARIES, min_size=1, max_size=8))
def test_lines_one_by_one_amount_to_what_they_do_together(parts):
    """The line with the root speaks for the trace, else one that says why it is kept, else the earliest."""
    merging = Merging(parts[0])
    for part in parts[1:]:
        merging.add(part)
    main = min(parts, key=lambda part: (not part.has_root, part.kept_because is None, part.start_ns))
    first, last = min(part.start_ns for part in parts), max(part.end_ns for part in parts)
    assert merging.summary == merged(parts)
    assert (main.root_name, main.kept_because) == (merging.summary.root_name, merging.summary.kept_because)
    assert (first, last) == (merging.summary.start_ns, merging.summary.end_ns)
    assert ("ERROR" in {part.status for part in parts}) == (merging.summary.status == "ERROR")
    assert sum(part.span_count for part in parts) == merging.summary.span_count
