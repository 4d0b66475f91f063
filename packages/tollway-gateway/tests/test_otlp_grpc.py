"""Spans by OTLP over gRPC: the same limits and answers as over HTTP, in gRPC's words."""

import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tollway.gateway.otlp_grpc import SERVICE, serving
from tollway.gateway.otlp_in import MAX_BODY_BYTES
from tollway.tracing import RatioSlowSampler
from tollway.tracing.receiving import TraceReceiver

WAIT_S = 60


def request_of(*trace_ids):
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for trace_id in trace_ids:
        spans.add(trace_id=trace_id, span_id=b"b" * 8, start_time_unix_nano=5, end_time_unix_nano=7)
    return request.SerializeToString()


@pytest.fixture
def kept():
    return []


@pytest.fixture
def receiver(kept):
    return TraceReceiver(kept.append, RatioSlowSampler())


def exporting(port):
    channel = grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.max_send_message_length", -1)])
    return channel.unary_unary(f"/{SERVICE}/Export")


@pytest.fixture
def export(receiver):
    with serving(receiver, "127.0.0.1", 0) as port:
        yield exporting(port)


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_spans_are_taken(export, kept, compression):
    answer = export(request_of(b"a" * 16), timeout=WAIT_S, compression=compression)
    assert b"" == answer
    assert [int.from_bytes(b"a" * 16)] == [record.trace_id for record in kept]


def test_what_is_no_span_is_told_as_a_partial_success(export, kept):
    answer = ExportTraceServiceResponse.FromString(export(request_of(b"a" * 16, b"short"), timeout=WAIT_S))
    assert 1 == answer.partial_success.rejected_spans
    assert 1 == len(kept)


@pytest.mark.parametrize(
    ("body", "compression", "code"),
    [
        (b"\xff\xff", grpc.Compression.NoCompression, grpc.StatusCode.INVALID_ARGUMENT),
        (bytes(MAX_BODY_BYTES + 1), grpc.Compression.NoCompression, grpc.StatusCode.RESOURCE_EXHAUSTED),
        (bytes(MAX_BODY_BYTES + 1), grpc.Compression.Gzip, grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
)
def test_what_cannot_be_taken_is_refused_with_the_reason(export, kept, body, compression, code):
    with pytest.raises(grpc.RpcError) as caught:
        export(body, timeout=WAIT_S, compression=compression)
    assert code == caught.value.code()
    assert caught.value.details()
    assert [] == kept


def test_a_store_that_is_behind_asks_senders_to_come_again(kept):
    """Exporters repeat a call after UNAVAILABLE, so that nothing is lost."""
    receiver = TraceReceiver(kept.append, RatioSlowSampler(), is_behind=lambda: True)
    with serving(receiver, "127.0.0.1", 0) as port, pytest.raises(grpc.RpcError) as caught:
        exporting(port)(request_of(b"a" * 16), timeout=WAIT_S)
    assert grpc.StatusCode.UNAVAILABLE == caught.value.code()
    assert [] == kept


def test_stopping_finishes_the_requests_in_flight():
    arrived, go_on = threading.Event(), threading.Event()
    kept = []

    def put(record):
        arrived.set()
        assert go_on.wait(WAIT_S)
        kept.append(record)

    with ThreadPoolExecutor(1) as caller:
        with serving(TraceReceiver(put, RatioSlowSampler()), "127.0.0.1", 0) as port:
            answer = caller.submit(exporting(port), request_of(b"a" * 16), timeout=WAIT_S)
            assert arrived.wait(WAIT_S)
            caller_is_released = threading.Timer(0.05, go_on.set)
            caller_is_released.start()
        assert b"" == answer.result(WAIT_S)
    assert 1 == len(kept)


def test_a_port_that_is_taken_is_an_error_that_names_it(receiver):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"127.0.0.1:{port}"), serving(receiver, "127.0.0.1", port):
            pass


def test_without_the_extra_it_is_an_import_error(receiver, monkeypatch):
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(ImportError), serving(receiver, "127.0.0.1", 0):
        pass
