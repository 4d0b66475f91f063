"""Any calls on a span leave the same span as on the SDK's provider, where the SDK keeps to the
specification; in both builds.
"""

import contextlib
import decimal
import logging
from importlib import import_module

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.sdk.trace import TracerProvider as SDKTracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceState

from support import builds
from tollway.tracing.testing import CountingIds

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=9)
    | st.binary(max_size=9)
    | st.just(decimal.Decimal("1.5")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=2), inner, max_size=3)
    ),
    max_leaves=5,
)
ATTRIBUTES = st.none() | st.dictionaries(st.sampled_from(["a", "b", "c", "", 7]), VALUES, max_size=4)
CONTEXTS = st.sampled_from(
    [
        SpanContext(0, 0, is_remote=False),
        SpanContext(1, 2, is_remote=True),
        SpanContext(0, 0, is_remote=True, trace_state=TraceState([("a", "b")])),
    ]
)
TIMES = st.integers(1, 9)
STATUSES = st.builds(
    lambda code, description: Status(code, description if code is StatusCode.ERROR else None),
    st.sampled_from(StatusCode),
    st.none() | st.text(max_size=3),
)
CALLS = st.one_of(
    st.tuples(st.just("set_attribute"), st.sampled_from("abc"), VALUES),
    st.tuples(st.just("set_attributes"), ATTRIBUTES.map(lambda found: found or {})),
    st.tuples(st.just("add_event"), st.sampled_from("ef"), ATTRIBUTES, TIMES),
    st.tuples(st.just("add_link"), CONTEXTS, ATTRIBUTES),
    st.tuples(st.just("update_name"), st.sampled_from("mn")),
    st.tuples(st.just("set_status"), STATUSES),
    st.tuples(st.just("record_exception"), st.just(ValueError("x")), ATTRIBUTES, TIMES, st.booleans()),
    st.tuples(st.just("end"), st.integers(10, 19)),
)
STARTS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(SpanKind),
        "attributes": ATTRIBUTES,
        "links": st.lists(st.tuples(CONTEXTS, ATTRIBUTES), max_size=4),
        "start_time": TIMES,
        "record_exception": st.booleans(),
        "set_status_on_exception": st.booleans(),
    }
)


def left(make, limits, start, calls, error):
    """Return what an exporter sees of one span after the calls."""
    exporter = InMemorySpanExporter()
    provider = make(
        resource=Resource({}), shutdown_on_exit=False, id_generator=CountingIds(), span_limits=limits
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    links = [Link(*link) for link in start["links"]]
    span = provider.get_tracer("t").start_span("s", **{**start, "links": links})
    with contextlib.suppress(KeyError, KeyboardInterrupt), span:
        for method, *arguments in calls:
            getattr(span, method)(*arguments)
        if error is not None:
            raise error
    (found,) = exporter.get_finished_spans()
    return {
        "name": found.name,
        "kind": found.kind,
        "attributes": dict(found.attributes),
        "events": [(event.name, plain(event.attributes), event.dropped_attributes) for event in found.events],
        "links": [
            (tuple(link.context), dict(link.attributes), link.dropped_attributes) for link in found.links
        ],
        "status": (found.status.status_code, found.status.description),
        "dropped": (found.dropped_attributes, found.dropped_events, found.dropped_links),
        "start": found.start_time,
        "is ended as given": found.end_time < 20,
    }


def plain(attributes):
    """Leave the stack out: it names the lines of the one or the other."""
    return {key: value for key, value in attributes.items() if key != "exception.stacktrace"}


@pytest.fixture(scope="module", params=builds.BUILDS)
def own_provider(request):
    with builds.using(request.param):
        yield import_module("tollway.tracing").TracerProvider


@pytest.fixture(autouse=True)
def quiet():
    """Both warn of every odd value."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("limits", [{}, {"max_events": 2, "max_links": 2}], ids=["default", "tight"])
@settings(deadline=None)  # a pause of the machine is no failure
@given(
    start=STARTS,
    calls=st.lists(CALLS, max_size=8),
    error=st.sampled_from([None, KeyError("k"), KeyboardInterrupt()]),
)
def test_any_calls_leave_the_same_span(own_provider, limits, start, calls, error):
    found = [
        left(make, SpanLimits(**limits), start, calls, error) for make in (SDKTracerProvider, own_provider)
    ]
    for name, value in found[0].items():
        # An empty key that is set again is one drop for us, as any other key is one attribute.
        assert name == "dropped" or value == found[1][name], name
    assert found[0]["dropped"][1:] == found[1]["dropped"][1:]
    assert found[0]["dropped"][0] >= found[1]["dropped"][0]
