"""Sealed days: the same traces in fewer bytes, whoever writes, reads or dies meanwhile."""

import errno
import os
import signal
import sys
from itertools import count
from pathlib import Path

import pytest

from support.store_forms import DAY_NS, store_later
from support.store_spans import MS, NOON_NS, make_span
from tollway.tracing.readers import Query
from tollway.tracing.store import (
    FileStore,
    FileStoreProcessor,
    Follower,
    MissingZstdError,
    SealError,
    _zstd,
    prune,
    reindex,
    seal,
    unseal,
    verify,
)
from tollway.tracing.store._seal import Sealed, SealLock, seal_steps

DAY = "2026-11-24"


def written(path, traces=5, **options):
    """Return a store in which traces 1 to `traces` have two spans each; every third failed."""
    store = store_later(path, **options)
    store.write(
        [
            make_span(n, 1, start_ns=NOON_NS + n * MS, duration_ms=n),
            make_span(n, 2, 1, name="child", start_ns=NOON_NS + n * MS, status=_status(n)),
        ]
        for n in range(1, traces + 1)
    )
    return store


def _status(n):
    from opentelemetry.trace import StatusCode

    return StatusCode.ERROR if n % 3 == 0 else StatusCode.UNSET


def late(n, span_id, **facts):
    return make_span(n, span_id, 1, name=f"late{span_id}", start_ns=NOON_NS, **facts)


def files_of(path, pattern="*.json"):
    return {file.name: file.read_bytes() for file in (path / DAY).glob(pattern)}


def names_of(store, n):
    return sorted(span.name for span in store.get(f"{n:032x}").spans)


def sealed_parts(path):
    return sorted(one.name for one in (path / DAY / "sealed").iterdir())


def test_unsealing_gives_the_files_back_byte_for_byte(tmp_path):
    """Lines that are torn, and files of no lines at all, included."""
    store = written(tmp_path)
    (tmp_path / DAY / f"{6:032x}.json").write_bytes(b"")
    (tmp_path / DAY / f"{7:032x}.json").write_bytes(b"what is this?\n\n")
    with (tmp_path / DAY / f"{1:032x}.json").open("ab") as file:
        file.write(b'{"traceId":')
    before, found = files_of(tmp_path), store.search(order_by="oldest")
    done = seal(store, [DAY])
    assert (7, 10, sum(map(len, before.values()))) == (done.traces, done.spans, done.bytes_before)
    assert ["sealed"] == [one.name for one in (tmp_path / DAY).iterdir()]
    assert [one.summary for one in found] == [one.summary for one in store.search(order_by="oldest")]
    assert 7 == unseal(store, DAY)
    assert before == files_of(tmp_path)
    assert not (tmp_path / DAY / "sealed").exists()
    assert [one.summary for one in found] == [one.summary for one in store.search(order_by="oldest")]
    assert verify(store).ok


def test_journals_are_sealed_as_the_files_that_they_would_become(tmp_path):
    store = written(tmp_path / "a", layout="journal")
    store.close()
    seal(store, [DAY])
    assert not (tmp_path / "a" / DAY / "journal").exists()
    unseal(store, DAY)
    written(tmp_path / "b")
    assert files_of(tmp_path / "b") == files_of(tmp_path / "a")


def test_a_journal_whose_writer_lives_stays_beside(tmp_path):
    """Its traces are sealed once its writer is done with it."""
    writer = written(tmp_path, layout="journal")
    reader = store_later(tmp_path)
    assert 0 == seal(reader, [DAY]).traces
    assert 5 == len(reader.search())
    writer.retire_journals(late=True)
    assert 5 == seal(reader, [DAY]).traces
    assert 5 == len(reader.search())
    assert verify(reader).ok


def test_late_spans_are_read_together_with_what_is_sealed(tmp_path):
    """By id, in searches of every order, and in the next seal, which finds room in the segment."""
    writer, reader = written(tmp_path), store_later(tmp_path)
    seal(reader, [DAY])
    first = sealed_parts(tmp_path)
    writer.write([[late(1, 8, duration_ms=900)], [late(2, 8)], [make_span(50, 1, start_ns=NOON_NS)]])
    for segments in (first, None):
        assert ["child", "late8", "root"] == names_of(reader, 1)
        assert [f"{1:032x}"] == [one.trace_id for one in reader.search(min_duration_ms=500)]
        assert f"{1:032x}" == reader.search(order_by="slowest")[0].trace_id
        for order in ("newest", "oldest", "slowest", "fastest"):
            assert 6 == len(reader.search(order_by=order))
        assert 3 == reader.get(f"{2:032x}").span_count
        found = verify(reader)
        assert found.ok
        assert 6 == found.traces
        assert (6 if segments else 0) == seal(reader, [DAY]).traces
        assert 2 == len(sealed_parts(tmp_path))
        assert first != sealed_parts(tmp_path)


def test_what_came_to_a_sealed_day_is_in_its_files_again(tmp_path):
    """Unsealing appends it to what was sealed."""
    writer = written(tmp_path)
    before = files_of(tmp_path)[f"{1:032x}.json"]
    seal(writer, [DAY])
    writer.write([[late(1, 8)]])
    added = files_of(tmp_path)[f"{1:032x}.json"]
    unseal(writer, DAY)
    assert before + added == files_of(tmp_path)[f"{1:032x}.json"]
    assert verify(writer).ok


def test_writers_that_go_on_while_a_day_is_sealed_lose_nothing(tmp_path):
    """Between any two steps of a seal another store adds spans, a new trace, and is seen at once."""
    written(tmp_path, 200)
    writers = [store_later(tmp_path), store_later(tmp_path, layout="journal")]
    reader, spans, extra = store_later(tmp_path), count(100), 0
    for _ in range(3):
        for step, _ in enumerate(seal_steps(reader, DAY, Sealed())):
            span_id = next(spans)
            extra += 1
            writers[step % 2].write([[late(1 + step % 7, span_id)], [make_span(1_000 + extra, 1)]])
            assert f"late{span_id}" in names_of(reader, 1 + step % 7)
            assert 200 + extra == len(reader.search(limit=10**6))
        assert 200 + extra == len(reader.search(limit=10**6, order_by="fastest"))
        writers[1].retire_journals(late=True)
    assert 400 + 2 * extra == sum(one.span_count for one in reader.search(limit=10**6))
    found = verify(reader)
    assert found.ok
    assert 200 + extra == found.traces


def dies_at(path, step, call, work):
    """Have a forked process do the work, and die before its n-th call of an `os` function; say if it died."""
    child = os.fork()
    if child == 0:
        calls, real = count(1), getattr(os, step)

        def die(*arguments, **options):
            if next(calls) == call:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        try:
            setattr(os, step, die)
            work(store_later(path))
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1] != 0


@pytest.mark.parametrize("work", [lambda store: seal(store, [DAY]), lambda store: unseal(store, DAY)])
@pytest.mark.parametrize("step", ["write", "rename", "unlink", "link", "fsync", "replace", "rmdir"])
def test_a_process_that_is_killed_anywhere_loses_and_doubles_nothing(tmp_path, step, work):
    """kill -9 before each call that changes the disk: others read all there is, and the next one finishes."""
    for call in count(1):
        path = tmp_path / str(call)
        writer = written(path, 4)
        before = files_of(path)
        seal(writer, [DAY])
        writer.write([[late(1, 8)], [make_span(9, 1)]])
        whole = {**before, f"{9:032x}.json": files_of(path)[f"{9:032x}.json"]}
        whole[f"{1:032x}.json"] += files_of(path)[f"{1:032x}.json"]
        died = dies_at(path, step, call, work)
        reader = store_later(path)
        assert ["child", "late8", "root"] == names_of(reader, 1)
        for order in ("newest", "slowest"):
            assert [2, 2, 2, 1, 3] == [
                found[0].span_count
                for n in (2, 3, 4, 9, 1)
                if (found := [t for t in reader.search(order_by=order) if t.trace_id == f"{n:032x}"])
            ]
            assert 5 == len(reader.search(order_by=order))
        if (path / DAY / "sealed" / "segments.json").exists():
            seal(reader, [DAY])
            assert verify(reader).ok
            unseal(reader, DAY)
        assert whole == files_of(path)
        assert verify(reader).ok
        if not died or call > 12:
            break


def test_one_process_seals_a_day_at_a_time(tmp_path):
    store = written(tmp_path)
    lock = SealLock(store, DAY)
    with pytest.raises(SealError, match=f"another process seals {DAY}"):
        seal(store_later(tmp_path), [DAY])
    lock.close()
    assert 5 == seal(store, [DAY]).traces


@pytest.mark.parametrize(
    ("day", "message"),
    [
        ("2026-11-26", "is not over"),
        ("2026-11-20", "there is no day"),
        ("../etc", "is not a day"),
    ],
)
def test_a_day_that_cannot_be_sealed_is_said_to_be(tmp_path, day, message):
    store = written(tmp_path)
    store.write([[make_span(70, start_ns=NOON_NS + 2 * DAY_NS)]])
    with pytest.raises(SealError, match=message):
        seal(store, [day])


def test_only_days_of_an_age_are_sealed(tmp_path):
    """Without days: those that ended so long ago, and never today's."""
    store = written(tmp_path)
    store.write([[make_span(70, start_ns=NOON_NS + DAY_NS)], [make_span(71, start_ns=NOON_NS + 2 * DAY_NS)]])
    assert 5 == seal(store, older_than_s=86_400).traces
    assert 1 == seal(store).traces
    assert (tmp_path / "2026-11-26" / f"{71:032x}.json").exists()


def test_a_disk_that_refuses_changes_nothing(tmp_path, monkeypatch):
    """The seal says so, nothing half-made stays, and it works once there is room."""
    store = written(tmp_path)
    before, real, calls = files_of(tmp_path), os.write, count()

    def refuse(file, data):
        if next(calls) >= 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, data)

    monkeypatch.setattr(os, "write", refuse)
    with pytest.raises(OSError, match="No space left"):
        seal(store, [DAY])
    monkeypatch.undo()
    assert before == files_of(tmp_path)
    assert not (tmp_path / DAY / "sealed").exists()
    assert 5 == seal(store, [DAY]).traces


def test_without_zstd_the_command_to_install_it_is_said(tmp_path, monkeypatch):
    """By seals, and by readers of what others sealed."""
    seal(written(tmp_path), [DAY])
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    _zstd.zstd.cache_clear()
    monkeypatch.setitem(sys.modules, name, None)
    package = sys.modules[name.partition(".")[0]]
    monkeypatch.delattr(package, "zstd", raising=False)
    for read in (seal, lambda store: store.search(), lambda store: store.get(f"{1:032x}")):
        with pytest.raises(MissingZstdError, match=r"pip install 'tollway-tracing\[seal\]'"):
            read(store_later(tmp_path))
    monkeypatch.undo()
    assert 5 == len(store_later(tmp_path).search())


def test_a_damaged_segment_is_named_and_hides_nothing_else(tmp_path):
    """`verify` names it; searches go on with the rest; it is not sealed over."""
    store = written(tmp_path)
    seal(store, [DAY])
    store.write([[make_span(70, 1)]])
    (segment,) = (tmp_path / DAY / "sealed").glob("*.seg")
    os.truncate(segment, segment.stat().st_size - 3)
    reader = store_later(tmp_path)
    assert (f"{DAY}/{segment.name}",) == verify(reader).damaged
    assert [f"{70:032x}"] == [one.trace_id for one in reader.search()]
    with pytest.raises(SealError, match="damaged segment"):
        seal(reader, [DAY])


def test_reindex_keeps_what_is_sealed(tmp_path):
    store = written(tmp_path)
    seal(store, [DAY])
    store.write([[late(1, 8, duration_ms=900)], [make_span(70, 1)]])
    assert 6 == reindex(store)
    assert 6 == len(store.search())
    assert f"{1:032x}" == store.search(order_by="slowest")[0].trace_id
    assert verify(store).ok


def test_prune_removes_segments_and_counts_their_traces(tmp_path):
    store = written(tmp_path)
    seal(store, [DAY])
    store.write([[late(1, 8)], [make_span(70, 1)]])
    told = []
    removed = prune(store, max_age_s=0, now_s=(NOON_NS + DAY_NS) / 1e9, progress=lambda *n: told.append(n))
    assert (6, [(1, 1)]) == (removed.traces, told)
    assert removed.bytes > 500
    assert [] == store.search()


def test_who_follows_is_not_told_again_of_what_was_sealed(tmp_path):
    """And hears of what comes to a sealed day."""
    store = written(tmp_path)
    follower = Follower(store_later(tmp_path))
    store.write([[make_span(70, 1)]])
    assert [f"{70:032x}"] == [one.trace_id for one in follower.new(Query.of())]
    seal(store, [DAY])
    assert [] == follower.new(Query.of())
    store.write([[late(1, 8)]])
    assert [(f"{1:032x}", 3)] == [(one.trace_id, one.span_count) for one in follower.new(Query.of())]


def test_feedback_on_a_sealed_trace_lies_in_its_day(tmp_path):
    from tollway.tracing.feedback import Feedback

    store = written(tmp_path)
    seal(store, [DAY])
    store.feedback.add(Feedback(trace_id=f"{1:032x}", name="helpful", value=True, time_ns=NOON_NS + DAY_NS))
    assert (tmp_path / DAY / "feedback.jsonl").exists()
    assert [f"{1:032x}"] == [one.trace_id for one in store.search(feedback={"helpful": True})]


class TestByAge:
    """A writer seals in quiet moments."""

    def processor(self, path, **options):
        store = FileStore(path, now_ns=lambda: NOON_NS + 2 * DAY_NS)
        return FileStoreProcessor(store, seal_after_s=3_600, wait=lambda *_: False, **options)

    def quiet(self, processor, rounds=60):
        for _ in range(rounds):
            processor._writer.consume([], flush=False)

    def test_days_that_are_old_enough_are_sealed(self, tmp_path):
        written(tmp_path)
        processor = self.processor(tmp_path)
        self.quiet(processor)
        assert ["sealed"] == [one.name for one in (tmp_path / DAY).iterdir()]
        assert 5 == len(processor.store.search())
        processor.shutdown()

    def test_a_day_that_another_process_seals_is_left_to_it(self, tmp_path):
        lock = SealLock(written(tmp_path), DAY)
        processor = self.processor(tmp_path)
        self.quiet(processor)
        assert 5 == len(files_of(tmp_path))
        lock.close()
        processor.shutdown()

    def test_a_disk_that_refuses_is_logged_once(self, tmp_path, monkeypatch, caplog):
        written(tmp_path)
        times = count(0, 400)
        processor = self.processor(tmp_path, clock=lambda: next(times))

        def refuse(*_):
            raise OSError(errno.EROFS, "Read-only file system")

        monkeypatch.setattr(os, "fsync", refuse)
        self.quiet(processor, 6)
        assert 1 == sum("cannot seal a day" in one.message for one in caplog.records)
        monkeypatch.undo()
        self.quiet(processor)
        assert 5 == len(processor.store.search())
        assert not list(Path(tmp_path / DAY).glob("*.json"))
        processor.shutdown()
