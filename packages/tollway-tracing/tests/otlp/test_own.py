"""The short way to OTLP JSON says the same as the long way, or leaves the span to it."""

import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context

from support.builds import source_of
from tollway.tracing import testing
from tollway.tracing._json import to_json
from tollway.tracing.otlp import _own, encode_span
from tollway.tracing.otlp._objects import span_object

VALUES = st.one_of(
    st.text(),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.binary(max_size=8),
    st.none(),
    st.lists(st.text(max_size=5), max_size=3),
    st.lists(st.integers(-5, 5), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(-5, 5), max_size=2),
)
ATTRIBUTES = st.dictionaries(st.text(max_size=12), VALUES, max_size=6)
STATUSES = st.sampled_from([("UNSET", None), ("OK", None), ("ERROR", None), ("ERROR", "why \ud800 not")])
EVENTS = st.lists(st.tuples(st.text(max_size=8), ATTRIBUTES), max_size=3)


@pytest.fixture(params=[_own, source_of(_own)], ids=["build", "source"])
def short_json(request):
    """The short way, in both its forms."""
    return request.param.own_span_json


def ended_span(name="s", attributes=(), events=(), status=("UNSET", None), *, kind=SpanKind.INTERNAL, **rest):
    with testing.capture(set_global=False, **rest) as captured:
        tracer = captured.provider.get_tracer("t")
        span = tracer.start_span(name, kind=kind, attributes=dict(attributes))
        for event, items in events:
            span.add_event(event, items)
        span.set_status(*status)
        span.end()
    return span


def same(span) -> bool:
    return orjson.loads(encode_span(span)) == orjson.loads(to_json(span_object(span)))


@given(name=st.text(), attributes=ATTRIBUTES, events=EVENTS, status=STATUSES, kind=st.sampled_from(SpanKind))
def test_both_ways_say_the_same(name, attributes, events, status, kind):
    """Whatever a span holds, the two encodings parse to equal objects."""
    assert same(ended_span(name, attributes, events, status, kind=kind))


@pytest.mark.parametrize("remote", [True, False])
def test_the_parent_and_its_place_are_told(short_json, remote):
    """A parent's id, whether it is remote, and the tracestate are in the short form as in the long one."""
    parent = SpanContext(7, 9, remote, TraceFlags(3))
    with testing.capture(set_global=False) as captured:
        tracer = captured.provider.get_tracer("t")
        context = set_span_in_context(NonRecordingSpan(parent))
        with tracer.start_as_current_span("local root", context), tracer.start_as_current_span("child"):
            pass
    child, root = captured.spans
    for span in (child, root):
        assert orjson.loads(short_json(span)) == orjson.loads(to_json(span_object(span)))
    assert f"{9:016x}" == orjson.loads(short_json(root))["parentSpanId"]


def test_an_ordinary_span_goes_the_short_way(short_json):
    """Texts, numbers, flags, lists of texts and events need no object in between."""
    values = {"a": "x", "b": 1, "c": 0.5, "d": True, "e": ["p", "q"], "f": -(2**63)}
    assert short_json(ended_span("s", values, [("hit", {"key": "k"})], ("ERROR", "why"))) is not None


@pytest.mark.parametrize(
    "attributes",
    [{"": 1}, {"a": math.inf}, {"a": math.nan}, {"a": 2**63}, {"a": b"x"}, {"a": {"b": 1}}, {"a": "\ud800"}],
    ids=str,
)
def test_odd_values_go_the_long_way(short_json, attributes):
    """What the short way cannot write it does not write at all."""
    span = ended_span("s", attributes)
    assert short_json(span) is None
    assert same(span)


def test_limits_on_lengths_go_the_long_way(short_json):
    """A limit on the length of values is kept, in attributes and events."""
    span = ended_span(
        "s", {"a": "long"}, [("e", {"b": "long"})], span_limits=SpanLimits(max_attribute_length=2)
    )
    assert short_json(span) is None
    item = orjson.loads(encode_span(span))
    assert "lo" == item["attributes"][0]["value"]["stringValue"]
    assert "lo" == item["events"][0]["attributes"][0]["value"]["stringValue"]


def test_links_go_the_long_way(short_json):
    """A span with links has them encoded."""
    with testing.capture(set_global=False) as captured:
        linked = SpanContext(5, 6, True, TraceFlags(1))
        captured.provider.get_tracer("t").start_span("s", links=[Link(linked, {"a": 1})]).end()
    (span,) = captured.spans
    assert short_json(span) is None
    assert f"{5:032x}" == orjson.loads(encode_span(span))["links"][0]["traceId"]


def test_remembered_pieces_are_bounded():
    """Unique values do not fill memory."""
    python = source_of(_own)
    for n in range(9_000):
        python.own_span_json(ended_span_with(f"value {n}"))
    assert 0 < len(python._pieces) <= 8_192


_provider = testing.TracerProvider(shutdown_on_exit=False, timer=False)


def ended_span_with(value):
    span = _provider.get_tracer("t").start_span("s", attributes={"unique": value})
    span.end()
    return span
