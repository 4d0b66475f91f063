"""What ends, starts or fails after its trace was decided, or while it is being decided."""

import gc
import threading
import weakref
from unittest import mock

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import set_span_in_context

from tollway.tracing import RatioSlowSampler, TracerProvider, testing
from tollway.tracing.propagation import threshold_of
from tollway.tracing.sampling import is_picked

SLOW_MS = 1000.0


@pytest.fixture
def clock():
    return testing.SteppingClock()


@pytest.fixture
def held(clock):
    """Captured spans of a policy that picks nothing."""
    with testing.capture(RatioSlowSampler(0.0, SLOW_MS), set_global=False, clock=clock.clock()) as captured:
        yield captured


@pytest.fixture
def tracer(held):
    return held.provider.get_tracer("t")


def add_up(provider):
    counts = provider.counts
    return counts.started == counts.kept_spans + sum(counts.dropped.values()) and 0 == provider.held_spans


class TestADroppedTrace:
    def test_a_span_that_fails_after_the_drop_is_kept(self, held, tracer):
        """An error is never lost: the span says why, and what ends after it goes out too."""
        root = tracer.start_span("root")
        context = set_span_in_context(root)
        failing, fine, before = (tracer.start_span(name, context) for name in ("failing", "fine", "before"))
        root.end()
        before.end()
        failing.set_status("ERROR", "why")
        failing.end()
        fine.end()
        assert ["failing", "fine"] == [span.name for span in held.spans]
        assert "error" == held.named("failing").attributes["tollway.kept_because"]
        assert held.named("failing").context.trace_flags.sampled
        assert {"unpicked": 1, "late": 1} == {k: n for k, n in held.provider.counts.dropped.items() if n}
        assert add_up(held.provider)

    def test_work_that_starts_after_the_drop_is_decided_by_itself(self, held, tracer, clock):
        """A background task of a request that was fast may be slow."""
        root = tracer.start_span("root")
        context = set_span_in_context(root)
        root.end()
        tracer.start_span("fast task", context).end()
        with tracer.start_as_current_span("slow task", context):
            tracer.start_span("step").end()
            clock.step(SLOW_MS + 1)
        assert ["step", "slow task"] == [span.name for span in held.spans]
        assert root.get_span_context().trace_id == held.named("step").context.trace_id
        assert root.get_span_context().span_id == held.named("slow task").parent.span_id
        assert add_up(held.provider)

    def test_force_keeps_what_starts_after_the_drop(self, held, tracer):
        root = tracer.start_span("root")
        root.end()
        tracer.start_span("task", set_span_in_context(root), force=True).end()
        assert ["task"] == [span.name for span in held.spans]


def test_a_root_that_ends_while_the_timer_promotes_its_trace_is_not_lost(held, tracer, clock):
    """The timer may be done between the moment the root is held and its own decision."""
    root = tracer.start_span("root")
    local = root._local

    class Promoting(list):
        def append(self, span):
            local.promote("slow")
            super().append(span)

    local.held = Promoting()
    root.end()
    assert ["root"] == [span.name for span in held.spans]
    assert add_up(held.provider)


def test_a_picked_trace_that_had_no_room_and_proves_slow_is_certain(clock):
    """Its root says that it stands for itself alone, though its first spans went out before."""
    sampler = RatioSlowSampler(0.9, SLOW_MS, max_held_spans=5)
    ids = testing.CountingIds(spread=True)
    with testing.capture(sampler, set_global=False, id_generator=ids, clock=clock.clock()) as captured:
        tracer = captured.provider.get_tracer("t")
        root = tracer.start_span("root")
        assert is_picked(root.get_span_context().trace_id, None, sampler.threshold)
        for _ in range(10):
            tracer.start_span("child", set_span_in_context(root)).end()
        clock.step(SLOW_MS + 1)
        root.end()
    assert 0 == threshold_of(captured.named("root").context.trace_state)


def test_shutdown_keeps_what_is_slow_already(held, tracer, clock):
    root = tracer.start_span("root")
    tracer.start_span("child", set_span_in_context(root)).end()
    clock.step(SLOW_MS + 1)
    held.provider.shutdown()
    assert ["child"] == [span.name for span in held.spans]


@pytest.mark.parametrize("value", [b"x" * 100_000, ["x" * 1000] * 100, {"a": "x" * 100_000}])
@pytest.mark.parametrize("way", ["start", "attribute", "event"])
def test_large_values_of_any_kind_count_against_what_may_be_held(clock, value, way):
    """Bytes, sequences and mappings too, and those given at the start."""
    sampler = RatioSlowSampler(0.0, max_held_bytes=1_000_000)
    with testing.capture(sampler, set_global=False, clock=clock.clock()) as captured:
        tracer = captured.provider.get_tracer("t")
        context = set_span_in_context(tracer.start_span("root"))
        for _ in range(30):
            span = tracer.start_span("child", context, attributes={"v": value} if way == "start" else None)
            if way == "attribute":
                span.set_attribute("v", value)
            elif way == "event":
                span.add_event("e", {"v": value})
            span.end()
        assert captured.provider.held_spans <= 10


def test_a_chain_of_successors_does_not_keep_its_past_alive(tracer):
    """Work that starts its successor for ever has a parent each, not all its ancestors."""
    context, seen = None, []
    last = None
    for _ in range(50):
        span = tracer.start_span("poll", context)
        seen.append(weakref.ref(span))
        context = set_span_in_context(span)
        if last is not None:
            last.end()
        last = span
    del span
    gc.collect()
    alive = [reference for reference in seen if reference() is not None and reference() is not seen[0]()]
    assert len(alive) <= 3 + len(last._local.held or ())
    assert len(last._local.held or ()) <= 1


@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0])
def test_a_trace_that_is_done_is_freed_without_pythons_collector(ratio):
    """Dropped, kept when its root ends, or kept from the start: no cycle holds its spans."""
    sampler = RatioSlowSampler(ratio, SLOW_MS)
    with testing.capture(
        sampler, set_global=False, id_generator=testing.CountingIds(spread=True)
    ) as captured:
        tracer = captured.provider.get_tracer("t")
        gc.disable()
        try:
            seen = []
            for _ in range(20):
                root = tracer.start_span("root")
                child = tracer.start_span("child", set_span_in_context(root))
                seen += [weakref.ref(root), weakref.ref(child)]
                child.end()
                root.end()
            del root, child
            captured.clear()
            assert [] == [span() for span in seen if span() is not None]
        finally:
            gc.enable()


def test_of_several_threads_that_end_one_span_one_does():
    with testing.capture(set_global=False) as captured:
        tracer = captured.provider.get_tracer("t")
        for _ in range(200):
            span = tracer.start_span("s")
            gate = threading.Barrier(4)

            def end(span=span, gate=gate):
                gate.wait()
                span.end()

            threads = [threading.Thread(target=end) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert 200 == len(captured.spans)


class TestProcessors:
    def test_a_span_that_ends_has_its_end_time_and_can_be_written(self):
        """While `_on_ending` runs; ending it there again is ignored."""
        seen = []

        class Looks(SpanProcessor):
            def _on_ending(self, span):
                span.set_attribute("took_ns", span.end_time - span.start_time)
                span.end()
                seen.append(span.end_time)

        with testing.capture(set_global=False) as captured:
            captured.provider.add_span_processor(Looks())
            captured.provider.get_tracer("t").start_span("s", start_time=5).end(end_time=9)
        assert 4 == captured.named("s").attributes["took_ns"]
        assert [9] == seen
        assert 9 == captured.named("s").end_time

    def test_one_that_is_added_sees_the_spans_of_open_traces(self):
        processor = mock.Mock(spec=SpanProcessor)
        with testing.capture(set_global=False) as captured:
            tracer = captured.provider.get_tracer("t")
            with tracer.start_as_current_span("root"):
                captured.provider.add_span_processor(processor)
                tracer.start_span("child").end()
            assert 1 == processor.on_start.call_count
            assert 2 == processor.on_end.call_count

    def test_one_that_raises_at_a_start_does_not_stop_the_program(self, caplog):
        processor = mock.Mock(spec=SpanProcessor)
        processor.on_start.side_effect = RuntimeError("broken inside")
        with testing.capture(set_global=False) as captured:
            captured.provider.add_span_processor(processor)
            captured.provider.get_tracer("t").start_span("s").end()
        assert ["s"] == [span.name for span in captured.spans]
        assert "broken inside" in caplog.text

    def test_one_may_redact_attributes_by_the_sdks_private_name(self):
        class Redacts(SpanProcessor):
            def on_end(self, span):
                span._attributes = dict.fromkeys(span.attributes, "***")

        provider = TracerProvider(RatioSlowSampler(), Resource({}), shutdown_on_exit=False)
        provider.add_span_processor(Redacts())
        span = provider.get_tracer("t").start_span("s", attributes={"password": "x"})
        span.end()
        assert "***" == span.attributes["password"]


def test_a_span_that_is_open_while_the_setup_changes_goes_out_the_new_way(held, tracer):
    """Of a trace that is kept anyway; the old processors are shut down by then."""
    recorder = testing.Recorder()
    span = tracer.start_span("open", force=True)
    held.provider.adopt(RatioSlowSampler(), Resource({}), [recorder])
    held.clear()
    span.end()
    assert ["open"] == [found.name for found in recorder.spans]


def test_an_unsampled_caller_does_not_lend_its_span_id(tracer):
    """A span that records nothing has an id of its own, as the specification wants."""
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

    caller = SpanContext(7, 5, is_remote=True, trace_flags=TraceFlags(0x02))
    context = tracer.start_span("s", set_span_in_context(NonRecordingSpan(caller))).get_span_context()
    assert (7, False, 0x02) == (context.trace_id, context.is_remote, context.trace_flags)
    assert context.span_id not in (0, 5)


def test_a_value_that_holds_itself_becomes_text(held, tracer):
    loop: list = []
    loop += [loop, loop, loop]
    span = tracer.start_span("s")
    span.set_attribute("loop", loop)
    assert ("[[...], [...], [...]]",) * 3 == span.attributes["loop"]
