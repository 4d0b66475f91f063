"""The encoder's JSON is OTLP, whatever the spans hold."""

import enum
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace import TracerProvider as SDKTracerProvider
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from support.otlp_spans import ANYTHING, make, parse
from tollway.tracing.otlp import Encoder, encode_span
from tollway.tracing.otlp._objects import any_value


def only_span(span):
    return parse(Encoder().traces_data([span])).resource_spans[0].scope_spans[0].spans[0]


def test_a_span_means_what_the_reference_encoder_makes_of_it():
    """Every field of a full span equals that of the stock exporter, but for the W3C flag bits it lacks."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    tracer = SDKTracerProvider(resource=Resource({"service.name": "shop", "n": 1})).get_tracer(
        "lib", "1.2", "https://schema", {"a": "b"}
    )
    linked = SpanContext(5, 6, True, TraceFlags(1))
    with tracer.start_as_current_span("parent", kind=SpanKind.SERVER) as parent:
        span = tracer.start_span("child", kind=SpanKind.CLIENT, links=[Link(linked, {"why": "retry"})])
        span.set_attributes(
            {"s": "x", "i": -(2**63), "f": 0.5, "b": True, "l": ["a", "b"], "e": [], "z": 2**62}
        )
        span.add_event("hit", {"key": "k"})
        span.set_status(Status(StatusCode.ERROR, "no"))
        span.end()
    reference = encode_spans([span, parent])
    ours = parse(Encoder().traces_data([span, parent]))
    for block in (reference, ours):
        for found in block.resource_spans[0].scope_spans[0].spans:
            found.flags = 0
            if found.status.code == 0:
                found.ClearField("status")  # unset is unset, written or not
            for link in found.links:
                link.flags = 0
    assert list(reference.resource_spans) == list(ours.resource_spans)


@pytest.mark.parametrize(
    ("parent", "flags"),
    [
        (None, 0x101),
        (SpanContext(0xABC, 1, False), 0x101),
        (SpanContext(0xABC, 1, True), 0x301),
    ],
)
def test_flags_carry_sampled_and_remote(parent, flags):
    assert flags == only_span(make(parent=parent)).flags


def test_the_random_flag_is_carried():
    assert 0x103 == only_span(make(flags=3)).flags


def test_trace_state_is_carried():
    assert "ot=th:8" == only_span(make(state=TraceState([("ot", "th:8")]))).trace_state


class Colour(enum.IntEnum):
    RED = 7


class Rude:
    def __str__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (True, {"boolValue": True}),
        (2**63 - 1, {"intValue": "9223372036854775807"}),
        (2**63, {"stringValue": "9223372036854775808"}),
        (math.inf, {"doubleValue": "Infinity"}),
        (-math.inf, {"doubleValue": "-Infinity"}),
        (math.nan, {"doubleValue": "NaN"}),
        (b"\x00\xff", {"bytesValue": "AP8="}),
        (None, {}),
        (Colour.RED, {"intValue": "7"}),
        ((1, "a"), {"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "a"}]}}),
        ({"a": 1}, {"kvlistValue": {"values": [{"key": "a", "value": {"intValue": "1"}}]}}),
        ((), {"arrayValue": {"values": []}}),
        (Rude(), {"stringValue": "<Rude>"}),
    ],
)
def test_values_have_their_otlp_kind(value, encoded):
    assert encoded == any_value(value)


def test_lone_surrogates_become_replacement_characters():
    found = only_span(make({"k": "a\ud800b"}, name="n\udfff"))
    assert ("n\ufffd", "a\ufffdb") == (found.name, found.attributes[0].value.string_value)


def test_a_structure_that_contains_itself_ends():
    loop = []
    loop.append(loop)
    assert encode_span(make({"k": loop})) is not None


def test_what_is_no_span_is_left_out():
    """A span without a context costs itself, not its batch."""
    data = Encoder().traces_data([ReadableSpan("none"), make()])
    assert 1 == len(parse(data).resource_spans[0].scope_spans[0].spans)


@given(st.dictionaries(st.text(st.characters()), ANYTHING), st.text(st.characters()))
def test_any_attributes_make_valid_otlp(attributes, name):
    """Nothing that a program puts on a span or an event makes the encoder raise or the JSON invalid."""
    span = make(attributes, name=name, events=[Event(name, attributes, 5)])
    assert len(attributes) == len(only_span(span).attributes)
