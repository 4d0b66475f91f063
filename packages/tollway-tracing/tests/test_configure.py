"""`configure`: arguments before the environment before the defaults, again and again, and on others'
providers.
"""

import http.server
import logging
import math
import threading

import pytest
from opentelemetry import propagate
from opentelemetry import trace as otel
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider as SDKTracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util._once import Once

from tollway import tracing
from tollway.tracing import RatioSlowSampler, SettingError, TracerProvider
from tollway.tracing._environment import read_environment
from tollway.tracing.otlp import BatchProcessor, OTLPExporter
from tollway.tracing.store import FileStoreProcessor, MissingZstdError


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """No global provider before, none after."""
    monkeypatch.setattr(otel, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(otel, "_TRACER_PROVIDER_SET_ONCE", Once())
    before = propagate.get_global_textmap()
    yield
    tracing.shutdown()
    propagate.set_global_textmap(before)


def configure(environ=None, **settings):
    return tracing.configure(environ=environ or {}, shutdown_on_exit=False, **settings)


def processors(provider, kind):
    return [p for p in provider._active_span_processor._span_processors if isinstance(p, kind)]


@pytest.fixture
def receiver():
    """An OTLP/HTTP receiver that keeps what it gets: (path, headers, body)."""
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.got = got
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield server
    server.shutdown()
    server.server_close()


class TestPolicy:
    def test_the_defaults_keep_everything(self):
        sampler = configure().sampler
        assert (1.0, None, "local") == (sampler.sampling_rate, sampler.slow_threshold_ms, sampler.mode)

    def test_the_environment_goes_before_the_defaults(self):
        environ = {
            "TOLLWAY_SAMPLING_RATE": "0.2",
            "TOLLWAY_SLOW_THRESHOLD_MS": "1000",
            "TOLLWAY_SAMPLING_MODE": "collector",
        }
        sampler = configure(environ).sampler
        assert (0.2, 1000, "collector") == (sampler.sampling_rate, sampler.slow_threshold_ms, sampler.mode)

    def test_infinity_is_no_threshold_whatever_the_environment_says(self):
        sampler = configure({"TOLLWAY_SLOW_THRESHOLD_MS": "1000"}, slow_threshold_ms=math.inf).sampler
        assert isinstance(sampler, RatioSlowSampler)
        assert sampler.slow_threshold_ms is None

    def test_arguments_go_before_the_environment(self):
        environ = {"TOLLWAY_SAMPLING_RATE": "0.2", "TOLLWAY_SLOW_THRESHOLD_MS": "1000"}
        sampler = configure(environ, sampling_rate=0.5, slow_threshold_ms=10, mode="local").sampler
        assert (0.5, 10) == (sampler.sampling_rate, sampler.slow_threshold_ms)

    def test_opentelemetrys_ratio_is_ours(self):
        """So that a slow threshold works beside it."""
        environ = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"}
        sampler = configure(environ, slow_threshold_ms=10).sampler
        assert (0.25, 10) == (sampler.sampling_rate, sampler.slow_threshold_ms)

    def test_another_sampler_of_the_environment_is_the_sdks(self, monkeypatch):
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
        provider = configure({"OTEL_TRACES_SAMPLER": "always_off"})
        assert not isinstance(provider.sampler, RatioSlowSampler)
        assert not provider.get_tracer("t").start_span("s").is_recording()

    @pytest.mark.parametrize(
        ("settings", "environ", "told"),
        [
            ({"sampling_rate": 2}, {}, "between 0 and 1"),
            ({"slow_threshold_ms": -1}, {}, "milliseconds"),
            ({"mode": "remote"}, {}, "local, collector"),
            ({}, {"TOLLWAY_SAMPLING_RATE": "often"}, "TOLLWAY_SAMPLING_RATE is 'often'"),
        ],
    )
    def test_what_cannot_be_used_is_refused_with_the_mend(self, settings, environ, told):
        with pytest.raises(SettingError, match=told):
            configure(environ, **settings)


class TestService:
    def test_by_argument_and_by_environment(self, monkeypatch):
        monkeypatch.setenv("OTEL_SERVICE_NAME", "from-env")
        assert "from-env" == configure().resource.attributes["service.name"]
        assert "shop" == configure(service_name="shop").resource.attributes["service.name"]


class TestStore:
    def test_spans_are_read_back(self, tmp_path):
        configure(store=tmp_path, service_name="shop")
        with tracing.start_span("s", attributes={"session.id": "1"}) as span:
            span.set_inputs({"a": 1})
        assert tracing.flush()
        (trace,) = tracing.search_traces(session="1")
        assert ("s", "shop", {"a": 1}) == (trace.root_name, trace.service, trace.spans[0].inputs)
        assert trace == tracing.get_trace(trace.trace_id)

    @pytest.mark.parametrize(("given", "mode"), [({}, 0o600), ({"store_file_mode": 0o640}, 0o640)])
    def test_files_are_the_owners_unless_a_setting_opens_them(self, tmp_path, given, mode):
        configure(store=tmp_path / "traces", **given)
        tracing.start_span("s").start().end()
        assert tracing.flush()
        files = [path for path in (tmp_path / "traces").rglob("*") if path.is_file()]
        assert [mode] * 4 == [path.stat().st_mode & 0o777 for path in files]  # lines, ids, two rows

    @pytest.mark.parametrize("mode", [0, 0o444, 0o755, 0o200, 416 * 8, -1])
    def test_a_mode_that_no_store_can_live_with_is_refused(self, tmp_path, mode):
        with pytest.raises(SettingError, match=r"store_file_mode is .*use 0o600"):
            configure(store=tmp_path, store_file_mode=mode)

    def test_an_age_of_sealing_below_zero_is_refused(self, tmp_path):
        with pytest.raises(SettingError, match="store_seal_after_s is -1"):
            configure(store=tmp_path, store_seal_after_s=-1)

    def test_a_store_that_is_to_seal_needs_zstd(self, tmp_path, monkeypatch):
        """It is said when tracing is set up, not when the first day is over."""

        def missing():
            raise MissingZstdError("pip install it")

        monkeypatch.setattr("tollway.tracing._configure.zstd", missing)
        with pytest.raises(SettingError, match="pip install it"):
            configure(store=tmp_path, store_seal_after_s=86_400)

    def test_none_whatever_the_environment_says(self, tmp_path):
        made = configure({"TOLLWAY_STORE": str(tmp_path)}, store=False)
        assert [] == processors(made, FileStoreProcessor)

    def test_retention_is_passed_on(self, tmp_path):
        (processor,) = processors(
            configure({"TOLLWAY_STORE": str(tmp_path)}, retention_days=2, retention_bytes=10),
            FileStoreProcessor,
        )
        kept = processor._writer._retention
        assert (2 * 86_400, 10) == (kept.max_age_s, kept.max_bytes)


def spans_in(data):
    return [span for block in data.resource_spans for scope in block.scope_spans for span in scope.spans]


class TestExport:
    @pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
    def test_none_whatever_the_environment_says(self, name):
        """Also where an exporter is named; one that is not OTLP's stays."""
        environ = {name: "http://localhost:4318", "OTEL_TRACES_EXPORTER": "otlp,console"}
        made = configure(environ, otlp=False)
        assert [] == processors(made, BatchProcessor)
        assert 1 == len(processors(made, SimpleSpanProcessor))

    def test_by_argument(self, receiver):
        configure(otlp=receiver.url, otlp_headers={"x-team": "ml"})
        tracing.start_span("s").start().end()
        assert tracing.flush()
        ((path, headers, body),) = receiver.got
        assert ("/v1/traces", "ml") == (path, headers["x-team"])
        assert "application/x-protobuf" == headers["content-type"]
        (block,) = TracesData.FromString(body).resource_spans
        assert "s" == block.scope_spans[0].spans[0].name

    def test_by_environment(self, receiver):
        environ = {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{receiver.url}/exactly/here",
            "OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%20b,x=y",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        configure(environ)
        tracing.start_span("s").start().end()
        assert tracing.flush()
        ((path, headers, body),) = receiver.got
        assert ("/exactly/here", "a b", "y", "gzip") == (
            path,
            headers["api-key"],
            headers["x"],
            headers["content-encoding"],
        )
        assert b"\x1f\x8b" == body[:2]

    @pytest.mark.parametrize(
        ("protocol", "module"),
        [
            ("", "tollway.tracing.otlp._export"),
            ("http/protobuf", "tollway.tracing.otlp._export"),
            ("http/json", "tollway.tracing.otlp._export"),
            ("grpc", "opentelemetry.exporter.otlp.proto.grpc.trace_exporter"),
        ],
    )
    def test_the_exporter_is_chosen_by_protocol(self, protocol, module):
        """HTTP is our own, in both formats; gRPC is the reference exporter's."""
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        }
        (processor,) = processors(configure(environ), BatchProcessor)
        assert module == type(processor.span_exporter).__module__

    def test_several_targets_each_have_their_headers_and_dialect(self, receiver):
        """What the environment says of headers is for neither: one of them need not know the other's key."""
        targets = [
            {"endpoint": f"{receiver.url}/one", "headers": {"x-team": "ml"}, "dialect": "openinference"},
            f"{receiver.url}/two",
        ]
        configure({"OTEL_EXPORTER_OTLP_HEADERS": "authorization=secret"}, otlp=targets)
        with tracing.start_span("search", kind="tool"):
            pass
        assert tracing.flush()
        found = {path: (headers, TracesData.FromString(body)) for path, headers, body in receiver.got}
        assert {"/one/v1/traces", "/two/v1/traces"} == set(found)
        sent = {path: spans_in(data)[0] for path, (_, data) in found.items()}
        kinds = {
            path: [
                item.value.string_value for item in span.attributes if item.key == "openinference.span.kind"
            ]
            for path, span in sent.items()
        }
        assert {"/one/v1/traces": ["TOOL"], "/two/v1/traces": []} == kinds
        headers = {path: headers for path, (headers, _) in found.items()}
        assert ("ml", None) == tuple(
            headers[path].get("x-team") for path in ("/one/v1/traces", "/two/v1/traces")
        )
        assert not any("authorization" in item for item in headers.values())

    @pytest.mark.parametrize(
        ("target", "problem"),
        [
            ({"dialect": "genai"}, "endpoint"),
            (
                {"endpoint": "http://c", "dialect": "zipkin"},
                "use one of genai, openinference, mlflow, langfuse",
            ),
            ({"endpoint": "http://c", "header": {}}, "not header"),
        ],
    )
    def test_a_target_that_cannot_be_is_refused_with_what_can(self, target, problem):
        with pytest.raises(SettingError, match=problem):
            configure(otlp=[target])

    def test_a_dialect_needs_http(self):
        with pytest.raises(SettingError, match="http/protobuf"):
            configure(
                {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, otlp={"endpoint": "http://c", "dialect": "mlflow"}
            )

    @pytest.mark.parametrize(
        ("protocol", "content_type"),
        [("", "application/x-protobuf"), ("http/json", "application/json")],
    )
    def test_spans_go_in_the_format_that_was_asked_for(self, receiver, protocol, content_type):
        configure({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol})
        tracing.start_span("s").start().end()
        assert tracing.flush()
        ((_, headers, _),) = receiver.got
        assert content_type == headers["content-type"]

    def test_protobuf_arrives(self, receiver):
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        configure({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, otlp=receiver.url)
        tracing.start_span("s").start().end()
        assert tracing.flush()
        ((path, _, body),) = receiver.got
        request = ExportTraceServiceRequest.FromString(body)
        assert ("/v1/traces", "s") == (path, request.resource_spans[0].scope_spans[0].spans[0].name)

    def test_console_and_none(self, capsys):
        configure({"OTEL_TRACES_EXPORTER": "console"})
        tracing.start_span("printed").start().end()
        assert '"name": "printed"' in capsys.readouterr().out
        provider = configure({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"})
        assert () == provider._active_span_processor._span_processors

    def test_an_exporter_that_is_none_is_warned_of(self, caplog):
        configure({"OTEL_TRACES_EXPORTER": "zipkin"})
        assert "use otlp, console or none" in caplog.text

    def test_the_timeout_is_in_milliseconds(self):
        given = read_environment({"OTEL_EXPORTER_OTLP_TIMEOUT": "2500"})
        assert 2500 == given.timeout_ms


class TestAgain:
    def test_tracers_in_use_go_on_with_the_new_settings(self, tmp_path):
        """The old store has what was traced before, the new one what came after."""
        first = configure(store=tmp_path / "first")
        tracer = otel.get_tracer("library")
        tracer.start_span("before").end()
        assert first is configure(store=tmp_path / "second", service_name="renamed")
        tracer.start_span("after").end()
        tracing.start_span("also after").start().end()
        tracing.flush()
        (before,) = tracing.search_traces(store=tracing.FileStore(tmp_path / "first"))
        assert "before" == before.root_name
        assert {("after", "renamed"), ("also after", "renamed")} == {
            (trace.root_name, trace.service) for trace in tracing.search_traces()
        }

    def test_processors_of_others_stay(self):
        exporter = InMemorySpanExporter()
        configure().add_span_processor(SimpleSpanProcessor(exporter))
        configure(service_name="again")
        tracing.start_span("s").start().end()
        assert ["s"] == [span.name for span in exporter.get_finished_spans()]

    def test_an_open_trace_is_decided_by_what_is_known(self):
        exporter = InMemorySpanExporter()
        provider = configure(sampling_rate=0.0)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        with tracing.start_span("root"):
            with tracing.start_span("child") as child:
                child.set_status("ERROR", "why")
            configure(sampling_rate=0.0)
        assert ["child", "root"] == [span.name for span in exporter.get_finished_spans()]


def test_on_anothers_provider_our_parts_are_added(tmp_path, caplog):
    """Its sampler stays, and a warning says so."""
    theirs = SDKTracerProvider(shutdown_on_exit=False)
    otel.set_tracer_provider(theirs)
    with caplog.at_level(logging.WARNING):
        assert theirs is configure(store=tmp_path)
    assert "its sampler and resource stay" in caplog.text
    tracing.start_span("s").start().end()
    assert tracing.flush()
    assert ["s"] == [trace.root_name for trace in tracing.search_traces()]


class TestStats:
    def test_the_numbers_of_what_happened(self, tmp_path, receiver):
        configure(sampling_rate=0.0, store=tmp_path, otlp=receiver.url)
        with tracing.start_span("failed") as span:
            span.set_status("ERROR", "why")
        with tracing.start_span("dropped"), tracing.start_span("child"):
            assert 0 == tracing.stats().held_spans
        with tracing.start_span("open"):
            tracing.start_span("held").start().end()
            assert 1 == tracing.stats().held_spans
        tracing.flush()
        now = tracing.stats()
        assert 5 == now.started_spans
        assert {"error": 1} == {why: n for why, n in now.kept_traces.items() if n}
        assert {"unpicked": 4} == {why: n for why, n in now.dropped_spans.items() if n}
        assert (1, 1, 0, 0) == (now.exported_spans, now.written_spans, now.failed_spans, now.queued_spans)

    def test_spans_that_cannot_be_sent_are_counted(self):
        provider = configure(otlp="http://127.0.0.1:9")
        (processor,) = processors(provider, BatchProcessor)
        assert isinstance(processor.span_exporter, OTLPExporter)
        processor.span_exporter._sender._timeout_s = 0.05
        tracing.start_span("s").start().end()
        assert not tracing.flush()
        assert 1 == tracing.stats().failed_spans

    def test_as_opentelemetry_metrics(self):
        reader = InMemoryMetricReader()
        configure(sampling_rate=0.0, meter_provider=MeterProvider([reader], shutdown_on_exit=False))
        with tracing.start_span("s"):
            pass
        found = {
            (metric.name, point.attributes.get("reason")): point.value
            for resource in reader.get_metrics_data().resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
        }
        assert 1 == found["tollway.tracing.spans.started", None]
        assert 1 == found["tollway.tracing.spans.dropped", "unpicked"]
        assert 0 == found["tollway.tracing.spans.held", None]

    def test_without_a_provider_all_is_zero(self):
        assert 0 == tracing.stats().started_spans


def test_a_provider_that_is_ours_already_is_set_up(tmp_path):
    """An application that made it itself keeps its object."""
    own = TracerProvider(shutdown_on_exit=False)
    otel.set_tracer_provider(own)
    assert own is configure(store=tmp_path, sampling_rate=0.5)
    assert 0.5 == own.sampler.sampling_rate
