"""The short way to OTLP JSON says the same as the long way, or leaves the span to it."""

import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context

from support.otlp_spans import ATTRIBUTES, EVENTS, STATUSES, ended_span
from tollway.tracing import testing
from tollway.tracing._json import to_json
from tollway.tracing.engine import IS_COMPILED
from tollway.tracing.otlp import encode_span
from tollway.tracing.otlp._objects import span_object
from tollway.tracing.otlp._own import own_span_json


def same(span) -> bool:
    return orjson.loads(encode_span(span)) == orjson.loads(to_json(span_object(span)))


@given(name=st.text(), attributes=ATTRIBUTES, events=EVENTS, status=STATUSES, kind=st.sampled_from(SpanKind))
def test_both_ways_say_the_same(name, attributes, events, status, kind):
    """Whatever a span holds, the two encodings parse to equal objects."""
    assert same(ended_span(name, attributes, events, status, kind=kind))


@pytest.mark.parametrize("remote", [True, False])
def test_the_parent_and_its_place_are_told(remote):
    """A parent's id, whether it is remote, and the tracestate are in the short form as in the long one."""
    parent = SpanContext(7, 9, remote, TraceFlags(3))
    with testing.capture(set_global=False) as captured:
        tracer = captured.provider.get_tracer("t")
        context = set_span_in_context(NonRecordingSpan(parent))
        with tracer.start_as_current_span("local root", context), tracer.start_as_current_span("child"):
            pass
    child, root = captured.spans
    for span in (child, root):
        assert same(span)
    assert f"{9:016x}" == orjson.loads(encode_span(root))["parentSpanId"]


def test_an_ordinary_span_goes_the_short_way():
    """Texts, numbers, flags, lists of texts and events need no object in between."""
    values = {"a": "x", "b": 1, "c": 0.5, "d": True, "e": ["p", "q"], "f": -(2**63)}
    span = ended_span("s", values, [("hit", {"key": "k"})], ("ERROR", "why"))
    assert IS_COMPILED is (own_span_json(span) is not None)


@pytest.mark.parametrize(
    "attributes",
    [{"": 1}, {"a": math.inf}, {"a": math.nan}, {"a": 2**63}, {"a": b"x"}, {"a": {"b": 1}}, {"a": "\ud800"}],
    ids=str,
)
def test_odd_values_go_the_long_way(attributes):
    """What the short way cannot write it does not write at all."""
    span = ended_span("s", attributes)
    assert own_span_json(span) is None
    assert same(span)


def test_limits_on_lengths_go_the_long_way():
    """A limit on the length of values is kept, in attributes and events."""
    span = ended_span(
        "s", {"a": "long"}, [("e", {"b": "long"})], span_limits=SpanLimits(max_attribute_length=2)
    )
    assert own_span_json(span) is None
    item = orjson.loads(encode_span(span))
    assert "lo" == item["attributes"][0]["value"]["stringValue"]
    assert "lo" == item["events"][0]["attributes"][0]["value"]["stringValue"]


def test_links_go_the_long_way():
    """A span with links has them encoded."""
    with testing.capture(set_global=False) as captured:
        linked = SpanContext(5, 6, True, TraceFlags(1))
        captured.provider.get_tracer("t").start_span("s", links=[Link(linked, {"a": 1})]).end()
    (span,) = captured.spans
    assert own_span_json(span) is None
    assert f"{5:032x}" == orjson.loads(encode_span(span))["links"][0]["traceId"]
