"""The fast path from traces to files does what the Python does, or leaves it to the Python."""

import os
import resource
import signal
import subprocess
import sys
import threading
import tracemalloc
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Link, SpanContext, StatusCode, TraceFlags

import tollway.tracing.store
from support.builds import NOT_COMPILED, source_of
from support.made_traces import DAY, NOON_NS, PARENTS, SPANS, START_NS, made, plain, usual
from tollway.tracing.engine import IS_COMPILED
from tollway.tracing.otlp import Encoder
from tollway.tracing.otlp._own import own_span_json
from tollway.tracing.store import FileStore, FileStoreProcessor, _fast_path, verify

pytestmark = pytest.mark.skipif(not IS_COMPILED, reason=NOT_COMPILED)

SOURCE = Path(tollway.tracing.store.__file__).parents[3]
NEVER_S = 3600.0


def store_at(path, way, **options):
    """Return a store that writes in one of the two ways."""
    store = FileStore(path, now_ns=lambda: 1_795_521_601_234_567_890, **options)
    if way == "python":
        none = source_of(_fast_path).FastPath
        store._fast_path = none.__new__(none)
    return store


def contents(path):
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


TRACES = st.lists(
    st.tuples(
        st.one_of(st.none(), PARENTS),
        START_NS,
        st.lists(SPANS, min_size=1, max_size=3),
        st.sampled_from([("t",), ("t",), ("t", "u")]),
        st.sampled_from([None, "ratio", 'a "reason"\n']),
    ),
    max_size=6,
)


@given(traces=TRACES)
@settings(max_examples=150, deadline=None)
def test_a_store_is_the_same_files(tmp_path_factory, traces):
    """Whatever is written, files and indexes have the same names and bytes in both ways."""
    groups = []
    for parent, start_ns, facts, scopes, kept in traces:
        spans = made(parent, start_ns, *facts, scopes=scopes)
        if kept is not None:
            spans[-1]._own_attributes["tollway.kept_because"] = kept
        groups.append(spans)
    python, compiled = (
        written_by(way, tmp_path_factory.mktemp(way), groups) for way in ("python", "compiled")
    )
    assert python == compiled


@given(traces=TRACES)
@settings(max_examples=50, deadline=None)
def test_a_store_of_received_spans_is_the_same_files(tmp_path_factory, traces):
    """Records from outside are written alike in both ways, with one origin or several."""
    groups = []
    for parent, start_ns, facts, scopes, kept in traces:
        records = Encoder().records(made(parent, start_ns, *facts, scopes=scopes))
        groups.append([record._replace(kept_because=kept) for record in records])
    python, compiled = (
        written_by(way, tmp_path_factory.mktemp(way), groups) for way in ("python", "compiled")
    )
    assert python == compiled


def written_by(way, path, groups):
    """Return all files of a store that was given traces at once, and then something late of each."""
    processor = FileStoreProcessor(store_at(path, way), interval_s=NEVER_S)
    for late in (groups, [spans[:1] for spans in groups]):
        processor._writer.consume([span for spans in late for span in spans], flush=True)
    assert 0 == processor.counts.failed_writes == processor.counts.dropped_spans
    processor.shutdown()
    return contents(path)


@pytest.mark.parametrize(
    "status", [(StatusCode.UNSET,), (StatusCode.OK,), (StatusCode.ERROR, "why")], ids=str
)
@pytest.mark.parametrize("lasts_ns", [0, 999, 1_000, 2_047_999, 2_048_000, 123_456_789_012])
def test_usual_traces_are_the_same_files(tmp_path_factory, status, lasts_ns):
    """What most traces are is never left to the Python, and makes the same files and rows."""
    facts = [plain(f"s{n}", lasts_ns=lasts_ns + n * 7_000_000_000 % 11, status=status) for n in range(4)]
    groups = [
        made(None, NOON_NS + 999_999_000 * n, plain("root", lasts_ns=lasts_ns), *facts[: n % 5])
        for n in range(12)
    ]
    groups[3][0]._parent_span = None  # a second root, which started later
    python, compiled = (store_at(tmp_path_factory.mktemp(way), way) for way in ("python", "compiled"))
    python.write(groups)
    count, rows = compiled.append(groups)
    compiled.write_index(rows)
    compiled.settle()
    assert len(groups) == count
    assert contents(python.layout.root) == contents(compiled.layout.root)


@pytest.fixture
def store(tmp_path):
    """A store with the compiled way."""
    return store_at(tmp_path, "compiled")


def encoded(store, groups):
    return [usual[0] for usual in store._fast_path.encode(groups, 1)]


def id_of(spans):
    return f"{spans[0].get_span_context().trace_id:032x}"


class TestUsual:
    def test_usual_traces_are_written_at_once(self, store):
        """So many as a batch holds, with their rows, in one write of a journal."""
        groups = [usual() for _ in range(70)]
        count, rows = store.append(groups)
        assert 64 == count
        store.write_index(rows)
        assert {id_of(spans) for spans in groups[:64]} == store.trace_ids(DAY)
        assert verify(store).ok
        assert 6 == store.append(groups[64:])[0]

    def test_a_batch_is_bounded_in_bytes(self, store):
        """Large traces do not gather in memory: a few make a batch."""
        groups = [usual(attributes={"x": "y" * 200_000}) for _ in range(5)]
        assert 2 == len(encoded(store, groups))

    def test_a_batch_is_of_one_day(self, store):
        groups = [usual(), made(None, NOON_NS + 86_400 * 10**9, plain())]
        assert 1 == len(encoded(store, groups))


def foreign():
    spans = usual()
    copies = [
        ReadableSpan(span.name, span.get_span_context(), span.parent, start_time=1, end_time=2)
        for span in spans
    ]
    return [spans[0], copies[1]]


REMOTE = SpanContext(7, 9, True, TraceFlags(3))

ODD = {
    "no spans": list,
    "a span of another SDK": foreign,
    "two tracers": lambda: made(None, NOON_NS, plain(), plain(), scopes=("t", "u")),
    "no root": lambda: made(REMOTE, NOON_NS, plain()),
    "a child alone": lambda: usual()[:1],
    "a value that is not a number": lambda: usual(attributes={"a": float("nan")}),
    "a value of bytes": lambda: usual(attributes={"a": b"x"}),
    "text that is not Unicode": lambda: usual("\ud800"),
    "links": lambda: usual(links=[Link(REMOTE)]),
    "before 1970": lambda: made(None, -1, plain()),
    "a time beyond 64 bits": lambda: made(None, 2**62 * 2 - 1, plain()),
    "a time that is no integer": lambda: made(None, 1e18, plain()),
    "midnight in it": lambda: made(None, NOON_NS, plain(lasts_ns=13 * 3600 * 10**9)),
    "a line too long": lambda: usual(attributes={"a": "x" * 1_000_000}),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_what_is_not_usual_is_left_to_python(store, odd):
    """It stops before an odd trace; what comes after has to wait."""
    groups = [usual(), odd(), usual()]
    assert [id_of(groups[0])] == encoded(store, groups)
    assert [id_of(groups[2])] == encoded(store, groups[2:])


@contextmanager
def no_file_larger_than(size):
    """Have the kernel refuse bytes beyond a size: it takes those before them, and then says EFBIG."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class TestDiskRefuses:
    def test_what_is_refused_half_way_leaves_nothing(self, store):
        """Of a batch all lines are there or none."""
        groups = [usual(), usual(attributes={"x": "y" * 5_000}), usual()]
        with no_file_larger_than(3_000), pytest.raises(OSError, match="large"):
            store.append(groups)
        assert set() == store.trace_ids(DAY)

    def test_it_is_counted_and_made_good(self, store):
        """A trace leaves memory when it is written, and none is written twice."""
        processor = FileStoreProcessor(store, interval_s=NEVER_S)
        groups = [usual(), usual(attributes={"x": "y" * 5_000}), usual()]
        with no_file_larger_than(3_000):
            assert not processor._writer.consume([span for spans in groups for span in spans], flush=True)
        assert (0, 1, 0) == (
            processor.counts.written_traces,
            processor.counts.failed_writes,
            processor.counts.dropped_spans,
        )
        assert processor.force_flush()
        processor.shutdown()
        assert {1} == {len(lines.splitlines()) for name, lines in contents(store.layout.root / DAY).items()}
        assert verify(store).ok


def test_two_threads_may_encode_at_once(store):
    """Each has a batch of its own."""
    groups = [usual(attributes={"x": "y" * 3_000}) for _ in range(400)]
    found = []

    def encode(mine):
        for first in range(0, len(mine), 8):
            found.extend(encoded(store, mine[first : first + 8]))

    threads = [threading.Thread(target=encode, args=(groups[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(id_of, groups)) == sorted(found)


KILLED = """
import sys
from tollway.tracing.engine import IS_COMPILED, TracerProvider
from tollway.tracing.store import FileStore, FileStoreProcessor

processor = FileStoreProcessor(FileStore({path!r}), interval_s=0.001)
assert IS_COMPILED
provider = TracerProvider(shutdown_on_exit=False, timer=False)
provider.add_span_processor(processor)
tracer = provider.get_tracer("t")
while True:
    for _ in range(20):
        with tracer.start_as_current_span("root") as root, tracer.start_as_current_span("child") as child:
            child.set_attribute("x", "y" * 5_000)
    if processor.force_flush():
        print(f"{{root.get_span_context().trace_id:032x}}", flush=True)
"""


@given(acknowledged=st.integers(1, 10), spin=st.integers(0, 30_000))
@settings(max_examples=5, deadline=None)
def test_what_was_acknowledged_survives_a_kill(tmp_path_factory, acknowledged, spin):
    """SIGKILL at a random moment: what was flushed is whole, and nothing else is torn."""
    path = tmp_path_factory.mktemp("killed")
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED.format(path=str(path))],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    lines = [child.stdout.readline() for _ in range(acknowledged)]
    for _ in range(spin):
        pass  # a random moment after the last word, in steps too short to sleep
    child.send_signal(signal.SIGKILL)
    lines += takewhile(lambda line: line.endswith("\n"), child.stdout.readlines())
    child.wait()
    child.stdout.close()
    store = FileStore(path)
    for trace_id in map(str.strip, lines):
        assert {"root", "child"} == {span.name for span in store.get(trace_id).spans}
    verify(store)
    assert 0 == store.counts.torn_lines
    assert [] == list(path.rglob(".*"))


def test_nothing_is_leaked(store):
    """A hundred thousand spans leave no more memory in use than a few."""
    group = usual(
        attributes={"a": "é", "b": 1.5, "c": ["x"], "d": True, "e": 2**40}, events=[("e", {"k": "v"}, 5)]
    )
    odd = usual(attributes={"x": float("nan")})

    def work(times):
        for _ in range(times):
            for span in group + odd:
                own_span_json(span)
            store._fast_path.encode([group, odd], 1)

    work(100)
    tracemalloc.start()
    try:
        work(100)
        before = tracemalloc.get_traced_memory()[0]
        work(25_000)
        assert tracemalloc.get_traced_memory()[0] - before < 20_000
    finally:
        tracemalloc.stop()
