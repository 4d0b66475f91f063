"""The store's processor groups, bounds and survives, and leaves its caller alone."""

import orjson
import pytest
from opentelemetry.sdk.trace import TracerProvider as SDKTracerProvider

from tollway.tracing.store import FileStore, FileStoreProcessor
from tollway.tracing.store._pending import PendingRows

NEVER_S = 3600.0
DAY_NS = 86_400_000_000_000


@pytest.fixture
def processor(store):
    made = FileStoreProcessor(store, interval_s=NEVER_S)
    yield made
    made.shutdown()


def test_a_trace_of_the_stock_sdk_is_one_line(store, processor):
    """It works with any provider's spans, children first."""
    provider = SDKTracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("t")
    with tracer.start_as_current_span("root") as root, tracer.start_as_current_span("child"):
        pass
    assert processor.force_flush()
    (trace,) = store.search()
    assert (f"{root.get_span_context().trace_id:032x}", "root", 2) == (
        trace.trace_id,
        trace.root_name,
        trace.span_count,
    )
    processor.shutdown()
    (file,) = (store.layout.root / trace.summary.day).iterdir()
    assert 1 == len(file.read_bytes().splitlines())


def test_unsampled_spans_are_not_stored(store, span, processor):
    processor.on_end(span(sampled=False))
    assert processor.force_flush()
    assert [] == store.search()


def test_a_remote_parent_makes_a_local_root(store, span):
    """A trace whose root is in another process is written once its local root ended, without a flush."""
    processor = FileStoreProcessor(store)
    assert processor._writer.consume([span(span_id=2, parent_id=1, remote_parent=True)], flush=False)
    assert "root" == store.get(f"{1:032x}").root_name


def test_flush_writes_what_has_no_root_yet(store, span, processor):
    processor.on_end(span(span_id=2, parent_id=1, name="early"))
    assert processor.force_flush()
    processor.on_end(span())
    assert processor.force_flush()
    assert {"early", "root"} == {found.name for found in store.get(f"{1:032x}").spans}


def test_shutdown_writes_what_is_queued(store, span):
    processor = FileStoreProcessor(store, interval_s=NEVER_S)
    processor.on_end(span())
    processor.shutdown()
    processor.shutdown()
    assert 1 == len(store.search())


def refuse_odd(store, monkeypatch):
    """Have a store fail for traces named odd, for their own sake."""
    real = store.append

    def append(groups):
        if groups[0][0].name == "odd":
            raise ValueError("odd")
        return real([groups[0]])

    monkeypatch.setattr(store, "append", append)


@pytest.fixture
def blocked(tmp_path):
    """A store whose folder cannot be made: a file is in its place."""
    place = tmp_path / "traces"
    place.write_text("in the way")
    return place


class TestDiskRefuses:
    def test_it_is_counted_logged_once_and_made_good(self, blocked, span, caplog):
        """A disk that refuses raises nothing; when it takes again, what was held is written."""
        processor = FileStoreProcessor(FileStore(blocked), interval_s=NEVER_S)
        for n in (1, 2):
            processor.on_end(span(trace_id=n))
            assert not processor.force_flush()
        assert 2 == processor.counts.failed_writes
        assert 1 == len([record for record in caplog.records if "cannot write" in record.message])
        blocked.unlink()
        assert processor.force_flush()
        assert 2 == len(FileStore(blocked).search())
        assert "works again" in caplog.records[-1].message
        processor.shutdown()

    def test_memory_stays_bounded_and_the_loss_is_counted(self, blocked, span):
        processor = FileStoreProcessor(FileStore(blocked), interval_s=NEVER_S, max_held_spans=5)
        for n in range(1, 21):
            processor.on_end(span(trace_id=n))
        assert not processor.force_flush()
        assert 15 == processor.counts.dropped_spans
        blocked.unlink()
        assert processor.force_flush()
        assert {f"{n:032x}" for n in range(16, 21)} == {t.trace_id for t in FileStore(blocked).search()}
        processor.shutdown()

    def test_a_full_disk_leaves_no_torn_file(self, tmp_path, span, monkeypatch):
        """A new file is there whole or not at all; ENOSPC in its middle leaves nothing behind."""
        import os

        store = FileStore(tmp_path)
        real = os.write

        def full_after_ten_bytes(file, data):
            if len(data) > 10:
                return real(file, data[:10])
            raise OSError(28, "No space left on device")

        processor = FileStoreProcessor(store, interval_s=NEVER_S)
        processor.on_end(span())
        with monkeypatch.context() as patched:
            patched.setattr("tollway.tracing.store._journal.os.write", full_after_ten_bytes)
            assert not processor.force_flush()
        assert b"" == b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
        assert processor.force_flush()
        processor.shutdown()
        (file,) = tmp_path.glob("2026-11-24/*.json")
        assert orjson.loads(file.read_bytes())["traceId"] == f"{1:032x}"


class TestOneBucketRefuses:
    """A file is in the place of the folder of one index; the other index can be written."""

    @pytest.fixture
    def in_the_way(self, store):
        place = store.layout.indexes / "by_duration"
        place.parent.mkdir(parents=True)
        place.touch()
        return place

    def test_the_other_index_gets_each_row_once(self, in_the_way, store, span):
        processor = FileStoreProcessor(store, interval_s=NEVER_S)
        processor.on_end(span(1))
        assert not processor.force_flush()
        processor.on_end(span(2))
        assert not processor.force_flush()
        (bucket,) = store.layout.indexes.glob("by_status/*/*")
        assert 2 == len(bucket.read_bytes().splitlines())
        processor.shutdown()

    def test_rows_are_written_when_it_takes_them_again(self, in_the_way, store, span):
        processor = FileStoreProcessor(store, interval_s=NEVER_S)
        processor.on_end(span(1))
        assert not processor.force_flush()
        in_the_way.unlink()
        assert processor.force_flush()
        assert [f"{1:032x}"] == [trace.trace_id for trace in store.search(order_by="slowest")]
        assert 0 == processor.counts.dropped_rows
        processor.shutdown()

    def test_rows_wait_in_bounded_memory_and_the_loss_is_counted(self, in_the_way, store, span, caplog):
        """The oldest go, whole, and that is said once."""
        row_bytes = 150
        processor = FileStoreProcessor(store, interval_s=NEVER_S)
        rows = processor._writer._rows = PendingRows(store.layout, max_bytes=10 * row_bytes)
        for n in range(1, 101):
            processor.on_end(span(n))
            processor.force_flush()
            assert 10 * row_bytes >= rows.held_bytes
        assert 50 < processor.counts.dropped_rows < 100
        assert 1 == len([record for record in caplog.records if "are lost" in record.message])
        in_the_way.unlink()
        assert processor.force_flush()
        kept = {f"{n:032x}" for n in range(processor.counts.dropped_rows + 1, 101)}
        assert kept == {trace.trace_id for trace in store.search(order_by="slowest", limit=200)}
        processor.shutdown()

    def test_rows_do_not_wait_for_traces_that_cannot_be_written(self, store, span, monkeypatch):
        """In every round one trace fails for its own sake."""
        refuse_odd(store, monkeypatch)
        processor = FileStoreProcessor(store, interval_s=NEVER_S)
        processor.on_end(span(1))
        processor.on_end(span(2, name="odd"))
        assert not processor.force_flush()
        assert [f"{1:032x}"] == [trace.trace_id for trace in store.search()]
        processor.shutdown()


def test_a_link_in_the_way_costs_its_traces_and_no_others(store, span, noon_ns, tmp_path, caplog):
    """They would wait for ever, and all others behind them. Said once, however many they are."""
    (tmp_path / "elsewhere").mkdir()
    store.layout.root.mkdir()
    (store.layout.root / "2026-11-24").symlink_to(tmp_path / "elsewhere")
    processor = FileStoreProcessor(store, interval_s=NEVER_S)
    for n in range(1, 5):
        processor.on_end(span(n, start_ns=noon_ns + (n % 2) * DAY_NS))
    processor.force_flush()
    processor.force_flush()
    assert {f"{n:032x}" for n in (1, 3)} == {trace.trace_id for trace in store.search()}
    assert (2, 2) == (processor.counts.written_spans, processor.counts.dropped_spans)
    assert 1 == len([record for record in caplog.records if "not followed" in record.message])
    assert [] == list((tmp_path / "elsewhere").iterdir())
    processor.shutdown()


def test_a_trace_that_cannot_be_written_holds_up_no_other(store, span, monkeypatch):
    """In one flush: what fails for its own sake is dropped, and the rest is written."""
    refuse_odd(store, monkeypatch)
    processor = FileStoreProcessor(store, interval_s=NEVER_S)
    for n, name in enumerate(["odd", "fine", "odd", "fine"], 1):
        processor.on_end(span(n, name=name))
    assert not processor.force_flush()
    assert processor.force_flush()
    assert (2, 2) == (processor.counts.written_spans, processor.counts.dropped_spans)
    processor.shutdown()


def test_idle_traces_are_written(store, span):
    """A trace whose local root never comes does not wait for ever."""
    now = [0.0]
    writer = FileStoreProcessor(store, idle_s=30, clock=lambda: now[0])._writer
    writer.consume([span(span_id=2, parent_id=1)], flush=False)
    now[0] = 29.0
    writer.consume([], flush=False)
    assert [] == store.search()
    now[0] = 31.0
    writer.consume([], flush=False)
    assert 1 == len(store.search())


class TestQuietMoments:
    """What has been in a journal for a while becomes files while there is little to do."""

    def writer(self, store, now):
        return FileStoreProcessor(store, clock=lambda: now[0])._writer

    def names(self, store):
        return sorted(file.name for file in (store.layout.root / "2026-11-24").iterdir())

    def test_a_trace_is_a_file_after_a_quiet_while(self, store, span):
        now = [0.0]
        writer = self.writer(store, now)
        writer.consume([span()], flush=True)
        writer.consume([], flush=False)
        assert ["journal"] == self.names(store)
        now[0] = 60.0
        writer.consume([], flush=False)
        assert [f"{1:032x}.json"] == self.names(store)

    def test_a_busy_round_makes_no_files(self, store, span):
        now = [0.0]
        writer = self.writer(store, now)
        writer.consume([span()], flush=True)
        now[0] = 60.0
        writer.consume([span(n) for n in range(2, 202)], flush=False)
        writer.consume([], flush=False)
        assert ["journal"] == self.names(store)

    def test_the_layout_journal_makes_no_files(self, tmp_path, span):
        store, now = FileStore(tmp_path, layout="journal"), [0.0]
        processor = FileStoreProcessor(store, interval_s=NEVER_S, clock=lambda: now[0])
        processor.on_end(span())
        assert processor.force_flush()
        now[0] = 60.0
        processor._writer.consume([], flush=False)
        processor.shutdown()
        assert ["journal"] == self.names(store)
        assert 1 == len(FileStore(tmp_path).search())

    def test_a_move_that_the_disk_refuses_is_tried_again(self, store, span, monkeypatch):
        now = [0.0]
        writer = self.writer(store, now)
        writer.consume([span(), span(2)], flush=True)
        now[0] = 60.0

        def full(*_):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(store.layout.files, "create", full)
            writer.consume([], flush=False)
        assert 1 == writer.counts.failed_writes
        assert ["journal"] == self.names(store)
        writer.consume([], flush=False)
        assert 2 == len(self.names(store))
        assert 2 == len(store.search())
