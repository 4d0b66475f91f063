"""Random programs of many traces at once, in both builds, against the rules in plain Python."""

from dataclasses import dataclass, field
from importlib import import_module

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context

from support import builds
from tollway.tracing.propagation import threshold_of
from tollway.tracing.sampling import is_picked

SLOW_MS = 100
RATE = 0.5


@dataclass
class Node:
    """A span as the rules see it."""

    local: "Local"
    start_ms: int
    name: str
    failed: bool = False
    is_open: bool = True


@dataclass
class Local:
    """A local root with its spans, and what becomes of it."""

    trace_id: int
    caller: str | None
    root: Node | None = None
    held: list = field(default_factory=list)
    failed: bool = False
    outcome: str | None = None


class Model:
    """The rules, told one step at a time; `kept` maps the names of kept spans to nothing or their reason."""

    def __init__(self, threshold):
        self.threshold = threshold
        self.now_ms = 0
        self.kept = {}
        self.recent = set()
        self.locals = []

    def start(self, name, parent, caller, trace_id, *, force):
        """Start a span; `caller`: sampled, undecided or unsampled, of another process."""
        if parent is not None and parent.local.outcome != "dropped":
            local = parent.local
            if force and local.outcome is None:
                self.keep(local, "forced")
        else:
            local = Local(trace_id, "undecided" if parent is not None else caller)
            if caller == "sampled" and parent is None:
                local.outcome = "parent"
            elif force:
                local.outcome = "forced"
            elif caller == "unsampled" and parent is None:
                return None
            self.locals.append(local)
        node = Node(local, self.now_ms, name)
        if local.root is None:
            local.root = node
        return node

    def end(self, node, *, failed):
        local, node.failed, node.is_open = node.local, failed, False
        local.failed |= failed
        if local.outcome == "dropped":
            if not failed:
                return
            local.outcome, local.root = None, node
            self.keep(local, "error")
            self.recent.add(local.trace_id)
        if local.outcome is not None:
            self.kept[node.name] = local.outcome if node is local.root else None
            return
        local.held.append(node)
        if node is local.root:
            slow = self.now_ms - node.start_ms > SLOW_MS
            picked = local.caller is None and is_picked(local.trace_id, None, self.threshold)
            why = "ratio" if picked else "error" if local.failed else "slow" if slow else None
            if why is None and local.trace_id in self.recent:
                why = "parent"
            if why is None:
                local.outcome, local.held = "dropped", []
            else:
                self.keep(local, why)

    def keep(self, local, why):
        local.outcome = why
        if local.caller is not None:
            self.recent.add(local.trace_id)
        for node in local.held:
            self.kept[node.name] = why if node is local.root else None

    def tick(self):
        for local in self.locals:
            if local.outcome is None and self.now_ms - local.root.start_ms > SLOW_MS:
                picked = local.caller is None and is_picked(local.trace_id, None, self.threshold)
                self.keep(local, "ratio" if picked else "slow")


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("start"),
            st.integers(0, 9),
            st.sampled_from([None, None, "sampled", "undecided", "unsampled"]),
            st.sampled_from([False, False, False, True]),
        ),
        st.tuples(st.just("end"), st.integers(0, 9), st.sampled_from([False, False, True])),
        st.tuples(st.just("wait"), st.sampled_from([1, 60, 101])),
        st.tuples(st.just("tick")),
    ),
    max_size=40,
)


def remote_context(caller, trace_id):
    """Return the context of a caller in another process."""
    state = TraceState([("tollway", "d")]) if caller == "undecided" else None
    flags = TraceFlags(0x03 if caller == "sampled" else 0x02)
    return set_span_in_context(NonRecordingSpan(SpanContext(trace_id, 5, True, flags, state)))


@pytest.fixture(scope="module", params=builds.BUILDS)
def own(request):
    """The modules of one build."""
    with builds.using(request.param):
        yield import_module("tollway.tracing"), import_module("tollway.tracing.testing")


@settings(max_examples=300, deadline=None)  # a pause of the machine is no failure
@given(STEPS)
def test_any_program_keeps_what_the_rules_keep(own, steps):
    """Roots, children of spans that run or have ended, callers of each kind, several local roots of one
    trace, late ends, errors, waits and ticks.
    """
    tracing, testing = own
    clock, sampler = testing.SteppingClock(), tracing.RatioSlowSampler(RATE, SLOW_MS)
    model = Model(sampler.threshold)
    ids = testing.CountingIds(spread=True)
    with testing.capture(sampler, set_global=False, id_generator=ids, clock=clock.clock()) as captured:
        tracer = captured.provider.get_tracer("t")
        known = []
        for number, (step, *rest) in enumerate(steps):
            if step == "start":
                start(tracer, model, known, f"s{number}", rest)
            elif step == "end" and known:
                span, node = known[rest[0] % len(known)]
                if node.is_open:
                    if rest[1]:
                        span.set_status("ERROR", "why")
                    span.end()
                    model.end(node, failed=rest[1])
            elif step == "wait":
                clock.step(rest[0])
                model.now_ms += rest[0]
            elif step == "tick":
                captured.provider.tick()
                model.tick()
        kept = {span.name: span.attributes.get("tollway.kept_because") for span in captured.spans}
        assert model.kept == kept
        assert len(kept) == len(captured.spans)
    for span in captured.spans:
        why = span.attributes.get("tollway.kept_because")
        if why in ("slow", "error", "forced"):
            assert 0 == threshold_of(span.context.trace_state)


def start(tracer, model, known, name, rest):
    """Start a span: under one that is known, or for a caller, or a root."""
    which, caller, force = rest
    parent_span, parent = known[which] if which < len(known) else (None, None)
    trace_id = 1000 + which % 3
    context = None
    if parent is not None:
        context, trace_id = set_span_in_context(parent_span), parent.local.trace_id
    elif caller is not None:
        context = remote_context(caller, trace_id)
    span = tracer.start_span(name, context, force=force)
    if parent is None and caller is None:
        trace_id = span.get_span_context().trace_id
    node = model.start(name, parent, caller, trace_id, force=force)
    assert (node is not None) == span.is_recording()
    if node is not None:
        known.append((span, node))
