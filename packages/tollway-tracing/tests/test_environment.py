"""Variables that make no sense cost a warning; MLflow's are read behind all others."""

import logging
import math

import pytest
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import TracerProvider as SDKTracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util._once import Once

from tollway import tracing
from tollway.tracing._environment import read_environment
from tollway.tracing._mlflow_environment import read_mlflow
from tollway.tracing.otlp import BatchProcessor


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(otel, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(otel, "_TRACER_PROVIDER_SET_ONCE", Once())
    yield
    tracing.shutdown()


def configure(environ, **settings):
    return tracing.configure(environ=environ, shutdown_on_exit=False, **settings)


ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4318"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:99999"},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://[::1"},
        {**ENDPOINT, "OTEL_BSP_MAX_QUEUE_SIZE": "inf"},
        {**ENDPOINT, "OTEL_BSP_MAX_QUEUE_SIZE": "0.5"},
        {**ENDPOINT, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "-1"},
        {**ENDPOINT, "OTEL_BSP_SCHEDULE_DELAY": "inf"},
        {**ENDPOINT, "OTEL_BSP_SCHEDULE_DELAY": "1e30"},
        {**ENDPOINT, "OTEL_EXPORTER_OTLP_TIMEOUT": "nan"},
        {**ENDPOINT, "OTEL_EXPORTER_OTLP_TIMEOUT": "-5"},
        {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "inf"},
    ],
    ids=str,
)
def test_a_variable_that_makes_no_sense_costs_a_warning(environ, caplog):
    configure(environ)
    assert "ignored" in caplog.text


def test_white_space_around_an_endpoint_is_none_of_it():
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": " http://collector:4318 "}
    assert "http://collector:4318" == read_environment(environ).endpoint


def test_grpc_takes_an_endpoint_without_a_scheme():
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert "collector:4317" == read_environment(environ).endpoint


@pytest.mark.parametrize(
    ("sampler", "argument", "ratio"),
    [
        ("traceidratio", "0.25", 0.25),
        ("always_on", "", 1.0),
        ("always_off", "", 0.0),
        ("parentbased_always_off", "", 0.0),
    ],
)
def test_a_threshold_beside_a_sampler_of_the_environment_is_kept(sampler, argument, ratio, caplog):
    """An operator's variable must not drop in silence what the program asks for."""
    environ = {"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": argument}
    found = configure(environ, slow_threshold_ms=5).sampler
    assert (ratio, 5) == (found.sampling_rate, found.slow_threshold_ms)
    assert sampler in caplog.text


def test_a_sampler_of_the_environment_alone_is_the_sdks():
    assert not hasattr(configure({"OTEL_TRACES_SAMPLER": "always_off"}).sampler, "slow_threshold_ms")


class TestMLflow:
    def test_its_variables_are_settings(self):
        assert {
            "sampling_rate": 0.5,
            "slow_threshold_ms": 3000.0,
            "otlp": "http://mlflow:5000",
            "otlp_headers": {"x-mlflow-experiment-id": "7"},
        } == read_mlflow(
            {
                "MLFLOW_TRACE_SAMPLING_RATIO": "0.5",
                "MLFLOW_TRACE_TIMEOUT_SECONDS": "3",
                "MLFLOW_TRACKING_URI": "http://mlflow:5000",
                "MLFLOW_EXPERIMENT_ID": "7",
            }
        )

    @pytest.mark.parametrize(
        ("uri", "found"),
        [
            ("file:///var/traces", {"store": "/var/traces"}),
            ("mlruns", {"store": "mlruns"}),
            ("databricks://x", {}),
        ],
    )
    def test_a_tracking_uri_that_is_no_server(self, uri, found):
        assert found == read_mlflow({"MLFLOW_TRACKING_URI": uri})

    def test_one_line_lists_those_that_were_read(self, caplog):
        caplog.set_level(logging.INFO, "tollway")
        configure({"MLFLOW_TRACE_SAMPLING_RATIO": "0.5", "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false"})
        (line,) = [record.getMessage() for record in caplog.records if "MLflow" in record.getMessage()]
        assert "MLFLOW_TRACE_SAMPLING_RATIO" in line
        assert "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING: no effect" in line

    def test_none_is_no_line(self, caplog):
        caplog.set_level(logging.INFO, "tollway")
        configure({})
        assert "MLflow" not in caplog.text

    def test_other_variables_and_arguments_go_before_them(self):
        mlflow = {"MLFLOW_TRACE_SAMPLING_RATIO": "0.5", "MLFLOW_TRACE_TIMEOUT_SECONDS": "3"}
        sampler = configure({**mlflow, "TOLLWAY_SAMPLING_RATE": "0.1"}, slow_threshold_ms=math.inf).sampler
        assert (0.1, None) == (sampler.sampling_rate, sampler.slow_threshold_ms)

    def test_a_server_is_an_otlp_target(self):
        provider = configure({"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_EXPERIMENT_ID": "7"})
        (batch,) = [
            one for one in provider._active_span_processor._span_processors if isinstance(one, BatchProcessor)
        ]
        assert "http://127.0.0.1:9/v1/traces" == batch.span_exporter.url

    def test_a_number_that_is_none_costs_a_warning(self, caplog):
        assert {} == read_mlflow({"MLFLOW_TRACE_SAMPLING_RATIO": "2"})
        assert "ignored" in caplog.text


def test_a_provider_that_exports_by_the_environment_is_given_no_second_exporter(monkeypatch):
    """Each span would arrive twice."""
    provider = SDKTracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    monkeypatch.setattr(otel, "_TRACER_PROVIDER", provider)
    configure(ENDPOINT)
    assert 1 == len(provider._active_span_processor._span_processors)
    configure({}, otlp="http://127.0.0.1:9")
    assert 2 == len(provider._active_span_processor._span_processors)
