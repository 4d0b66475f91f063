"""What callers give wrongly costs a warning: neither their program nor their trace."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from opentelemetry.sdk.trace import TracerProvider as SDKTracerProvider
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags

from tollway.tracing import FileStore, testing
from tollway.tracing.store import FileStoreProcessor

NOW_NS = 1_700_000_000_000_000_000
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
NOON_NS = 1_796_040_000_000_000_000


@pytest.fixture
def captured():
    clock = testing.SteppingClock(NOW_NS)
    with testing.capture(set_global=False, clock=clock.clock()) as found:
        yield found


@pytest.fixture
def tracer(captured):
    return captured.provider.get_tracer("lib")


TIMES = [
    (NOON_NS, NOON_NS),
    (NOON, NOON_NS),
    (NOON.astimezone(timezone(timedelta(hours=5))), NOON_NS),
    (NOON_NS / 1e9, NOON_NS),
    (NOON_NS / 1e6, NOON_NS),
    (NOON_NS / 1e3, NOON_NS),
    ("2026-11-30", NOW_NS),
    (float("nan"), NOW_NS),
    (float("inf"), NOW_NS),
    (-1, NOW_NS),
    (2**70, NOW_NS),
    (True, NOW_NS),
    (object(), NOW_NS),
]


@pytest.mark.parametrize(("given", "kept_ns"), TIMES)
def test_a_time_is_converted_or_that_of_now(captured, tracer, given, kept_ns):
    span = tracer.start_span("s", start_time=given)
    span.add_event("e", timestamp=given)
    span.end(given)
    (span,) = captured.spans
    assert (kept_ns, kept_ns, kept_ns) == (span.start_time, span.events[0].timestamp, span.end_time)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("client", SpanKind.CLIENT),
        (2, SpanKind.CLIENT),
        ("tool", SpanKind.INTERNAL),
        (None, SpanKind.INTERNAL),
    ],
)
def test_a_kind_is_converted_or_internal(captured, tracer, given, kept):
    tracer.start_span("s", kind=given).end()
    assert kept is captured.spans[0].kind


class Raises(dict):
    """A mapping that cannot be read."""

    def keys(self):
        raise RuntimeError("no keys")

    def items(self):
        raise RuntimeError("no items")

    def __iter__(self):
        raise RuntimeError("no iteration")


CALLS = {
    "key": lambda span: span.set_attribute(["k"], 1),
    "no key": lambda span: span.set_attribute(None, 1),
    "attributes": lambda span: span.set_attributes("a=1"),
    "no attributes": lambda span: span.set_attributes(None),
    "value": lambda span: span.set_attribute("a", Raises(b=1)),
    "event's name": lambda span: span.add_event(None, {"a": 1}),
    "event's attributes": lambda span: span.add_event("e", [1, 2]),
    "link": lambda span: span.add_link(None),
    "link's attributes": lambda span: span.add_link(SpanContext(1, 2, True, TraceFlags(1)), 7),
    "exception": lambda span: span.record_exception("text"),
    "exception's attributes": lambda span: span.record_exception(ValueError("x"), 7),
    "name": lambda span: span.update_name(None),
    "status": lambda span: span.set_status(None),
    "status's description": lambda span: span.set_status("ERROR", 7),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_wrong_call_neither_raises_nor_loses_the_trace(tracer, captured, tmp_path, call):
    store = FileStore(tmp_path)
    captured.provider.add_span_processor(FileStoreProcessor(store))
    with tracer.start_as_current_span("root") as span:
        call(span)
    captured.provider.force_flush()
    (trace,) = store.search()
    assert 1 == len(trace.spans)


STARTS = {
    "name": {"name": 7},
    "attributes": {"attributes": "a=1"},
    "an unreadable mapping": {"attributes": {"a": Raises(b=1)}},
    "links": {"links": 7},
    "a link": {"links": ["other", None, Link(None)]},
}


@pytest.mark.parametrize("arguments", STARTS.values(), ids=STARTS)
def test_a_wrong_start_does_not_raise(captured, tracer, arguments):
    tracer.start_span(**{"name": "s", **arguments}).end()
    assert 1 == len(captured.spans)


def test_the_sdk_ignores_the_same(caplog):
    """So these are no demands of ours: a program that runs on the SDK runs on this provider."""
    span = SDKTracerProvider().get_tracer("lib").start_span("s")
    for call in ("key", "no key", "link"):
        CALLS[call](span)
