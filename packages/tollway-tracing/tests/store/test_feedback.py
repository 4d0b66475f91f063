"""Feedback lies beside its trace, is found with it, and goes with it."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry import _logs as otel_logs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

from tollway import tracing
from tollway.tracing import FileStore, testing
from tollway.tracing.store import FileStoreProcessor, prune, verify


@pytest.fixture
def store(tmp_path):
    return FileStore(tmp_path)


@pytest.fixture
def trace_id(store):
    with testing.capture() as captured:
        captured.provider.add_span_processor(FileStoreProcessor(store))
        with tracing.start_span("s") as span:
            pass
        captured.provider.force_flush()
    return f"{span.get_span_context().trace_id:032x}"


VALUES = [True, 3, 0.5, "good", None, {"a": [1]}]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_comes_back_as_it_was_given(store, trace_id, value):
    given = tracing.log_feedback(
        trace_id,
        "score",
        value,
        store=store,
        explanation="why",
        source="me",
        source_type="human",
        span_id="1" * 16,
        metadata={"k": 1},
    )
    assert (given,) == store.get(trace_id).feedback


def test_the_newest_of_a_name_counts_in_a_search(store, trace_id):
    for value in (False, True):
        tracing.log_feedback(trace_id, "helpful", value, store=store)
    tracing.log_feedback("f" * 32, "helpful", True, store=store)
    found = store.search(feedback={"helpful": True})
    assert [trace_id] == [trace.trace_id for trace in found]
    assert [] == store.search(feedback={"helpful": False})
    assert 1 == len(store.search(feedback={"helpful": None}))
    assert [] == store.search(feedback={"helpful": True, "other": None})


def test_it_may_come_before_its_trace_is_written(store):
    with testing.capture() as captured:
        captured.provider.add_span_processor(FileStoreProcessor(store))
        with tracing.start_span("s") as span:
            trace_id = f"{span.get_span_context().trace_id:032x}"
            tracing.log_feedback(trace_id, "early", 1, store=store)
        captured.provider.force_flush()
    assert ["early"] == [one.name for one in store.get(trace_id).feedback]


def test_its_file_is_otlp_and_no_trace(store, trace_id):
    tracing.log_feedback(trace_id, "score", 0.5, store=store)
    (path,) = store.layout.root.glob("*/feedback.jsonl")
    (record,) = json.loads(path.read_text())["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    assert ("gen_ai.evaluation.result", trace_id) == (record["eventName"], record["traceId"])
    assert {"key": "gen_ai.evaluation.score.value", "value": {"doubleValue": 0.5}} in record["attributes"]
    assert verify(store).ok


def test_it_goes_with_its_trace(store, trace_id):
    tracing.log_feedback(trace_id, "score", 1, store=store)
    later = datetime.now(UTC) + timedelta(days=9)
    prune(store, max_age_s=86_400, now_s=later.timestamp())
    assert [] == list(store.layout.root.glob("*/feedback.jsonl"))


@pytest.mark.parametrize("trace_id", ["", "xyz", "g" * 32, None])
def test_an_id_that_is_none_is_refused(trace_id):
    with pytest.raises(ValueError, match="32 hex digits"):
        tracing.log_feedback(trace_id, "score", 1)


def test_it_is_an_event_on_the_logger_provider(monkeypatch, store, trace_id):
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    monkeypatch.setattr(otel_logs._internal, "_LOGGER_PROVIDER", provider)
    tracing.log_feedback(trace_id, "score", "good", store=store, explanation="why")
    (found,) = exporter.get_finished_logs()
    record = found.log_record
    assert ("gen_ai.evaluation.result", int(trace_id, 16)) == (record.event_name, record.trace_id)
    assert ("score", "good", "why") == tuple(
        record.attributes[f"gen_ai.evaluation.{key}"] for key in ("name", "score.label", "explanation")
    )
