"""The short way to OTLP, compiled, says what the long way says, in both formats."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans
from opentelemetry.sdk.trace import SpanLimits

from support.builds import NOT_COMPILED
from support.made_traces import PARENTS, SPANS, START_NS, made, plain
from tollway.tracing import testing
from tollway.tracing._json import to_json
from tollway.tracing.engine import IS_COMPILED
from tollway.tracing.otlp._objects import span_object
from tollway.tracing.otlp._own import own_span_json, spans_protobuf
from tollway.tracing.otlp._protobuf import any_span

pytestmark = pytest.mark.skipif(not IS_COMPILED, reason=NOT_COMPILED)


def _refuse(span: object) -> bytes:
    raise AssertionError(f"{span!r} goes the long way")


def same(span) -> bool:
    """Return whether both ways say the same of a span; in JSON the short one may leave it to the long one."""
    text = own_span_json(span)
    long_text = to_json(span_object(span))
    data = ScopeSpans.FromString(spans_protobuf([span], any_span))
    return (text is None or orjson.loads(text) == orjson.loads(long_text)) and (
        str(data) == str(ScopeSpans.FromString(any_span(span)))  # as text, where NaN equals NaN
    )


@given(parent=PARENTS, start_ns=START_NS, facts=SPANS)
@settings(max_examples=300)
def test_a_span_says_the_same(parent, start_ns, facts):
    for span in made(parent, start_ns, facts, facts):
        assert same(span)


@given(value=st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**63), 2**63 - 1)))
@settings(max_examples=500)
def test_every_number_is_written_exactly(value):
    """In JSON as Python writes it."""
    (span,) = made(None, 0, plain(attributes={"n": value}))
    assert f"{value!r}".encode() in own_span_json(span)
    assert same(span)


@pytest.mark.parametrize("text", [chr(code) for code in range(0x80)], ids=ascii)
def test_every_character_is_written_wherever_it_stands(text):
    for placed in (text, f"{text}x", f"x{text}", f"{text}{text}", f"x{text}é{text}x"):
        (span,) = made(None, 0, plain(placed, attributes={placed: placed}))
        assert same(span)


@pytest.mark.parametrize("size", [1, 100, 127, 128, 129, 16_383, 16_384, 100_000])
def test_texts_of_every_size_have_their_size_before_them(size):
    """A size of a message takes one to five bytes."""
    (span,) = made(None, 0, plain("n" * size, attributes={"k": "v" * size, "list": ["w" * size] * 3}))
    assert ScopeSpans.FromString(spans_protobuf([span], _refuse)) == ScopeSpans.FromString(any_span(span))


def test_counts_of_what_was_dropped_are_written():
    """Limits leave their counts in both ways."""
    (span,) = made(None, 0, plain())
    span.count_dropped(attributes=3, events=1)
    assert b'"droppedAttributesCount":3' in own_span_json(span)
    (found,) = ScopeSpans.FromString(spans_protobuf([span], _refuse)).spans
    assert (3, 1, 0) == (
        found.dropped_attributes_count,
        found.dropped_events_count,
        found.dropped_links_count,
    )


def test_a_limit_on_events_is_kept():
    """Events with more attributes than allowed are for the long way."""
    limits = SpanLimits(max_event_attributes=2)
    with testing.capture(set_global=False, span_limits=limits) as captured:
        for count in (2, 3):
            with captured.provider.get_tracer("t").start_as_current_span("s") as span:
                span.add_event("e", {str(n): n for n in range(count)})
    few, many = captured.spans
    assert own_span_json(few) is not None
    assert own_span_json(many) is None
    assert same(few)
    assert same(many)
