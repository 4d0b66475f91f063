"""What a line says about its spans."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from tollway.tracing import testing
from tollway.tracing.otlp import Encoder
from tollway.tracing.otlp._sources import is_local_root, trace_id_of
from tollway.tracing.summary import Summary, day_of, iso_of, summarise

TEXTS = st.one_of(st.none(), st.text(max_size=20))
SUMMARIES = st.builds(
    Summary,
    st.integers(0, 2**128 - 1).map("{:032x}".format),
    st.integers(0, 2**62),
    st.integers(0, 10**15),
    st.sampled_from(["OK", "ERROR"]),
    TEXTS,
    TEXTS,
    st.integers(1, 10**6),
    TEXTS,
    st.booleans(),
)


def copy_of(span) -> ReadableSpan:
    """Return a foreign span that says the same."""
    return ReadableSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
    )


@pytest.mark.parametrize("status", list(StatusCode), ids=lambda code: code.name)
@pytest.mark.parametrize("parent", [None, "local", "remote"])
@pytest.mark.parametrize("whole", [True, False])
def test_our_spans_are_summed_up_as_any_others(status, parent, whole):
    """Our own spans are read by their slots, foreign ones by their properties: both say the same."""
    context = None
    if parent is not None:
        above = SpanContext(7, 9, parent == "remote", TraceFlags(3))
        context = set_span_in_context(NonRecordingSpan(above))
    with testing.capture(set_global=False) as captured:
        tracer = captured.provider.get_tracer("t")
        with tracer.start_as_current_span("root", context) as root:
            with tracer.start_as_current_span("child") as child:
                child.set_status(Status(status))
            root.set_attribute("tollway.kept_because", "forced")
    spans = captured.spans if whole else captured.spans[:1]
    copies = [copy_of(span) for span in spans]
    records = Encoder().records(spans)
    assert records
    assert summarise("0" * 32, Encoder().records(copies)) == summarise("0" * 32, records)
    assert records == Encoder().records(records)  # what came as records stays as it is
    assert list(map(is_local_root, copies)) == list(map(is_local_root, spans))
    assert list(map(trace_id_of, copies)) == list(map(trace_id_of, spans))


def test_a_span_without_a_context_has_no_trace():
    """A hand-made span need not have one."""
    assert trace_id_of(ReadableSpan("s")) is None


@given(summary=SUMMARIES)
def test_a_summary_reads_back(summary):
    """What a line says is read as it was, whatever texts are in it."""
    item = orjson.loads(summary.to_json())
    assert summary == Summary.from_object(summary.trace_id, item)
    assert list(summary) == orjson.loads(b"[" + summary.to_row())


def test_texts_that_are_not_unicode_keep_their_place():
    """A lone surrogate in a name does not cost the trace."""
    summary = Summary("0" * 32, 0, 0, "OK", "a\ud800b", None, 1, None, True)
    assert "a\ufffdb" == orjson.loads(summary.to_json())["root_name"]


@pytest.mark.parametrize(
    ("unix_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (1_795_521_599_999_999_999, "2026-11-24T11:59:59.999999999Z"),
        (1_795_564_799_999_999_999, "2026-11-24T23:59:59.999999999Z"),
        (1_795_564_800_000_000_000, "2026-11-25T00:00:00.000000000Z"),
    ],
)
def test_moments_are_told_to_the_nanosecond(unix_ns, text):
    """Times are RFC 3339, days their first ten characters."""
    assert text == iso_of(unix_ns)
    assert text[:10] == day_of(unix_ns)
