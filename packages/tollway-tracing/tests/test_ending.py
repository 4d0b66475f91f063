"""What hangs or is behind keeps no program alive; what is left behind is counted, and said once."""

import subprocess
import sys
import threading

import pytest
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tollway.tracing import testing
from tollway.tracing._ending import shut_down
from tollway.tracing.otlp import BatchProcessor
from tollway.tracing.store import FileStore, FileStoreProcessor

NEVER_S = 3600.0


@pytest.fixture
def spans():
    with testing.capture() as captured:
        for _ in range(5):
            with otel.get_tracer("t").start_as_current_span("s"):
                pass
    return captured.spans


class Gate:
    """Something that hangs until it is let go."""

    def __init__(self):
        self.reached, self.open = threading.Event(), threading.Event()

    def pass_through(self):
        self.reached.set()
        assert self.open.wait(60)


class HangingExporter(SpanExporter):
    def __init__(self, gate):
        self.gate = gate

    def export(self, spans):
        self.gate.pass_through()
        return SpanExportResult.SUCCESS

    def shutdown(self):
        """Hold nothing."""


@pytest.fixture(params=["store", "exporter"])
def behind(request, tmp_path, monkeypatch):
    """A processor whose thread hangs with the first of what it got, and the gate that it hangs at."""
    gate = Gate()
    if request.param == "store":
        store = FileStore(tmp_path)
        real = store.append
        monkeypatch.setattr(store, "append", lambda groups: gate.pass_through() or real([groups[0]]))
        processor = FileStoreProcessor(store, interval_s=NEVER_S)
    else:
        processor = BatchProcessor(HangingExporter(gate), max_batch_spans=1, interval_s=NEVER_S)
    yield processor, gate
    gate.open.set()
    processor._worker._thread.join()


def done_with(processor):
    if isinstance(processor, FileStoreProcessor):
        return processor.counts.written_spans
    return processor.exported_spans


def dropped(processor):
    if isinstance(processor, FileStoreProcessor):
        return processor.counts.dropped_spans
    return processor.dropped_spans


def test_a_shutdown_does_not_wait_for_what_hangs(behind, spans, caplog):
    """What is behind is counted as left behind, and logged once; later spans are dropped."""
    processor, gate = behind
    for span in spans:
        processor.on_end(span)
    assert not processor.force_flush(1)
    assert gate.reached.wait(60)
    assert 0 == processor.left_spans
    processor.shutdown(1)
    processor.shutdown(1)
    assert (5, 0) == (processor.left_spans, done_with(processor))
    assert ["5 spans are lost"] == [record.message.split(": ")[1] for record in caplog.records]
    processor.on_end(spans[0])
    assert 1 == dropped(processor)


def test_what_hung_finishes_what_it_was_at_and_no_more(behind, spans):
    """Every span is in one number, whenever somebody looks."""
    processor, gate = behind
    for span in spans:
        processor.on_end(span)
    processor.force_flush(1)
    assert gate.reached.wait(60)
    processor.shutdown(1)
    gate.open.set()
    processor._worker._thread.join()
    assert (1, 4) == (done_with(processor), processor.left_spans)


def test_a_disk_that_refuses_to_the_end_is_counted(tmp_path, spans, caplog):
    (tmp_path / "traces").write_text("in the way")
    processor = FileStoreProcessor(FileStore(tmp_path / "traces"), interval_s=NEVER_S)
    for span in spans:
        processor.on_end(span)
    processor.shutdown()
    assert 5 == processor.left_spans
    assert "5 spans are lost" in caplog.records[-1].message


def test_processors_end_side_by_side_within_one_time(spans):
    """One that hangs takes nothing of the time from the work of another; others' processors come last."""
    told, clock = [], iter([0.0, 1.0, 4.0])

    class Ours(SpanProcessor):
        def __init__(self, name):
            self.name = name

        def begin_shutdown(self):
            told.append(f"begin {self.name}")

        def shutdown(self, timeout_millis=0):
            told.append(f"{self.name} {timeout_millis}")

    class Theirs(SpanProcessor):
        def shutdown(self):
            told.append("theirs")
            raise RuntimeError("broken")

    shut_down([Theirs(), Ours("a"), Ours("b")], 3.5, clock=lambda: next(clock))
    assert ["begin a", "begin b", "a 2500", "b 0", "theirs"] == told


HANGS = """
import logging, threading
from tollway import tracing
from tollway.tracing.store import FileStore

class Hanging(FileStore):
    def append(self, groups):
        threading.Event().wait()  # as a disk that is gone

logging.basicConfig()
tracing.configure(store=Hanging({path!r}), shutdown_timeout_s=0.2, environ={{}})
for _ in range(3):
    with tracing.start_span("s"):
        pass
{end}
"""


@pytest.mark.parametrize(
    "end",
    [
        "",
        "assert not tracing.flush(0.1)",
        "tracing.shutdown(0.1); assert 3 == tracing.stats().dropped_spans['shutdown']",
        "raise SystemExit(0)",
        "threading.Thread(target=tracing.flush, args=(0.1,)).start()",
    ],
)
def test_a_store_that_hangs_does_not_keep_a_program_alive(tmp_path, end):
    """However it ends, it ends with its own status, and says what is lost in one line."""
    script = HANGS.format(path=str(tmp_path), end=end)
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert 0 == ended.returncode
    assert 1 == ended.stderr.count("3 spans are lost"), ended.stderr
