"""The exporter and the batch processor, against a real HTTP server."""

import concurrent.futures.thread  # noqa: F401 - see the fork test
import gzip
import http.server
import os
import threading
from dataclasses import dataclass, field

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext, TraceFlags

from tollway.tracing.otlp import BatchProcessor, OTLPExporter, OTLPJsonExporter, _sender, signal_url
from tollway.tracing.otlp._answer import error_text, rejected_items
from tollway.tracing.otlp._http import is_loopback


def make(span_id=1, *, sampled=True):
    context = SpanContext(1, span_id, False, TraceFlags(1 if sampled else 0))
    return ReadableSpan("s", context, None, Resource({}), start_time=1, end_time=2)


@dataclass
class Receiver:
    """A receiver that gives planned answers (then 200) and remembers what came."""

    url: str = ""
    answers: list = field(default_factory=list)
    bodies: list = field(default_factory=list)
    headers: list = field(default_factory=list)
    paths: list = field(default_factory=list)
    connections: set = field(default_factory=set)

    @property
    def span_count(self):
        return sum(
            len(scope["spans"])
            for body in self.bodies
            for block in orjson.loads(body)["resourceSpans"]
            for scope in block["scopeSpans"]
        )


@pytest.fixture
def receiver():
    found = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            found.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            found.headers.append(dict(self.headers))
            found.paths.append(self.path)
            found.connections.add(self.client_address)
            status, headers, body = found.answers.pop(0) if found.answers else (200, {}, b"{}")
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def exporting(receiver):
    """An exporter whose sleeps are noted, not slept."""
    made = []

    def make_exporter(**options):
        slept = []

        def sleep(seconds):
            slept.append(seconds)
            return False

        make = options.pop("make", OTLPJsonExporter)
        exporter = make(receiver.url, clock=lambda: sum(slept), sleep=sleep, jitter=lambda: 1.0, **options)
        made.append(exporter)
        return exporter, slept

    yield make_exporter
    for exporter in made:
        exporter.shutdown()
        exporter.close()


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://c:4318", "http://c:4318/v1/traces"),
        ("http://c:4318/", "http://c:4318/v1/traces"),
        ("http://c/otlp", "http://c/otlp/v1/traces"),
        ("http://c/v1/traces", "http://c/v1/traces"),
    ],
)
def test_traces_go_below_the_base(base, url):
    assert url == signal_url(base, "traces")


def test_what_is_no_url_is_refused_at_once():
    with pytest.raises(ValueError, match="http"):
        OTLPJsonExporter("localhost:4318")


def test_batches_arrive_over_one_connection(receiver, exporting):
    exporter, _ = exporting(headers={"x-key": "k"})
    for n in (1, 2):
        assert SpanExportResult.SUCCESS is exporter.export([make(n)])
    assert (2, 2, 1) == (receiver.span_count, exporter.counts.exported_spans, len(receiver.connections))
    assert ("/v1/traces", "application/json", "k") == (
        receiver.paths[0],
        receiver.headers[0]["Content-Type"],
        receiver.headers[0]["x-key"],
    )


def test_bodies_can_be_compressed(receiver, exporting):
    exporter, _ = exporting(compression="gzip")
    exporter.export([make()])
    assert "gzip" == receiver.headers[0]["Content-Encoding"]
    assert b"resourceSpans" in gzip.decompress(receiver.bodies[0])


class TestCompression:
    def test_on_loopback_there_is_none_unless_asked_for(self, receiver, exporting):
        exporting()[0].export([make()])
        assert "Content-Encoding" not in receiver.headers[0]

    @pytest.mark.parametrize(
        ("url", "local"),
        [
            ("http://localhost:4318", True),
            ("http://127.0.0.9", True),
            ("http://[::1]:4318/x", True),
            ("http://collector:4318", False),
            ("https://api.example.com/v1/traces", False),
            ("http://[", False),
        ],
    )
    def test_what_is_loopback(self, url, local):
        assert local is is_loopback(url)

    @pytest.mark.parametrize("status", [400, 415])
    def test_a_receiver_that_refuses_gzip_gets_plain_bodies(self, receiver, exporting, status, monkeypatch):
        """Where nobody asked for gzip; it is tried once."""
        monkeypatch.setattr(_sender, "is_loopback", lambda url: False)
        exporter, _ = exporting()
        receiver.answers = [(status, {}, b"what?")]
        for n in (1, 2):
            assert SpanExportResult.SUCCESS is exporter.export([make(n)])
        assert ["gzip", None, None] == [headers.get("Content-Encoding") for headers in receiver.headers]

    def test_gzip_that_was_asked_for_stays(self, receiver, exporting):
        exporter, _ = exporting(compression="gzip")
        receiver.answers = [(400, {}, b"bad")]
        assert SpanExportResult.FAILURE is exporter.export([make()])
        exporter.export([make()])
        assert ["gzip", "gzip"] == [headers.get("Content-Encoding") for headers in receiver.headers]


class TestAnswersInProtobuf:
    def test_partial_success_is_counted(self, receiver, exporting, caplog):
        partial = ExportTracePartialSuccess(rejected_spans=300, error_message="too old")
        body = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
        receiver.answers = [(200, {"Content-Type": "application/x-protobuf"}, body)]
        exporter, _ = exporting(make=OTLPExporter)
        exporter.export([make()])
        assert 300 == exporter.counts.rejected_spans
        assert "too old" in caplog.text

    def test_an_errors_message_is_logged(self, receiver, exporting, caplog):
        body = b"\x08\x03\x12\x0bno such key"
        receiver.answers = [(401, {"Content-Type": "application/x-protobuf"}, body)]
        exporter, _ = exporting(make=OTLPExporter)
        assert SpanExportResult.FAILURE is exporter.export([make()])
        assert "HTTP 401: no such key" in caplog.text

    @given(st.binary(max_size=40))
    def test_no_answer_is_trouble(self, body):
        """Whatever a receiver sends: it is read or left, never raised."""
        headers = {"content-type": "application/x-protobuf"}
        rejected_items(headers, body)
        error_text(headers, body)


def test_other_protocols_are_refused():
    with pytest.raises(ValueError, match="http/protobuf"):
        OTLPExporter(protocol="grpc")


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_pass_is_tried_again(receiver, exporting, status):
    receiver.answers = [(status, {}, b""), (status, {}, b"")]
    exporter, slept = exporting()
    assert SpanExportResult.SUCCESS is exporter.export([make()])
    assert ([1.0, 2.0], 2, 1) == (slept, exporter.counts.retries, exporter.counts.exported_spans)


def test_the_receiver_says_how_long_to_wait(receiver, exporting):
    receiver.answers = [(503, {"Retry-After": "5"}, b"")]
    exporter, slept = exporting()
    exporter.export([make()])
    assert [5.0] == slept


def test_retries_end_with_the_timeout(receiver, exporting):
    """A wait that would pass the deadline is not begun; the spans are counted as failed."""
    receiver.answers = [(503, {"Retry-After": "60"}, b"")]
    exporter, slept = exporting(timeout_s=10)
    assert SpanExportResult.FAILURE is exporter.export([make()])
    assert ([], 1) == (slept, exporter.counts.failed_spans)


def test_what_cannot_pass_is_not_tried_again(receiver, exporting):
    receiver.answers = [(400, {}, b"bad")]
    exporter, slept = exporting()
    assert SpanExportResult.FAILURE is exporter.export([make()])
    assert ([], 1) == (slept, len(receiver.bodies))


def test_partial_success_is_counted_and_not_tried_again(receiver, exporting):
    receiver.answers = [(200, {}, b'{"partialSuccess":{"rejectedSpans":"1","errorMessage":"old"}}')]
    exporter, _ = exporting()
    assert SpanExportResult.SUCCESS is exporter.export([make(1), make(2)])
    assert (1, 1, 1) == (exporter.counts.rejected_spans, exporter.counts.exported_spans, len(receiver.bodies))


def test_a_receiver_that_is_away_costs_a_failure_and_one_log_line(exporting, receiver, caplog):
    exporter = OTLPJsonExporter("http://127.0.0.1:1", timeout_s=0.5)
    for _ in range(2):
        assert SpanExportResult.FAILURE is exporter.export([make()])
    assert (2, 1) == (exporter.counts.failed_spans, len(caplog.records))
    exporter.shutdown()


class Memory(SpanExporter):
    """Keeps batches; can be held up."""

    def __init__(self):
        self.batches = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def export(self, spans):
        self.entered.set()
        self.gate.wait(10)
        self.batches.append(list(spans))
        return SpanExportResult.SUCCESS

    def shutdown(self):
        """Nothing to close."""


class TestBatchProcessor:
    def test_flush_exports_everything_in_batches(self):
        memory = Memory()
        processor = BatchProcessor(memory, max_batch_spans=10, interval_s=3600)
        for n in range(1, 26):
            processor.on_end(make(n))
        assert processor.force_flush(10_000)
        assert 25 == sum(map(len, memory.batches)) == processor.exported_spans
        assert max(map(len, memory.batches)) <= 10
        processor.shutdown()

    def test_unsampled_spans_stay(self):
        memory = Memory()
        processor = BatchProcessor(memory, interval_s=3600)
        processor.on_end(make(sampled=False))
        assert processor.force_flush()
        assert [] == memory.batches
        processor.shutdown()

    def test_a_full_queue_drops_and_counts(self):
        memory = Memory()
        memory.gate.clear()
        processor = BatchProcessor(memory, max_queue_spans=4, interval_s=3600)
        processor.on_end(make(1))
        assert not processor.force_flush(0) or memory.entered.wait(10)
        memory.entered.wait(10)
        for n in range(2, 12):
            processor.on_end(make(n))
        assert (6, 4) == (processor.dropped_spans, processor.queued_spans)
        memory.gate.set()
        processor.shutdown()
        assert 5 == processor.exported_spans

    def test_flush_honours_its_timeout(self):
        """A stuck exporter costs the caller its time-out and no more; nothing is lost."""
        memory = Memory()
        memory.gate.clear()
        processor = BatchProcessor(memory, interval_s=3600)
        processor.on_end(make())
        assert not processor.force_flush(20)
        memory.gate.set()
        assert processor.force_flush(10_000)
        processor.shutdown()

    def test_shutdown_drains_and_can_be_repeated(self):
        memory = Memory()
        processor = BatchProcessor(memory, interval_s=3600)
        processor.on_end(make())
        processor.shutdown()
        processor.shutdown()
        processor.on_end(make(2))
        assert (1, 1) == (sum(map(len, memory.batches)), processor.dropped_spans)

    def test_no_span_of_many_threads_is_lost(self):
        memory = Memory()
        processor = BatchProcessor(memory, interval_s=0.001)

        def work(base):
            for n in range(500):
                processor.on_end(make(base + n))

        threads = [threading.Thread(target=work, args=(1 + 1000 * n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert processor.force_flush(10_000)
        seen = {span.get_span_context().span_id for batch in memory.batches for span in batch}
        assert 2000 == len(seen)
        processor.shutdown()

    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # forking beside a thread is the case
    def test_a_forked_child_starts_clean(self):
        """The child exports its own spans and none of its parent's.

        Stock SDK providers of other tests hang a child (their fork hook uses a thread pool) if made before
        `concurrent.futures.thread` was imported: that module's hook, which frees its lock, must run first.
        """
        memory = Memory()
        processor = BatchProcessor(memory, interval_s=3600)
        processor.on_end(make(1))
        read, write = os.pipe()
        if (child := os.fork()) == 0:
            try:  # whatever happens here, the child must not go on as a second test run
                memory.batches.clear()
                processor.on_end(make(2))
                processor.force_flush(5_000)
                ids = [span.get_span_context().span_id for batch in memory.batches for span in batch]
                os.write(write, repr(ids).encode())
            except BaseException as error:
                os.write(write, repr(error).encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert b"[2]" == os.read(read, 100)
        os.close(read)
        os.close(write)
        processor.shutdown()
        assert [1] == [span.get_span_context().span_id for batch in memory.batches for span in batch]
