"""OTLP in protocol buffers says what the reference exporter and the JSON say, whatever spans hold."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context

from support.otlp_spans import ANYTHING, ATTRIBUTES, EVENTS, STATUSES, ended_span, make, parse
from tollway.tracing import testing
from tollway.tracing.otlp import Encoder, ProtobufEncoder
from tollway.tracing.otlp._protobuf import any_span, varint


def read(data: bytes) -> TracesData:
    return TracesData.FromString(data)


def spans_in(data: TracesData) -> list:
    return [span for block in data.resource_spans for scope in block.scope_spans for span in scope.spans]


def same_as_reference(spans) -> bool:
    """Compare all but the W3C flag bits, which the reference lacks, and the UNSET status that it writes."""
    ours, reference = read(ProtobufEncoder().traces_data(spans)), encode_spans(spans)
    for span in (*spans_in(ours), *spans_in(reference)):
        span.flags &= ~0xFF
        if span.status.code == 0:
            span.ClearField("status")
        for link in span.links:
            link.flags = 0
    return list(ours.resource_spans) == list(reference.resource_spans)


def same_as_json(spans) -> bool:
    return read(ProtobufEncoder().traces_data(spans)) == parse(Encoder().traces_data(spans))


@given(name=st.text(), attributes=ATTRIBUTES, events=EVENTS, status=STATUSES, kind=st.sampled_from(SpanKind))
def test_a_span_of_ours_means_what_its_json_means(name, attributes, events, status, kind):
    assert same_as_json([ended_span(name, attributes, events, status, kind=kind)])


@given(st.dictionaries(st.text(st.characters()), ANYTHING), st.text(st.characters()))
def test_any_span_means_what_its_json_means(attributes, name):
    """Whatever somebody else's span holds, both encodings decode to the same."""
    data = read(ProtobufEncoder().traces_data([make(attributes, name=name)]))
    assert len(attributes) == len(spans_in(data)[0].attributes)
    if not any(map(_has_nan, attributes.values())):  # which equals nothing
        assert same_as_json([make(attributes, name=name)])


def _has_nan(value) -> bool:
    if isinstance(value, dict):
        return any(map(_has_nan, value.values()))
    return (
        any(map(_has_nan, value))
        if isinstance(value, list)
        else isinstance(value, float) and math.isnan(value)
    )


def made_spans(**options) -> list[ReadableSpan]:
    """Return spans with all that a span can have, of two tracers."""
    linked = SpanContext(5, 6, True, TraceFlags(1))
    with testing.capture(
        set_global=False, resource=Resource({"service.name": "s", "n": 1}), **options
    ) as captured:
        tracers = [
            captured.provider.get_tracer("one", "1.2", "https://schema", {"a": "b"}),
            captured.provider.get_tracer("two"),
        ]
        remote = set_span_in_context(NonRecordingSpan(SpanContext(7, 9, True, TraceFlags(1))))
        with tracers[0].start_as_current_span("root", remote, kind=SpanKind.SERVER) as root:
            root.set_attributes({"s": "x", "i": -(2**63), "f": 0.5, "b": True, "l": ["a", "ä"], "e": []})
            with tracers[1].start_as_current_span(
                "child", kind=SpanKind.CLIENT, links=[Link(linked, {"w": 1})]
            ) as span:
                span.set_attributes({"long": "x" * 40_000, "list": [1, 2], "n": 2**62, "m": -1, "no": False})
                span.add_event("hit", {"key": "k", "text": "y" * 200})
                span.add_event("bare")
                span.set_status("ERROR", "why")
            with tracers[0].start_as_current_span("last"):
                pass
    return list(captured.spans)


def test_nothing_is_lost_against_the_reference_exporter():
    """Ids, parents, times, attributes, events, links, status, scopes, schemas and resource are equal."""
    assert same_as_reference(made_spans())


def test_limits_and_what_they_dropped_are_the_references():
    limits = SpanLimits(max_span_attributes=2, max_events=1, max_event_attributes=1, max_attribute_length=5)
    assert same_as_reference(made_spans(span_limits=limits))


def test_the_random_flag_and_a_remote_parent_are_carried():
    child, last, root = spans_in(read(ProtobufEncoder().traces_data(made_spans())))
    assert {0x300} == {span.flags & 0x300 for span in (child, last, root) if span.name == "root"}


def test_it_is_no_larger_than_the_reference():
    spans = made_spans()
    assert len(ProtobufEncoder().traces_data(spans)) <= len(encode_spans(spans).SerializeToString())


@pytest.mark.parametrize("value", [2**63, math.inf, b"x", {"a": {"b": [1, None]}}, "a\ud800b"], ids=repr)
def test_odd_values_go_the_other_way(value):
    assert same_as_json([ended_span("s", {"odd": value}), ended_span("plain", {"n": 1})])


def test_what_is_no_span_is_left_out():
    """A span without a context costs itself, not its batch."""
    assert 1 == len(spans_in(read(ProtobufEncoder().traces_data([ReadableSpan("none"), make()]))))
    assert b"" == any_span(ReadableSpan("none"))


@pytest.mark.parametrize(("value", "data"), [(0, "00"), (127, "7f"), (128, "8001"), (-1, "ff" * 9 + "01")])
def test_varints(value, data):
    assert bytes.fromhex(data) == varint(value)


def test_records_are_what_their_spans_are():
    """Spans that came as OTLP JSON go on as protocol buffers."""
    spans = made_spans()
    assert same_as_json(Encoder().records(spans))
    assert read(ProtobufEncoder().traces_data(Encoder().records(spans))) == parse(
        Encoder().traces_data(spans)
    )


def test_an_empty_batch_is_an_empty_message():
    assert [] == list(read(ProtobufEncoder().traces_data([])).resource_spans)
