"""Calls of models are measured by the GenAI conventions, and exported as OTLP has metrics."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData

from tollway.gateway.telemetry import Metrics
from tollway.gateway.telemetry.genai import endpoint_attributes
from tollway.gateway.telemetry.inference import DURATION_S, InferenceCells
from tollway.gateway.telemetry.otlp_metrics import MetricsExport, interval_s, is_delta
from tollway.provider import Usage, UsageDetails
from tollway.tracing.otlp._signals import signal_protobuf

WHO = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "server.address": "api.openai.com",
    "server.port": 443,
    "tollway.endpoint": "chat",
}


def cells_of(metrics: Metrics, operation: str = "chat") -> InferenceCells:
    attributes = endpoint_attributes("chat", operation, "openai", "gpt-4o", ("api.openai.com", 443))
    return InferenceCells(metrics, attributes)


class Receiver:
    """Takes what is sent, while it is up."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.is_up = True

    def send(self, data: Any) -> bool:
        if self.is_up:
            self.sent.append(MetricsData.FromString(signal_protobuf("metrics", data)))
        return self.is_up

    def stop(self) -> None: ...

    def close(self) -> None: ...

    def points(self) -> dict[str, list[Any]]:
        """The points of the last export, by the name of their metric."""
        (scope,) = self.sent[-1].resource_metrics[0].scope_metrics
        return {
            metric.name: list((metric.sum if metric.HasField("sum") else metric.histogram).data_points)
            for metric in scope.metrics
        }


def attributes_of(point: Any) -> dict[str, Any]:
    return {
        pair.key: pair.value.int_value if pair.value.HasField("int_value") else pair.value.string_value
        for pair in point.attributes
    }


def export_of(metrics: Metrics, **options: Any) -> tuple[MetricsExport, Receiver]:
    receiver = Receiver()
    return MetricsExport(metrics, [receiver], {"service.name": "shop"}, "one", **options), receiver


def test_a_call_is_a_point_with_the_attributes_of_its_model():
    metrics = Metrics()
    cells_of(metrics).ended(0.03, "", Usage(input_tokens=3, output_tokens=5))
    export, receiver = export_of(metrics, now_s=lambda: 5.0)
    export.export()
    (point,) = receiver.points()["gen_ai.client.inference.duration"]
    assert WHO == attributes_of(point)
    assert (1, 0.03) == (point.count, point.sum)
    assert list(DURATION_S) == list(point.explicit_bounds)
    assert [0, 0, 1] == list(point.bucket_counts)[:3]
    assert (5_000_000_000, 5_000_000_000) == (point.start_time_unix_nano, point.time_unix_nano)


def test_a_failed_call_says_its_error():
    metrics = Metrics()
    cells = cells_of(metrics)
    for error in ("", "upstream_timeout", "upstream_timeout"):
        cells.ended(1.0, error, None)
    export, receiver = export_of(metrics)
    export.export()
    points = receiver.points()["gen_ai.client.inference.duration"]
    assert {None: 1, "upstream_timeout": 2} == {
        attributes_of(point).get("error.type"): point.count for point in points
    }


def test_a_stream_is_measured_by_its_chunks():
    metrics = Metrics()
    cells = cells_of(metrics)
    cells.began(0.25)
    for wait_s in (0.02, 0.3):
        cells.chunk(wait_s)
    export, receiver = export_of(metrics)
    export.export()
    (first,) = receiver.points()["gen_ai.client.inference.time_to_first_chunk"]
    (following,) = receiver.points()["gen_ai.client.inference.time_per_output_chunk"]
    assert (1, 0.25) == (first.count, first.sum)
    assert (2, pytest.approx(0.32)) == (following.count, following.sum)


def tokens(usage: Usage) -> dict[tuple[str, str], int]:
    metrics = Metrics()
    cells_of(metrics).ended(1.0, "", usage)
    export, receiver = export_of(metrics)
    export.export()
    prefix = "gen_ai.client.inference.usage."
    return {
        (name.removeprefix(prefix), attributes_of(point)["gen_ai.token.modality"]): point.as_int
        for name, points in receiver.points().items()
        if name.startswith(prefix)
        for point in points
    }


def test_tokens_are_counted_by_kind():
    usage = Usage(9, 5, 4, 2, UsageDetails(cache_write_input_tokens=3))
    assert {
        ("input_tokens", "unknown"): 9,
        ("output_tokens", "unknown"): 5,
        ("cache_read.input_tokens", "unknown"): 4,
        ("reasoning.output_tokens", "unknown"): 2,
        ("cache_write.input_tokens", "unknown"): 3,
    } == tokens(usage)


def test_tokens_are_counted_by_modality_where_the_service_tells():
    usage = Usage(100, 10, details=UsageDetails(audio_input_tokens=60, image_input_tokens=30))
    assert {
        ("input_tokens", "audio"): 60,
        ("input_tokens", "image"): 30,
        ("input_tokens", "text"): 10,
        ("output_tokens", "unknown"): 10,
    } == tokens(usage)


def test_embeddings_have_a_metric_of_their_own():
    metrics = Metrics()
    cells_of(metrics, "embeddings").ended(1.0, "", Usage(3))
    export, receiver = export_of(metrics)
    export.export()
    assert ["gen_ai.client.embeddings.duration"] == list(receiver.points())


def test_nothing_is_sent_before_anything_was_measured():
    export, receiver = export_of(Metrics())
    assert export.export()
    assert [] == receiver.sent


def test_deltas_lose_nothing_that_a_receiver_did_not_take():
    metrics, times = Metrics(), iter(range(1, 9))
    cells = cells_of(metrics)
    cells.ended(1.0, "", None)  # before the start
    export, receiver = export_of(metrics, delta=True, now_s=lambda: float(next(times)))
    counts = []
    for is_up in (True, False, True):
        cells.ended(1.0, "", None)
        receiver.is_up = is_up
        export.export()
        (point,) = receiver.points()["gen_ai.client.inference.duration"]
        counts.append(point.count)
    assert [1, 1, 2] == counts
    (metric,) = receiver.sent[0].resource_metrics[0].scope_metrics[0].metrics
    assert 1 == metric.histogram.aggregation_temporality


def test_a_worker_that_takes_a_place_goes_on_with_its_numbers(tmp_path):
    for started_s in (1.0, 9.0):
        metrics = Metrics(str(tmp_path), 0)
        cells_of(metrics).ended(1.0, "", None)
        export, receiver = export_of(metrics, now_s=lambda now_s=started_s: now_s)
        export.export()
        del metrics, export
    (point,) = receiver.points()["gen_ai.client.inference.duration"]
    assert (2, 1_000_000_000, 9_000_000_000) == (
        point.count,
        point.start_time_unix_nano,
        point.time_unix_nano,
    )


def test_each_worker_exports_what_it_counted_itself(tmp_path):
    several = [Metrics(str(tmp_path), worker) for worker in range(2)]
    for metrics in several:
        cells_of(metrics).ended(1.0, "", None)
    export, receiver = export_of(several[0])
    export.export()
    (point,) = receiver.points()["gen_ai.client.inference.duration"]
    assert 1 == point.count


def test_prometheus_does_not_show_them():
    metrics = Metrics()
    cells_of(metrics).ended(1.0, "", None)
    assert b"gen_ai" not in metrics.render()[0]


@pytest.mark.parametrize(
    ("text", "seconds"), [("", 60.0), ("500", 0.5), ("soon", 60.0), ("-1", 60.0), ("nan", 60.0)]
)
def test_the_interval_is_in_milliseconds(text, seconds):
    assert seconds == interval_s({"OTEL_METRIC_EXPORT_INTERVAL": text})


@pytest.mark.parametrize(("text", "delta"), [("", False), ("Delta", True), ("lowmemory", True), ("x", False)])
def test_the_temporality_is_the_environments(text, delta):
    assert delta is is_delta({"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": text})
