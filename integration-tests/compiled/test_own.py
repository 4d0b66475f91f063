"""The short way to OTLP JSON, compiled, writes the same bytes as the Python that it stands in place of."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import SpanLimits

from support.builds import NOT_COMPILED, source_of
from support.made_traces import PARENTS, SPANS, START_NS, made, plain
from tollway.tracing import testing
from tollway.tracing.engine import IS_COMPILED
from tollway.tracing.otlp import _own

pytestmark = pytest.mark.skipif(not IS_COMPILED, reason=NOT_COMPILED)

python = source_of(_own)


@given(parent=PARENTS, start_ns=START_NS, facts=SPANS)
@settings(max_examples=300)
def test_a_span_is_the_same_bytes(parent, start_ns, facts):
    """Byte by byte, and None for the same spans."""
    for span in made(parent, start_ns, facts, facts):
        assert python.own_span_json(span) == _own.own_span_json(span)


@given(value=st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**63), 2**63 - 1)))
@settings(max_examples=500)
def test_a_number_is_the_same_bytes(value):
    """Every number that has a word in OTLP is written as Python writes it."""
    (span,) = made(None, 0, plain(attributes={"n": value}))
    assert f"{value!r}".encode() in _own.own_span_json(span)
    assert python.own_span_json(span) == _own.own_span_json(span)


@pytest.mark.parametrize("text", [chr(code) for code in range(0x80)], ids=ascii)
def test_a_character_is_the_same_bytes(text):
    """What JSON escapes is escaped alike, wherever it stands in a text."""
    for placed in (text, f"{text}x", f"x{text}", f"{text}{text}", f"x{text}é{text}x"):
        (span,) = made(None, 0, plain(placed, attributes={placed: placed}))
        assert python.own_span_json(span) == _own.own_span_json(span)


def test_counts_of_what_was_dropped_are_the_same_bytes():
    """Limits leave their counts in both ways."""
    (span,) = made(None, 0, plain())
    span.count_dropped(attributes=3, events=1)
    assert b'"droppedAttributesCount":3' in _own.own_span_json(span)
    assert python.own_span_json(span) == _own.own_span_json(span)


def test_a_limit_on_events_is_kept_alike():
    """Events with more attributes than allowed are for the long way."""
    limits = SpanLimits(max_event_attributes=2)
    with testing.capture(set_global=False, span_limits=limits) as captured:
        for count in (2, 3):
            with captured.provider.get_tracer("t").start_as_current_span("s") as span:
                span.add_event("e", {str(n): n for n in range(count)})
    few, many = captured.spans
    assert python.own_span_json(few) == _own.own_span_json(few) is not None
    assert python.own_span_json(many) is None is _own.own_span_json(many)
