"""Traces of any shape, made from facts: what an encoder and a store are tested with."""

from hypothesis import strategies as st
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from tollway.tracing import testing
from tollway.tracing.engine import TracerProvider

TEXTS = st.text(st.characters(), max_size=40)  # control characters and lone surrogates too
VALUES = st.one_of(
    TEXTS,
    st.sampled_from(["x" * 70, "é" * 300, '"\\/\b\f\n\r\t\x00\x1f\x7f\u2028😀']),
    st.integers(),
    st.sampled_from([0, -1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1]),
    st.floats(),
    st.booleans(),
    st.none(),
    st.binary(max_size=4),
    st.lists(TEXTS, max_size=3),
    st.lists(st.integers(), max_size=2),
)
ATTRIBUTES = st.dictionaries(TEXTS, VALUES, max_size=6)
PARENTS = st.one_of(
    st.none(),
    st.builds(
        SpanContext,
        st.integers(1, 2**128 - 1),
        st.integers(1, 2**64 - 1),
        st.booleans(),
        st.sampled_from([TraceFlags(1), TraceFlags(3)]),
        st.sampled_from([TraceState(), TraceState([("a", "b"), ("ot", "th:0")])]),
    ),
)
SPANS = st.fixed_dictionaries(
    {
        "name": TEXTS,
        "kind": st.sampled_from(SpanKind),
        "attributes": ATTRIBUTES,
        "events": st.lists(st.tuples(TEXTS, ATTRIBUTES, st.integers(0, 2**70)), max_size=2),
        "status": st.sampled_from([(StatusCode.UNSET,), (StatusCode.OK,), (StatusCode.ERROR, 'so\n"\ud800')]),
        "lasts_ns": st.integers(0, 2**40),
    }
)
START_NS = st.one_of(
    st.sampled_from([0, 1_795_564_799_999_999_999, 1_795_564_800_000_000_000]), st.integers(0, 2**60)
)

_provider = TracerProvider(shutdown_on_exit=False, timer=False, resource=Resource({"service.name": "shop"}))
_recorder = testing.Recorder()
_provider.add_span_processor(_recorder)


def made(parent, start_ns, first, *others, scopes=("t",)):
    """Return the spans of a trace as they are passed on: children first, then their root."""
    context = None if parent is None else set_span_in_context(NonRecordingSpan(parent))
    root = started(scopes[0], first, start_ns, context)
    for index, facts in enumerate(others, 1):
        child = started(scopes[index % len(scopes)], facts, start_ns + index, set_span_in_context(root))
        child.end(start_ns + index + facts["lasts_ns"])
    root.end(start_ns + first["lasts_ns"])
    spans, _recorder.spans = _recorder.spans, []
    return spans


def started(scope, facts, start_ns, context):
    span = _provider.get_tracer(scope).start_span(
        facts["name"],
        context,
        facts.get("kind", SpanKind.INTERNAL),
        facts["attributes"],
        facts.get("links", ()),
        start_time=start_ns,
    )
    for name, attributes, time_ns in facts.get("events", ()):
        span.add_event(name, attributes, time_ns)
    span.set_status(Status(*facts.get("status", (StatusCode.UNSET,))))
    return span


def plain(name="s", **facts):
    return {"name": name, "attributes": {"a": "b", "n": 1}, "lasts_ns": 5_000_000, **facts}


NOON_NS = 1_795_521_600_000_000_000
DAY = "2026-11-24"


def usual(name="s", **facts):
    """Return a trace of two spans such as most are."""
    return made(None, NOON_NS, plain(name, **facts), plain("child"))
