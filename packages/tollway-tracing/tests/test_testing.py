"""What tests of traced programs use."""

import pytest
from opentelemetry import trace as otel
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tollway import tracing
from tollway.tracing import testing

module_tracer = otel.get_tracer("of a module")


class TestCapture:
    def test_the_example_of_the_documentation(self):
        @tracing.trace
        def answer():
            with tracing.start_span("retrieve"):
                return "because"

        clock = testing.SteppingClock()
        with testing.capture(clock=clock.clock()) as captured:
            answer()
        names = [span.name.rpartition(".")[2] for span in captured.spans_by_start()]
        assert ["answer", "retrieve"] == sorted(names)

    @pytest.mark.parametrize("time", [1, 2])
    def test_a_tracer_got_at_import_is_captured_every_time(self, time):
        """OpenTelemetry binds it to the first global provider for ever."""
        with testing.capture() as captured:
            module_tracer.start_span(f"time {time}").end()
        assert [f"time {time}"] == [span.name for span in captured.spans]

    def test_the_global_provider_is_as_before(self):
        before = otel._TRACER_PROVIDER
        with testing.capture() as captured:
            assert captured.provider is otel.get_tracer_provider()
        assert before is otel._TRACER_PROVIDER

    def test_one_may_be_inside_another(self):
        with testing.capture() as outer:
            with testing.capture() as inner:
                tracing.start_span("inner").start().end()
            tracing.start_span("outer").start().end()
        assert ["inner"] == [span.name for span in inner.spans]
        assert ["outer"] == [span.name for span in outer.spans]

    def test_processors_do_not_stay_for_the_next_one(self):
        exporter = InMemorySpanExporter()
        with testing.capture() as captured:
            captured.provider.add_span_processor(SimpleSpanProcessor(exporter))
            tracing.start_span("first").start().end()
        with testing.capture():
            tracing.start_span("second").start().end()
        assert ["first"] == [span.name for span in exporter.get_finished_spans()]

    def test_named_wants_exactly_one(self):
        with testing.capture() as captured:
            tracing.start_span("twice").start().end()
            tracing.start_span("twice").start().end()
        with pytest.raises(LookupError, match="2 spans"):
            captured.named("twice")
        with pytest.raises(LookupError, match="0 spans"):
            captured.named("other")
        captured.clear()
        assert [] == captured.spans

    def test_tags_work_in_each(self):
        for _ in range(2):
            with testing.capture() as captured, tracing.tags(user="u"):
                tracing.start_span("s").start().end()
            assert "u" == captured.named("s").attributes["user.id"]


def test_counting_ids_count():
    ids = testing.CountingIds()
    assert [1, 2, 1, 2] == [
        ids.generate_trace_id(),
        ids.generate_trace_id(),
        ids.generate_span_id(),
        ids.generate_span_id(),
    ]
    assert not ids.is_trace_id_random()


@pytest.mark.parametrize("ratio", [0.5, 0.2, 0.01])
def test_spread_ids_are_picked_at_the_ratio(ratio):
    """Of ten thousand, within a few."""
    ids = testing.CountingIds(spread=True)
    threshold = tracing.sampling.threshold_for(ratio)
    picked = sum(tracing.sampling.is_picked(ids.generate_trace_id(), None, threshold) for _ in range(10_000))
    assert abs(picked - 10_000 * ratio) <= 3


def test_the_clock_stands_still_until_it_is_stepped():
    clock = testing.SteppingClock(start_ns=5)
    made = clock.clock()
    assert 5 == made.wall_ns() == made.monotonic_ns()
    clock.step(1.5)
    assert 1_500_005 == made.wall_ns() == made.monotonic_ns()
