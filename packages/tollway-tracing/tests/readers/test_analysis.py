"""Where the time of a trace went."""

import pytest

from tollway.tracing.readers.analysis import (
    critical_path,
    errors,
    latency_ms,
    percentile,
    self_times_ms,
    stats,
)
from tollway.tracing.store import EventView, SpanView, Summary, Trace

MS = 1_000_000


def view(span_id, parent_id, start_ms, end_ms, *, name=None, status="UNSET", attributes=None, events=()):
    return SpanView(
        trace_id="t",
        span_id=span_id,
        parent_id=parent_id,
        name=name or span_id,
        kind="INTERNAL",
        start_ns=start_ms * MS,
        end_ns=end_ms * MS,
        status=status,
        status_message="",
        attributes=attributes or {},
        events=events,
        links=(),
        resource={},
        scope="",
        parent_is_remote=False,
    )


def trace_of(*spans, start_ms=0, status="UNSET"):
    ordered = tuple(sorted(spans, key=lambda span: span.start_ns))
    summary = Summary("t", start_ms * MS, 0, status, "r", None, len(spans), None, True)
    return Trace(summary, lambda: ordered)


def path_of(*spans):
    return [
        (segment.span.span_id, segment.start_ns // MS, segment.end_ns // MS)
        for segment in critical_path(trace_of(*spans))
    ]


@pytest.mark.parametrize(
    ("spans", "path"),
    [
        ([view("r", None, 0, 100)], [("r", 0, 100)]),
        (  # one after the other
            [view("r", None, 0, 100), view("a", "r", 10, 40), view("b", "r", 50, 90)],
            [("r", 0, 10), ("a", 10, 40), ("r", 40, 50), ("b", 50, 90), ("r", 90, 100)],
        ),
        (  # in parallel: the one that ends last bounds the parent
            [view("r", None, 0, 100), view("a", "r", 10, 60), view("b", "r", 10, 95)],
            [("r", 0, 10), ("b", 10, 95), ("r", 95, 100)],
        ),
        (  # overlapping: nobody waited for what was still running when the last link began
            [view("r", None, 0, 100), view("a", "r", 0, 80), view("b", "r", 50, 100)],
            [("r", 0, 50), ("b", 50, 100)],
        ),
        (  # asynchronous work outlives its parent
            [view("r", None, 0, 100), view("a", "r", 60, 500)],
            [("r", 0, 60), ("a", 60, 100)],
        ),
        (  # begun after the parent ended: no part of it
            [view("r", None, 0, 100), view("a", "r", 200, 300)],
            [("r", 0, 100)],
        ),
        (  # an orphan is a root; the longest root counts
            [view("r", None, 0, 100), view("o", "gone", 20, 30)],
            [("r", 0, 100)],
        ),
        (  # grandchildren
            [view("r", None, 0, 100), view("a", "r", 0, 100), view("b", "a", 20, 70)],
            [("a", 0, 20), ("b", 20, 70), ("a", 70, 100)],
        ),
    ],
)
def test_the_critical_path_is_what_was_waited_for(spans, path):
    assert path == path_of(*spans)


def test_a_deep_trace_has_a_path():
    """Depth costs no stack."""
    spans = [view("0", None, 0, 9000)] + [view(str(n), str(n - 1), 0, 9000) for n in range(1, 3000)]
    assert [("2999", 0, 9000)] == path_of(*spans)


def test_an_empty_trace_has_none():
    assert () == critical_path(trace_of())
    assert 0.0 == latency_ms(trace_of())


def test_latency_includes_late_work():
    assert 500.0 == latency_ms(trace_of(view("r", None, 0, 100), view("a", "r", 60, 500)))


def test_self_time_is_what_no_child_covers():
    """Children that overlap count once, and only while the parent ran."""
    trace = trace_of(
        view("r", None, 0, 100), view("a", "r", 10, 50), view("b", "r", 30, 60), view("c", "r", 90, 200)
    )
    assert {"r": 40.0, "a": 40.0, "b": 30.0, "c": 110.0} == self_times_ms(trace)


def test_errors_are_grouped_by_type_and_span():
    exception = EventView("exception", None, {"exception.type": "ValueError"}, 0)
    trace = trace_of(
        view("1", None, 0, 1, name="call", status="ERROR", attributes={"error.type": "timeout"}),
        view("2", None, 0, 1, name="call", status="ERROR", attributes={"error.type": "timeout"}),
        view("3", None, 0, 1, name="call", status="ERROR", events=(exception,)),
        view("4", None, 0, 1, name="other", status="ERROR"),
    )
    found = [(group.type, group.span_name, group.count) for group in errors([trace])]
    assert [("timeout", "call", 2), ("ValueError", "call", 1), ("_OTHER", "other", 1)] == found


def test_percentiles_are_values_that_occurred():
    values = [float(n) for n in range(1, 101)]
    assert (50.0, 95.0, 99.0, 1.0) == tuple(percentile(values, p) for p in (50, 95, 99, 0))
    assert 7.0 == percentile([7.0], 99)


def test_stats_count_traces_in_the_window():
    traces = [trace_of(view("r", None, 0, n + 1), start_ms=n * 1000, status="ERROR") for n in range(5)]
    whole = stats(traces)
    assert (5, 5, 4.0, 1.25) == (whole.traces, whole.errors, whole.window_s, whole.traces_per_s)
    half = stats(traces, until=traces[2].start_time)
    assert (2, 1.0) == (half.traces, half.traces_per_s)
    assert ("r", 2, 1.0, 2.0) == (
        half.by_name[0].name,
        half.by_name[0].count,
        half.by_name[0].p50_ms,
        half.by_name[0].max_ms,
    )


def test_costs_are_summed_by_name_and_in_all():
    """Exactly as the decimals say; a name none of whose spans has a cost has none."""
    trace = trace_of(
        view("r", None, 0, 9, name="POST /v1/chat/completions"),
        *(view(str(n), "r", 0, n, name="chat", attributes={"gen_ai.usage.cost": 0.1}) for n in range(1, 11)),
    )

    summed = stats([trace])

    assert 1.0 == summed.cost_usd
    assert {"chat": 1.0, "POST /v1/chat/completions": None} == {
        one.name: one.cost_usd for one in summed.by_name
    }
