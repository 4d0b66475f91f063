"""What is kept is exactly the ratio, the slow, the failed and the forced, and the tracestate lets counts be
undone.
"""

import math
import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context

from tollway.tracing import RatioSlowSampler, testing
from tollway.tracing.propagation import is_deferred, threshold_of
from tollway.tracing.sampling import ALL, is_picked

SLOW_MS = 1000.0
RATE = 0.2


@dataclass
class Shape:
    """A made-up trace: how long its root takes, and what its children are like."""

    duration_ms: float
    children: int = 0
    failed: int | None = None
    """Which span fails: 0 is the root, n the nth child."""
    forced: bool = False
    late_child: bool = False
    """A child that ends after the root."""


@dataclass
class Ran:
    """What became of a shape."""

    shape: Shape
    trace_id: int
    late: list = field(default_factory=list)


def run(tracer, clock, shape) -> Ran:
    """Make the trace of a shape."""
    root = tracer.start_span("root", force=shape.forced)
    context = set_span_in_context(root)
    late = [tracer.start_span("late", context)] if shape.late_child else []
    for number in range(1, shape.children + 1):
        child = tracer.start_span("child", context)
        clock.step(shape.duration_ms / (shape.children + 1))
        if shape.failed == number:
            child.set_status("ERROR", "why")
        child.end()
    clock.step(shape.duration_ms / (shape.children + 1))
    if shape.failed == 0:
        root.set_status("ERROR", "why")
    root.end()
    for span in late:
        clock.step(5)
        span.end()
    return Ran(shape, root.get_span_context().trace_id)


def expected_reason(ran: Ran, threshold: int) -> str | None:
    """Say by the rules alone why a trace is kept, or that it is not."""
    if ran.shape.forced:
        return "forced"
    if is_picked(ran.trace_id, None, threshold):
        return "ratio"
    if ran.shape.failed is not None:
        return "error"
    return "slow" if ran.shape.duration_ms > SLOW_MS else None


def random_shape(rng: random.Random) -> Shape:
    children = rng.randrange(4)
    return Shape(
        duration_ms=rng.lognormvariate(5, 1.5),
        children=children,
        failed=rng.randrange(children + 1) if rng.random() < 0.03 else None,
        forced=rng.random() < 0.01,
        late_child=rng.random() < 0.1,
    )


def adjusted_count(root) -> float:
    """Return for how many traces this one stands: OTEP 235's 1 / (1 - T)."""
    threshold = threshold_of(root.get_span_context().trace_state)
    assert threshold is not None
    return ALL / (ALL - threshold)


@pytest.fixture(scope="module")
def ran():
    """A hundred thousand traces of mixed shapes."""
    rng, clock = random.Random(7), testing.SteppingClock()
    sampler = RatioSlowSampler(RATE, SLOW_MS)
    ids = testing.CountingIds(spread=True)
    with testing.capture(sampler, set_global=False, id_generator=ids, clock=clock.clock()) as captured:
        tracer = captured.provider.get_tracer("t")
        traces = [run(tracer, clock, random_shape(rng)) for _ in range(100_000)]
        counts = captured.provider.counts
    return traces, captured.spans, counts, sampler.threshold


class TestAHundredThousandTraces:
    def test_the_kept_set_is_exact_each_with_its_reason(self, ran):
        traces, spans, _, threshold = ran
        wanted = {t.trace_id: why for t in traces if (why := expected_reason(t, threshold)) is not None}
        kept = {
            span.context.trace_id: span.attributes["tollway.kept_because"]
            for span in spans
            if span.parent is None
        }
        assert wanted == kept

    def test_a_kept_trace_is_whole(self, ran):
        """Every span of it is there, once, sampled, those that ended after the root too."""
        traces, spans, *_ = ran
        found = Counter(span.context.trace_id for span in spans)
        sizes = {t.trace_id: 1 + t.shape.children + t.shape.late_child for t in traces}
        assert {trace_id: sizes[trace_id] for trace_id in found} == found
        assert all(span.context.trace_flags.sampled for span in spans)

    def test_the_counts_add_up(self, ran):
        traces, spans, counts, threshold = ran
        reasons = Counter(expected_reason(t, threshold) for t in traces)
        assert {why: n for why, n in reasons.items() if why} == {
            why: n for why, n in counts.kept.items() if n
        }
        assert reasons[None] == sum(counts.dropped_traces.values())
        assert counts.started == counts.kept_spans + sum(counts.dropped.values())
        assert len(spans) == counts.kept_spans

    def test_adjusted_counts_match_the_total_in_every_bucket_of_duration(self, ran):
        """Slow, failed and forced traces stand for themselves, the others for 1 / ratio: no bucket is
        biased.
        """
        traces, spans, *_ = ran
        by_id = {t.trace_id: t.shape for t in traces}
        total, estimated, variance = Counter(), Counter(), Counter()
        for trace in traces:
            total[math.frexp(trace.shape.duration_ms)[1]] += 1
        for root in (span for span in spans if span.parent is None):
            bucket = math.frexp(by_id[root.context.trace_id].duration_ms)[1]
            count = adjusted_count(root)
            estimated[bucket] += count
            variance[bucket] += count * (count - 1)
        for bucket, number in total.items():
            assert abs(estimated[bucket] - number) <= 4 * math.sqrt(variance[bucket]) + 10

    def test_a_slow_trace_counts_once_even_if_the_ratio_picked_it(self, ran):
        traces, spans, *_ = ran
        slow = {t.trace_id for t in traces if t.shape.duration_ms > SLOW_MS}
        counts = [
            adjusted_count(span) for span in spans if span.parent is None and span.context.trace_id in slow
        ]
        assert {1.0} == set(counts)
        assert len(slow) == len(counts)


SHAPES = st.lists(
    st.builds(
        Shape,
        duration_ms=st.floats(0, 3000),
        children=st.integers(0, 3),
        failed=st.none() | st.integers(0, 3),
        forced=st.booleans(),
        late_child=st.booleans(),
    ),
    max_size=20,
)


@settings(deadline=None)  # a pause of the machine is no failure
@given(SHAPES, st.sampled_from([0.0, 0.001, 0.2, 0.5, 1.0]))
def test_any_shapes_at_any_ratio(shapes, rate):
    """The kept set is what the rules say, whatever the traces are like."""
    clock, sampler = testing.SteppingClock(), RatioSlowSampler(rate, SLOW_MS)
    ids = testing.CountingIds(spread=True)
    for shape in shapes:
        if shape.failed is not None and shape.failed > shape.children:
            shape.failed = None
    with testing.capture(sampler, set_global=False, id_generator=ids, clock=clock.clock()) as captured:
        tracer = captured.provider.get_tracer("t")
        ran = [run(tracer, clock, shape) for shape in shapes]
    kept = {
        s.context.trace_id: s.attributes["tollway.kept_because"] for s in captured.spans if s.parent is None
    }
    # The clock counts whole nanoseconds, so a duration of exactly the threshold may round to either side.
    near = {t.trace_id for t in ran if abs(t.shape.duration_ms - SLOW_MS) < 1e-4}
    wanted = {t.trace_id: why for t in ran if (why := expected_reason(t, sampler.threshold)) is not None}
    assert {k: v for k, v in wanted.items() if k not in near} == {
        k: v for k, v in kept.items() if k not in near
    }


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


class TestATraceThatProvesSlowWhileItRuns:
    def test_its_spans_leave_as_they_end(self, held, tracer, clock):
        """The timer promotes it: what was held goes out at once, what ends later goes out when it ends."""
        with tracer.start_as_current_span("root"):
            tracer.start_span("before").end()
            assert [] == held.spans
            clock.step(SLOW_MS + 1)
            held.provider.tick()
            assert ["before"] == [span.name for span in held.spans]
            tracer.start_span("after").end()
            assert ["before", "after"] == [span.name for span in held.spans]
        assert "slow" == held.named("root").attributes["tollway.kept_because"]

    def test_it_is_told_to_others_as_sampled(self, tracer, held, clock):
        """Before, the context says undecided; after, sampled and certain."""
        with tracer.start_as_current_span("root") as root:
            before = root.get_span_context()
            assert not before.trace_flags.sampled
            assert is_deferred(before.trace_state)
            clock.step(SLOW_MS + 1)
            held.provider.tick()
            after = root.get_span_context()
        assert after.trace_flags.sampled
        assert not is_deferred(after.trace_state)
        assert 0 == threshold_of(after.trace_state)

    def test_time_that_is_not_up_promotes_nothing(self, held, tracer, clock):
        with tracer.start_as_current_span("root"):
            tracer.start_span("child").end()
            clock.step(SLOW_MS)
            held.provider.tick()
            assert [] == held.spans


def test_force_flush_decides_nothing_early(held, tracer):
    with tracer.start_as_current_span("root") as root:
        tracer.start_span("child").end()
        held.provider.force_flush()
        assert [] == held.spans
        root.set_status("ERROR", "why")
    assert ["child", "root"] == [span.name for span in held.spans]


def test_shutdown_decides_by_what_is_known(clock):
    """Failed traces go out, others are dropped and counted."""
    with testing.capture(RatioSlowSampler(0.0), set_global=False, clock=clock.clock()) as captured:
        tracer = captured.provider.get_tracer("t")
        failing, fine = tracer.start_span("failing"), tracer.start_span("fine")
        child = tracer.start_span("failed child", set_span_in_context(failing))
        child.set_status("ERROR", "why")
        child.end()
        tracer.start_span("fine child", set_span_in_context(fine)).end()
        captured.provider.shutdown()
    assert ["failed child"] == [span.name for span in captured.spans]
    assert 1 == captured.provider.counts.dropped_traces["shutdown"]


class TestOneCall:
    def test_force_keeps_the_whole_trace(self, held, tracer):
        """Also from the midst of it: what was held before goes out too."""
        with tracer.start_as_current_span("root"):
            tracer.start_span("before").end()
            tracer.start_span("forced", force=True).end()
        assert ["before", "forced", "root"] == [span.name for span in held.spans]
        assert "forced" == held.named("root").attributes["tollway.kept_because"]

    def test_sampling_ratio_replaces_the_policys(self, held, tracer):
        """Its threshold is the one that the tracestate tells."""
        tracer.start_span("kept", sampling_ratio=1.0).end()
        tracer.start_span("dropped").end()
        (span,) = held.spans
        assert "kept" == span.name
        assert 0 == threshold_of(span.context.trace_state)


def remote(*, sampled: bool, state: TraceState | None = None, trace_id: int = 77):
    """Return the context of a caller in another process."""
    flags = TraceFlags(0x03 if sampled else 0x02)
    return set_span_in_context(NonRecordingSpan(SpanContext(trace_id, 5, True, flags, state)))


class TestRemoteParents:
    def test_a_sampled_one_is_followed(self, held, tracer):
        """Its tracestate stays as it came."""
        state = TraceState([("ot", "th:8"), ("vendor", "x")])
        tracer.start_span("s", remote(sampled=True, state=state)).end()
        (span,) = held.spans
        assert "parent" == span.attributes["tollway.kept_because"]
        assert state == span.context.trace_state
        assert span.context.trace_flags.random_trace_id

    def test_an_unsampled_one_records_nothing(self, held, tracer):
        span = tracer.start_span("s", remote(sampled=False))
        assert not span.is_recording()
        assert 77 == span.get_span_context().trace_id
        assert 1 == held.provider.counts.dropped["parent"]

    def test_an_undecided_one_is_held(self, held, tracer, clock):
        """A peer that holds its trace: ours is kept if our part is slow or failed, else dropped."""
        state = TraceState([("tollway", "d")])
        tracer.start_span("fast", remote(sampled=False, state=state, trace_id=1)).end()
        slow = tracer.start_span("slow", remote(sampled=False, state=state, trace_id=2))
        clock.step(SLOW_MS + 1)
        slow.end()
        (span,) = held.spans
        assert ("slow", 2) == (span.name, span.context.trace_id)
        assert span.context.trace_flags.sampled
        assert 0 == threshold_of(span.context.trace_state)

    def test_other_local_roots_of_a_kept_trace_are_kept(self, held, tracer, clock):
        """A caller's second request of a trace whose first was slow is kept with it."""
        state = TraceState([("tollway", "d")])
        first = tracer.start_span("first", remote(sampled=False, state=state))
        clock.step(SLOW_MS + 1)
        first.end()
        tracer.start_span("second", remote(sampled=False, state=state)).end()
        assert ["first", "second"] == [span.name for span in held.spans]
        assert "parent" == held.named("second").attributes["tollway.kept_because"]


class TestMemory:
    def test_held_spans_are_capped_and_evictions_counted(self, clock):
        """The oldest traces lose what they held; a trace that is kept later says what it lost."""
        sampler = RatioSlowSampler(0.0, SLOW_MS, max_held_spans=100)
        with testing.capture(sampler, set_global=False, clock=clock.clock()) as captured:
            tracer = captured.provider.get_tracer("t")
            root = tracer.start_span("root")
            context = set_span_in_context(root)
            for _ in range(250):
                tracer.start_span("child", context).end()
                assert captured.provider.held_spans <= 101
            clock.step(SLOW_MS + 1)
            root.end()
        evicted = captured.provider.counts.dropped["evicted"]
        assert evicted > 0
        assert 251 == evicted + len(captured.spans)
        assert evicted == captured.named("root").attributes["tollway.evicted_spans"]

    def test_held_bytes_are_capped(self, clock):
        """Large values count by their size."""
        sampler = RatioSlowSampler(0.0, max_held_bytes=1_000_000)
        with testing.capture(sampler, set_global=False, clock=clock.clock()) as captured:
            tracer = captured.provider.get_tracer("t")
            context = set_span_in_context(tracer.start_span("root"))
            for _ in range(50):
                span = tracer.start_span("child", context)
                span.set_attribute("document", "x" * 100_000)
                span.end()
            assert captured.provider.held_spans <= 10
            assert captured.provider.counts.dropped["evicted"] >= 40

    def test_a_picked_trace_goes_out_where_there_is_no_room(self, clock):
        """It is never evicted: the ratio has kept it already."""
        sampler = RatioSlowSampler(0.9, max_held_spans=10)
        ids = testing.CountingIds(spread=True)
        with testing.capture(sampler, set_global=False, id_generator=ids, clock=clock.clock()) as captured:
            tracer = captured.provider.get_tracer("t")
            root = tracer.start_span("root")
            assert is_picked(root.get_span_context().trace_id, None, sampler.threshold)
            context = set_span_in_context(root)
            for _ in range(30):
                tracer.start_span("child", context).end()
            assert captured.spans
            root.end()
        assert 31 == len(captured.spans)
        assert "ratio" == captured.named("root").attributes["tollway.kept_because"]


def test_collector_mode_sends_everything(clock):
    """The collector's tail sampling decides: all is sampled, and stands for itself."""
    sampler = RatioSlowSampler(0.1, SLOW_MS, mode="collector")
    with testing.capture(sampler, set_global=False, clock=clock.clock()) as captured:
        tracer = captured.provider.get_tracer("t")
        for _ in range(20):
            tracer.start_span("s").end()
    assert 20 == len(captured.spans)
    assert {1.0} == {adjusted_count(span) for span in captured.spans}
    assert {"collector"} == {span.attributes["tollway.kept_because"] for span in captured.spans}
