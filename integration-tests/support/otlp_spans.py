"""Spans for tests of the OTLP encoders: what they hold, and how to read what was made of them."""

from __future__ import annotations

import base64
from typing import Any

import orjson
from google.protobuf import json_format
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

from tollway.tracing import testing

VALUES = st.one_of(
    st.text(),
    st.integers(),
    st.floats(allow_nan=False),  # which equals nothing
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

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=10,
)

ID_KEYS = {"traceId", "spanId", "parentSpanId"}


def parse(data: bytes) -> TracesData:
    """Read OTLP JSON by the official messages: proto3 JSON, once the hex ids are base64."""

    def convert(item: Any) -> Any:
        if isinstance(item, dict):
            return {
                key: base64.b64encode(bytes.fromhex(value)).decode() if key in ID_KEYS else convert(value)
                for key, value in item.items()
            }
        return [convert(value) for value in item] if isinstance(item, list) else item

    return json_format.ParseDict(convert(orjson.loads(data)), TracesData(), ignore_unknown_fields=True)


def make(
    attributes: Any = None,
    *,
    name: Any = "s",
    flags: int = 1,
    parent: Any = None,
    state: Any = None,
    **rest: Any,
) -> ReadableSpan:
    context = SpanContext(0xABC, 0xDEF, False, TraceFlags(flags), state)
    return ReadableSpan(name, context, parent, Resource({}), attributes, start_time=1, end_time=2, **rest)


def ended_span(
    name: Any = "s",
    attributes: Any = (),
    events: Any = (),
    status: Any = ("UNSET", None),
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    **rest: Any,
) -> Any:
    with testing.capture(set_global=False, **rest) as captured:
        tracer = captured.provider.get_tracer("t")
        span = tracer.start_span(name, kind=kind, attributes=dict(attributes))
        for event, items in events:
            span.add_event(event, items)
        span.set_status(*status)
        span.end()
    return span
