"""The compiled build and the Python that it is made from write the same bytes for the same program."""

from importlib import import_module

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.trace import Link, SpanContext, SpanKind, set_span_in_context

from support import builds

VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.lists(st.text())
ATTRIBUTES = st.none() | st.dictionaries(st.text(max_size=3), VALUES, max_size=4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("start"), st.integers(0, 9), st.sampled_from(SpanKind), ATTRIBUTES, st.booleans()),
        st.tuples(st.just("set_attribute"), st.integers(0, 9), st.text(max_size=2), VALUES),
        st.tuples(st.just("add_event"), st.integers(0, 9), st.text(max_size=2), ATTRIBUTES),
        st.tuples(st.just("update_name"), st.integers(0, 9), st.text(max_size=5)),
        st.tuples(st.just("set_status"), st.integers(0, 9), st.sampled_from(["OK", "ERROR", "UNSET"])),
        st.tuples(st.just("wait"), st.sampled_from([1, 99, 101])),
        st.tuples(st.just("tick")),
        st.tuples(st.just("end"), st.integers(0, 9)),
    ),
    max_size=30,
)


def written(build, steps, rate):
    """Return the OTLP of every span that one build keeps of a program, and what it counted."""
    with builds.using(build):
        tracing, testing = import_module("tollway.tracing"), import_module("tollway.tracing.testing")
        encode = import_module("tollway.tracing.otlp._encode").encode_span
        clock, sampler = testing.SteppingClock(), tracing.RatioSlowSampler(rate, 100)
        ids = testing.CountingIds(spread=True)
        with testing.capture(sampler, set_global=False, id_generator=ids, clock=clock.clock()) as captured:
            tracer, spans = captured.provider.get_tracer("t"), []
            for step, *rest in steps:
                take(step, rest, tracer, spans, clock, captured.provider)
        counts = captured.provider.counts
        return (
            [encode(span) for span in captured.spans],
            (counts.started, counts.kept_spans, counts.kept, counts.dropped, counts.dropped_traces),
        )


def take(step, rest, tracer, spans, clock, provider):
    if step == "start":
        which, kind, attributes, force = rest
        context = set_span_in_context(spans[which]) if which < len(spans) else None
        links = [Link(SpanContext(1, 2, is_remote=True))] if which % 2 else ()
        spans.append(tracer.start_span(f"s{len(spans)}", context, kind, attributes, links, force=force))
    elif step == "wait":
        clock.step(*rest)
    elif step == "tick":
        provider.tick()
    elif spans:
        which, *arguments = rest
        getattr(spans[which % len(spans)], step)(*arguments)


@pytest.mark.parametrize("build", builds.BUILDS)
@pytest.mark.filterwarnings("ignore")
@settings(deadline=None)  # a pause of the machine is no failure
@given(steps=STEPS, rate=st.sampled_from([0.0, 0.5, 1.0]))
def test_any_program_is_written_alike(build, steps, rate):
    """Whatever is started, written, and ended, in whatever order, and however it is decided."""
    assert written(builds.INTERPRETED, steps, rate) == written(build, steps, rate)
