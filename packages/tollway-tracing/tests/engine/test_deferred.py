"""Attributes that are worked out when somebody looks at them, and not at all for a span that is dropped."""

import gc
import logging
import weakref

import pytest
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.sdk.trace import TracerProvider as SDKProvider
from opentelemetry.trace import set_span_in_context

from tollway.tracing import Deferred, RatioSlowSampler, testing


class Counted:
    """Makes attributes, and counts how often it was asked."""

    def __init__(self, **attributes: object) -> None:
        self.attributes = attributes
        self.calls = 0

    def __call__(self) -> dict[str, object]:
        self.calls += 1
        return self.attributes


def fail() -> dict[str, object]:
    raise RuntimeError("no attributes today")


@pytest.fixture
def captured():
    """A policy that keeps what fails, and nothing else."""
    with testing.capture(RatioSlowSampler(sampling_rate=0.0), set_global=False) as found:
        yield found


@pytest.fixture(params=["root", "child"])
def start(captured, request):
    """Start a span, as a root or below one."""
    tracer = captured.provider.get_tracer("t")
    context = set_span_in_context(tracer.start_span("r")) if request.param == "child" else None
    return lambda **given: tracer.start_span("s", context, **given)


def kept(span):
    """End it so that it is kept, and return its attributes."""
    span.set_status("ERROR")
    span.end()
    span._local.promote("forced")
    return {key: value for key, value in span.attributes.items() if not key.startswith("tollway.")}


def test_a_kept_span_has_them(start):
    span = start(attributes=Deferred(lambda: {"a": 1}))
    span.set_attributes(Deferred(lambda: {"b": [2]}))
    assert {"a": 1, "b": (2,)} == kept(span)


def test_a_dropped_span_never_asks(captured):
    asked = Counted(a=1)
    captured.provider.get_tracer("t").start_span("s", attributes=Deferred(asked)).end()
    assert (0, []) == (asked.calls, captured.spans)


def test_a_kept_span_asks_once(start):
    asked = Counted(a=1)
    span = start(attributes=Deferred(asked))
    assert {"a": 1} == dict(span.attributes) == kept(span)
    assert asked.calls == 1


def test_what_is_set_by_name_wins(start):
    span = start()
    span.set_attribute("a", "by name")
    span.set_attributes(Deferred(lambda: {"a": "deferred", "b": "deferred"}))
    span.set_attribute("b", "by name")
    assert {"a": "by name", "b": "by name"} == kept(span)


def test_of_two_the_later_wins(start):
    span = start(attributes=Deferred(lambda: {"a": 1}))
    span.set_attributes(Deferred(lambda: {"a": 2}))
    assert {"a": 2} == kept(span)


def test_the_limit_holds_for_them_too():
    """A child, so that the engine adds nothing of its own."""
    with testing.capture(set_global=False, span_limits=SpanLimits(max_span_attributes=2)) as found:
        tracer = found.provider.get_tracer("t")
        below = set_span_in_context(tracer.start_span("r"))
        span = tracer.start_span("s", below, attributes={"a": 1})
        span.set_attributes(Deferred(lambda: {"b": 2, "c": 3, "d": 4}))
        span.end()
        assert ({"a": 1, "b": 2}, 2) == (dict(span.attributes), span.dropped_attributes)


def test_one_that_fails_costs_only_itself(start, caplog):
    span = start(attributes=Deferred(fail))
    span.set_attribute("a", 1)
    with caplog.at_level(logging.ERROR):
        assert {"a": 1} == kept(span)
    assert "could not be worked out" in caplog.text


def test_after_the_end_it_is_too_late(captured, caplog):
    span = captured.provider.get_tracer("t").start_span("s")
    span.end()
    span.set_attributes(Deferred(lambda: {"a": 1}))
    assert not span.attributes
    assert "ended span" in caplog.text


def test_a_dropped_span_leaves_no_cycle(captured):
    """What is deferred is often a method of who holds the span."""

    class Holder:
        def __init__(self) -> None:
            self.span = captured.provider.get_tracer("t").start_span("s", attributes=Deferred(self.make))

        def make(self) -> dict[str, object]:
            return {"a": 1}

    gc.disable()
    try:
        holder = Holder()
        holder.span.end()
        gone = weakref.ref(holder)
        del holder
        assert gone() is None
    finally:
        gc.enable()


def test_a_span_of_the_sdk_looks_at_once():
    span = (
        SDKProvider(shutdown_on_exit=False)
        .get_tracer("t")
        .start_span("s", attributes=Deferred(lambda: {"a": 1}))
    )
    span.set_attributes(Deferred(lambda: {"b": 2}))
    assert {"a": 1, "b": 2} == dict(span.attributes)
