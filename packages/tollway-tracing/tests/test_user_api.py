"""`start_span` and its friends, on our provider and on others."""

import json

import pytest
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import TracerProvider as SDKTracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from tollway import tracing
from tollway.tracing import RatioSlowSampler, testing


@pytest.fixture
def on_sdk(monkeypatch):
    """The SDK's provider as the global one; gives its finished spans."""
    exporter = InMemorySpanExporter()
    provider = SDKTracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(otel, "_TRACER_PROVIDER", provider)
    return exporter.get_finished_spans


@pytest.fixture
def on_ours():
    """Our provider as the global one; gives its finished spans."""
    with testing.capture() as captured:
        yield lambda: captured.spans


@pytest.fixture(params=["on_ours", "on_sdk"])
def finished(request):
    return request.getfixturevalue(request.param)


def handle(request):
    """The program of the documentation."""
    with tracing.start_span(name="request_handling", kind="chain") as span:
        span.set_inputs({"raw_input": request})
        span.add_event("cache_hit", {"key": "user_123"})
        span.set_outputs({"final_result": [1, 2]})
        span.set_status("ERROR", "API timeout")
        span.record_exception(TimeoutError("late"))


def test_the_documented_program_on_any_provider(finished):
    handle("hello")
    (span,) = finished()
    assert "request_handling" == span.name
    assert {"raw_input": "hello"} == json.loads(span.attributes["tollway.inputs"])
    assert {"final_result": [1, 2]} == json.loads(span.attributes["tollway.outputs"])
    assert "chain" == span.attributes["tollway.kind"]
    assert ["cache_hit", "exception"] == [event.name for event in span.events]
    assert (StatusCode.ERROR, "API timeout") == (span.status.status_code, span.status.description)


def test_an_exception_makes_it_an_error_on_any_provider(finished):
    with pytest.raises(KeyError), tracing.start_span("s"):
        raise KeyError("k")
    (span,) = finished()
    assert StatusCode.ERROR is span.status.status_code
    assert ["exception"] == [event.name for event in span.events]


def test_the_current_span_takes_inputs_whoever_made_it(finished):
    with otel.get_tracer("other").start_as_current_span("theirs"):
        tracing.current_span().set_inputs({"a": 1})
        tracing.current_span().set_status("error", "why")
    (span,) = finished()
    assert {"a": 1} == json.loads(span.attributes["tollway.inputs"])
    assert "why" == span.status.description


def test_without_a_provider_nothing_is_recorded_and_nothing_fails(monkeypatch):
    monkeypatch.setattr(otel, "_TRACER_PROVIDER", None)
    handle("hello")
    with tracing.start_span("s") as span:
        assert not span.is_recording()


def test_a_kind_of_opentelemetry_is_the_spans_kind(on_ours):
    with tracing.start_span("s", "client"):
        pass
    (span,) = on_ours()
    assert otel.SpanKind.CLIENT is span.kind
    assert "tollway.kind" not in span.attributes


def test_force_and_ratio_reach_the_policy():
    with testing.capture(RatioSlowSampler(0.0)) as captured:
        with tracing.start_span("forced", force=True):
            pass
        with tracing.start_span("picked", sampling_ratio=1.0):
            pass
        with tracing.start_span("dropped"):
            pass
    assert {"forced": "forced", "picked": "ratio"} == {
        span.name: span.attributes["tollway.kept_because"] for span in captured.spans
    }


@pytest.mark.parametrize("ratio", [2, -1, "half", float("nan")])
def test_a_ratio_that_is_none_is_ignored_with_a_warning(on_ours, ratio, caplog):
    with tracing.start_span("s", sampling_ratio=ratio):
        pass
    assert ["s"] == [span.name for span in on_ours()]
    assert "from 0 to 1" in caplog.text


def test_inputs_are_frozen_when_they_are_set(on_ours):
    given = {"a": [1]}
    with tracing.start_span("s") as span:
        span.set_inputs(given)
        given["a"].append(2)
    assert {"a": [1]} == json.loads(on_ours()[0].attributes["tollway.inputs"])


class TestForeignSpans:
    def test_one_is_a_span_for_opentelemetrys_functions(self, on_sdk):
        """It can be made current, and be a parent."""
        with tracing.start_span("around") as around:
            pass
        with otel.use_span(around):
            assert around.get_span_context() == otel.get_current_span().get_span_context()
            tracing.start_span("child").start().end()
        child = next(span for span in on_sdk() if span.name == "child")
        assert around.get_span_context() == child.parent

    def test_everything_else_is_the_spans_own(self, on_sdk):
        with tracing.start_span("s") as span:
            span.set_attributes({"a": 1})
            span.add_link(span.get_span_context())
            span.update_name("renamed")
            assert span.is_recording()
            assert 1 == span.attributes["a"]
        (found,) = on_sdk()
        assert ("renamed", 1) == (found.name, len(found.links))

    def test_a_word_that_is_no_status_is_ignored_as_on_ours(self, finished):
        with tracing.start_span("s") as span:
            span.set_status("BROKEN")
        assert [StatusCode.UNSET] == [found.status.status_code for found in finished()]

    def test_an_exception_whose_text_raises_goes_through(self, finished):
        class OddError(Exception):
            def __str__(self):
                raise RuntimeError("no text")

        with pytest.raises(OddError), tracing.start_span("s"):
            raise OddError
        (span,) = finished()
        assert StatusCode.ERROR is span.status.status_code
