"""The reference exporters behind our provider: what they send arrives, with the settings of the
specification.
"""

import gzip
import http.server
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from opentelemetry import propagate
from opentelemetry import trace as otel
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GRPCExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HTTPExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.util._once import Once

from tollway import tracing
from tollway.tracing import RatioSlowSampler, TracerProvider, testing
from tollway.tracing._environment import read_environment
from tollway.tracing.otlp import BatchProcessor


@pytest.fixture
def http_receiver():
    """A receiver of OTLP over HTTP; `got` holds path, headers and request of each call."""
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers["content-encoding"] == "gzip":
                body = gzip.decompress(body)
            headers = {name.lower(): value for name, value in self.headers.items()}
            got.append((self.path, headers, ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.got, server.url = got, f"http://127.0.0.1:{server.server_address[1]}"
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def grpc_receiver():
    """A receiver of OTLP over gRPC; `got` holds path, headers and request of each call."""
    got = []

    class Service(TraceServiceServicer):
        def Export(self, request, context):  # noqa: N802 - the service's name
            got.append(("", dict(context.invocation_metadata()), request))
            return ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    server.got, server.url = got, f"http://127.0.0.1:{port}"
    yield server
    server.stop(None).wait()


@pytest.fixture(params=["http_receiver", "grpc_receiver"])
def receiver(request):
    found = request.getfixturevalue(request.param)
    found.protocol = "grpc" if request.param == "grpc_receiver" else "http/protobuf"
    return found


def exporter_of(receiver):
    if receiver.protocol == "grpc":
        return GRPCExporter(endpoint=receiver.url, insecure=True)
    return HTTPExporter(endpoint=f"{receiver.url}/v1/traces")


def spans_of(got):
    return [
        span
        for _, _, request in got
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


@pytest.mark.parametrize("processor", [SimpleSpanProcessor, BatchSpanProcessor, BatchProcessor])
def test_every_part_of_a_late_kept_span_arrives(receiver, processor):
    """Through each processor: sampled, under its parent, with its values, events, links and status."""
    clock = testing.SteppingClock()
    provider = TracerProvider(RatioSlowSampler(0.0, 10), clock=clock.clock(), shutdown_on_exit=False)
    provider.add_span_processor(processor(exporter_of(receiver)))
    tracer = provider.get_tracer("lib", "1")
    with tracer.start_as_current_span(
        "root", attributes={"text": "é", "bytes": b"\x00", "list": [1, 2]}
    ) as root:
        link = otel.Link(root.get_span_context(), {"why": "here"})
        with tracer.start_as_current_span("child", kind=otel.SpanKind.CLIENT, links=[link]) as child:
            child.add_event("event", {"deep": {"a": [True, 1.5]}})
            child.set_status("ERROR", "why")
        clock.step(11)
    provider.shutdown()
    child, root = sorted(spans_of(receiver.got), key=lambda span: span.name)
    assert ("child", "root") == (child.name, root.name)
    assert root.span_id == child.parent_span_id == child.links[0].span_id
    assert "ot=th:0" == root.trace_state
    assert {"text", "bytes", "list", "tollway.kept_because"} == {pair.key for pair in root.attributes}
    assert (2, "why", "event") == (child.status.code, child.status.message, child.events[0].name)
    assert 11_000_000 == root.end_time_unix_nano - root.start_time_unix_nano


@pytest.fixture
def fresh(monkeypatch):
    """No global provider before, none after."""
    monkeypatch.setattr(otel, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(otel, "_TRACER_PROVIDER_SET_ONCE", Once())
    before = propagate.get_global_textmap()
    yield
    tracing.shutdown()
    propagate.set_global_textmap(before)


@pytest.mark.usefixtures("fresh")
class TestConfigured:
    def test_endpoint_headers_and_compression_are_those_of_the_environment_that_was_given(self, receiver):
        """Not of the process: the exporters would look there by themselves."""
        tracing.configure(
            environ={
                "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
                "OTEL_EXPORTER_OTLP_PROTOCOL": receiver.protocol,
                "OTEL_EXPORTER_OTLP_HEADERS": "X-Team=ml",
                "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            },
            shutdown_on_exit=False,
        )
        tracing.start_span("s").start().end()
        assert tracing.flush()
        ((path, headers, _),) = receiver.got
        assert path in ("", "/v1/traces")
        assert "ml" == headers["x-team"]
        assert ["s"] == [span.name for span in spans_of(receiver.got)]

    @pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
    def test_their_timeout_is_in_milliseconds(self, protocol, monkeypatch):
        """As the specification says; read by themselves it would be seconds."""
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "99999")
        provider = tracing.configure(
            environ={
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
                "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
                "OTEL_EXPORTER_OTLP_TIMEOUT": "2500",
            },
            shutdown_on_exit=False,
        )
        (processor,) = provider._active_span_processor._span_processors
        exporter = processor.span_exporter
        assert 2.5 == (exporter._timeout if protocol == "grpc" else exporter._sender._timeout_s)

    def test_a_compression_that_is_none_is_warned_of(self, caplog):
        caplog.set_level(logging.WARNING)
        assert read_environment({"OTEL_EXPORTER_OTLP_COMPRESSION": "brotli"}).compression is None
        assert "use gzip or none" in caplog.text

    def test_a_ratio_that_is_none_is_warned_of(self, caplog):
        """OpenTelemetry's variables never stop a program."""
        environ = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2"}
        assert 1.0 == read_environment(environ).sampling_rate
        assert "OTEL_TRACES_SAMPLER_ARG" in caplog.text
