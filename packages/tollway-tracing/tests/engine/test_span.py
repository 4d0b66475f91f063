"""A span does what OpenTelemetry's specification says of it."""

import json
import logging

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits
from opentelemetry.sdk.trace import Span as SDKSpan
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
)

from tollway.tracing import testing
from tollway.tracing.propagation import raw_context

LINKED = SpanContext(5, 6, True, TraceFlags(1))


@pytest.fixture
def captured():
    with testing.capture(set_global=False) as found:
        yield found


@pytest.fixture
def tracer(captured):
    return captured.provider.get_tracer("lib", "1.2", "https://schema", {"a": "b"})


def limited(**limits):
    return testing.capture(set_global=False, span_limits=SpanLimits(**limits))


def test_it_is_what_instrumentations_test_for(tracer):
    """Both the API's span and the SDK's readable one."""
    span = tracer.start_span("s", kind=SpanKind.CLIENT)
    assert isinstance(span, Span)
    assert isinstance(span, ReadableSpan)
    assert isinstance(span, SDKSpan)
    assert ("s", SpanKind.CLIENT) == (span.name, span.kind)


class TestAttributes:
    def test_a_new_value_replaces_the_old(self, tracer):
        span = tracer.start_span("s", attributes={"a": 1})
        span.set_attribute("a", 2)
        span.set_attributes({"b": 3, "c": 4})
        assert {"a": 2, "b": 3, "c": 4} == span.attributes

    @pytest.mark.parametrize("value", [[1, 2], {"k": [1]}, bytearray(b"x"), {1, 2}], ids=str)
    def test_a_later_change_of_a_mutable_is_not_seen(self, tracer, value):
        span = tracer.start_span("s", attributes={"given": value})
        span.set_attribute("set", value)
        span.add_event("e", {"event": value})
        before = [dict(span.attributes), dict(span.events[0].attributes)]
        value.clear()
        assert before == [dict(span.attributes), dict(span.events[0].attributes)]

    def test_what_is_no_attribute_becomes_its_text(self, tracer):
        class Odd:
            def __str__(self):
                return "odd"

        span = tracer.start_span("s")
        span.set_attribute("a", Odd())
        assert "odd" == span.attributes["a"]

    def test_a_value_whose_text_raises_is_none(self, tracer):
        class Broken:
            def __str__(self):
                raise ValueError

        span = tracer.start_span("s")
        span.set_attribute("a", Broken())
        assert span.attributes["a"] is None

    def test_a_key_that_is_no_text_becomes_its_text(self, tracer):
        """As the SDK makes it of mappings."""
        span = tracer.start_span("s", attributes={7: 1})
        span.add_event("e", {7: 1})
        assert {"7": 1} == span.attributes == span.events[0].attributes

    @pytest.mark.parametrize("key", ["", None])
    def test_an_invalid_key_is_dropped_and_counted(self, tracer, key):
        span = tracer.start_span("s")
        span.set_attribute(key, 1)
        assert {} == span.attributes
        assert 1 == span.dropped_attributes

    def test_beyond_the_limit_new_keys_are_dropped_and_counted(self):
        """Known keys still take new values."""
        with limited(max_span_attributes=2) as captured:
            span = captured.provider.get_tracer("t").start_span("s", attributes={"a": 1, "b": 2, "c": 3})
            span.set_attribute("d", 4)
            span.set_attribute("a", 5)
        assert {"a": 5, "b": 2} == span.attributes
        assert 2 == span.dropped_attributes

    def test_long_texts_are_cut_wherever_they_are(self):
        with limited(max_attribute_length=3) as captured:
            span = captured.provider.get_tracer("t").start_span("s", links=[Link(LINKED, {"a": "long"})])
            span.set_attributes({"a": "long", "b": ["long"], "c": b"long", "d": 12345})
            span.add_event("e", {"a": "long"})
        assert {"a": "lon", "b": ("lon",), "c": b"lon", "d": 12345} == span.attributes
        assert {"a": "lon"} == span.events[0].attributes
        assert {"a": "lon"} == span.links[0].attributes

    def test_limits_come_from_the_environment(self, monkeypatch):
        monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1")
        monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "2")
        with testing.capture(set_global=False) as captured:
            span = captured.provider.get_tracer("t").start_span("s", attributes={"a": "long", "b": 1})
        assert {"a": "lo"} == span.attributes


class TestEvents:
    def test_time_and_attributes(self, tracer):
        span = tracer.start_span("s")
        span.add_event("e", {"k": 1}, timestamp=42)
        (event,) = span.events
        assert ("e", {"k": 1}, 42) == (event.name, event.attributes, event.timestamp)

    def test_beyond_the_limit_the_oldest_goes(self):
        """As in the SDK: the exception at the end is worth more than the first note."""
        with limited(max_events=2) as captured:
            span = captured.provider.get_tracer("t").start_span("s")
            for name in "abc":
                span.add_event(name)
        assert ["b", "c"] == [event.name for event in span.events]
        assert 1 == span.dropped_events

    def test_no_events_at_all(self):
        with limited(max_events=0) as captured:
            span = captured.provider.get_tracer("t").start_span("s")
            span.add_event("a")
        assert () == span.events
        assert 1 == span.dropped_events

    def test_their_attributes_have_a_limit(self):
        with limited(max_event_attributes=1) as captured:
            span = captured.provider.get_tracer("t").start_span("s")
            span.add_event("a", {"a": 1, "b": 2})
        (event,) = span.events
        assert {"a": 1} == event.attributes
        assert 1 == event.dropped_attributes


class TestLinks:
    def test_at_the_start_and_later(self, tracer):
        span = tracer.start_span("s", links=[Link(LINKED, {"a": 1})])
        span.add_link(SpanContext(7, 8, False), {"b": 2})
        assert [5, 7] == [link.context.trace_id for link in span.links]
        assert [{"a": 1}, {"b": 2}] == [dict(link.attributes) for link in span.links]

    def test_a_later_change_of_its_attributes_is_not_seen(self, tracer):
        seen = {"a": [1]}
        span = tracer.start_span("s", links=[Link(SpanContext(1, 2, is_remote=False), seen)])
        seen["a"].append(2)
        seen["b"] = 3
        assert {"a": (1,)} == span.links[0].attributes

    def test_one_that_leads_nowhere_takes_no_room(self):
        """The limit counts what is kept."""
        with limited(max_links=1) as captured:
            tracer = captured.provider.get_tracer("t")
            nowhere = Link(SpanContext(0, 0, is_remote=False))
            span = tracer.start_span("s", links=[Link(SpanContext(1, 2, is_remote=False)), nowhere])
            span.add_link(nowhere.context)
        assert ([2], 0) == ([link.context.span_id for link in span.links], span.dropped_links)

    def test_one_that_leads_nowhere_and_says_nothing_is_left_out(self, tracer):
        span = tracer.start_span("s", links=[Link(SpanContext(0, 0, False))])
        assert () == span.links

    def test_beyond_the_limit_the_oldest_goes(self):
        with limited(max_links=1) as captured:
            span = captured.provider.get_tracer("t").start_span("s", links=[Link(LINKED), Link(LINKED)])
            span.add_link(SpanContext(7, 8, False))
        assert [7] == [link.context.trace_id for link in span.links]
        assert 2 == span.dropped_links


class TestStatus:
    def test_it_is_unset_at_first(self, tracer):
        assert StatusCode.UNSET is tracer.start_span("s").status.status_code

    def test_ok_is_final(self, tracer):
        span = tracer.start_span("s")
        span.set_status(StatusCode.ERROR, "why")
        span.set_status(StatusCode.OK)
        span.set_status(StatusCode.ERROR, "again")
        assert (StatusCode.OK, None) == (span.status.status_code, span.status.description)

    def test_unset_is_ignored(self, tracer):
        span = tracer.start_span("s")
        span.set_status(Status(StatusCode.ERROR, "why"))
        span.set_status(StatusCode.UNSET)
        assert (StatusCode.ERROR, "why") == (span.status.status_code, span.status.description)

    def test_only_error_has_a_description(self, tracer):
        span = tracer.start_span("s")
        span.set_status("OK", "fine")
        assert span.status.description is None

    def test_by_its_word(self, tracer):
        span = tracer.start_span("s")
        span.set_status("error", "API timeout")
        assert (StatusCode.ERROR, "API timeout") == (span.status.status_code, span.status.description)

    @pytest.mark.parametrize("status", ["FAILED", None, 7, object()])
    def test_what_is_no_status_is_ignored_with_a_warning(self, tracer, status, caplog):
        span = tracer.start_span("s")
        span.set_status("ERROR", "why")
        span.set_status(status)
        assert (StatusCode.ERROR, "why") == (span.status.status_code, span.status.description)
        assert "OK, ERROR, UNSET" in caplog.text


class TestExceptions:
    def test_the_event_has_type_message_and_stack(self, tracer):
        span = tracer.start_span("s")
        try:
            raise json.JSONDecodeError("bad", "doc", 0)
        except ValueError as error:
            span.record_exception(error, {"extra": 1})
        (event,) = span.events
        attributes = dict(event.attributes)
        assert "test_the_event_has_type_message_and_stack" in attributes.pop("exception.stacktrace")
        assert {
            "exception.type": "json.decoder.JSONDecodeError",
            "exception.message": "bad: line 1 column 1 (char 0)",
            "exception.escaped": "False",
            "extra": 1,
        } == attributes
        assert StatusCode.UNSET is span.status.status_code

    def test_one_whose_text_raises_is_recorded_all_the_same(self, tracer):
        class BrokenError(Exception):
            def __str__(self):
                raise RuntimeError

        with pytest.raises(BrokenError), tracer.start_as_current_span("s") as span:
            raise BrokenError
        assert "exception" == span.events[0].name
        assert StatusCode.ERROR is span.status.status_code

    @pytest.mark.parametrize("as_current", [True, False])
    @pytest.mark.parametrize("record", [True, False])
    @pytest.mark.parametrize("set_status", [True, False])
    def test_leaving_by_one_is_noted_as_asked(self, tracer, as_current, record, set_status):
        """`with span` and `start_as_current_span` follow both flags."""
        start = tracer.start_as_current_span if as_current else tracer.start_span
        block = start("s", record_exception=record, set_status_on_exception=set_status)
        with pytest.raises(KeyError), block as span:
            raise KeyError("k")
        assert record == bool(span.events)
        assert set_status == (span.status.status_code is StatusCode.ERROR)
        if set_status:
            assert "KeyError: 'k'" == span.status.description


class TestTime:
    def test_it_can_be_given(self, tracer):
        span = tracer.start_span("s", start_time=10)
        span.end(end_time=30)
        assert (10, 30) == (span.start_time, span.end_time)

    def test_durations_do_not_follow_the_wall_clock(self):
        """The wall is read once a trace, at its root; it may be set meanwhile."""
        wall, monotonic = [1_000_000], [5]
        clock = testing.Clock(lambda: wall[0], lambda: monotonic[0])
        with testing.capture(set_global=False, clock=clock) as captured:
            root = captured.provider.get_tracer("t").start_span("root")
            wall[0] = 0
            monotonic[0] += 100
            root.add_event("e")
            root.end()
        assert (1_000_000, 1_000_100) == (root.start_time, root.end_time)
        assert 1_000_100 == root.events[0].timestamp


class TestAfterItsEnd:
    def test_nothing_changes_it_and_each_try_is_warned_of(self, tracer, caplog):
        span = tracer.start_span("s")
        span.end(end_time=1)
        with caplog.at_level(logging.WARNING):
            span.set_attribute("a", 1)
            span.add_event("e")
            span.add_link(LINKED)
            span.set_status(StatusCode.OK)
            span.update_name("other")
            span.end(end_time=2)
        assert ("s", {}, (), (), 1) == (
            span.name,
            {k: v for k, v in span.attributes.items() if k != "tollway.kept_because"},
            span.events,
            span.links,
            span.end_time,
        )
        assert not span.is_recording()
        assert 6 == len(caplog.records)

    def test_it_is_passed_on_once(self, captured, tracer):
        span = tracer.start_span("s")
        span.end()
        span.end()
        assert [span] == captured.spans


def test_the_name_can_change(tracer):
    span = tracer.start_span("s")
    span.update_name("other")
    assert "other" == span.name


def test_the_sdks_to_json_reads_it(tracer):
    with tracer.start_as_current_span("parent") as parent, tracer.start_as_current_span("s") as span:
        span.add_event("e", {"k": 1})
        span.add_link(LINKED)
    item = json.loads(span.to_json())
    assert f"0x{parent.context.span_id:016x}" == item["parent_id"]
    assert ["e"] == [event["name"] for event in item["events"]]
    assert f"0x{5:032x}" == item["links"][0]["context"]["trace_id"]


def test_scope_and_resource_are_its_tracers(captured, tracer):
    span = tracer.start_span("s")
    scope = span.instrumentation_scope
    assert ("lib", "1.2", "https://schema", {"a": "b"}) == (
        scope.name,
        scope.version,
        scope.schema_url,
        dict(scope.attributes),
    )
    assert captured.provider.resource is span.resource


def test_an_invalid_parent_makes_a_root(tracer):
    from opentelemetry.trace import set_span_in_context

    span = tracer.start_span("s", set_span_in_context(NonRecordingSpan(SpanContext(0, 0, False))))
    assert span.parent is None
    assert span.context.is_valid


def test_the_raw_context_is_the_context(tracer):
    """Of a foreign span too; before and after it is known that the trace is kept."""
    span = tracer.start_span("s")
    assert tuple(span.get_span_context()) == raw_context(span)
    span.end()
    assert tuple(span.get_span_context()) == raw_context(span)
    assert tuple(LINKED) == tuple(raw_context(NonRecordingSpan(LINKED)))


def test_attributes_of_events_and_links_cannot_be_changed(tracer):
    span = tracer.start_span("s", links=[Link(LINKED, {"a": 1})])
    span.add_event("e", {"a": 1})
    for attributes in (span.attributes, span.events[0].attributes, span.links[0].attributes):
        with pytest.raises(TypeError):
            attributes["a"] = 2


def test_a_link_that_leads_nowhere_is_ignored(tracer):
    span = tracer.start_span("s")
    span.add_link(INVALID_SPAN_CONTEXT)
    span.add_link(None)
    assert () == span.links


def test_an_attribute_of_an_invalid_type_is_warned_of(tracer, caplog):
    tracer.start_span("s").set_attribute("a", object())
    assert "invalid type object" in caplog.text
