"""Where the time of a trace went, and what a set of traces amounts to.

The critical path is the chain of spans that made the trace as long as it was. Walking back from a span's
end, the child that ended last is what it waited for; before that child's start, the child that had ended last
by then; in between, the span itself. (As in Jaeger's UI and in CRISP, USENIX ATC 2022.)
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil, fsum

from .views import NS_PER_MS, SpanView, Trace

COST = "gen_ai.usage.cost"
"""The attribute of what a call cost, in USD. No convention has one; this is the name that most tools read."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the critical path, spent in one span itself."""

    span: SpanView
    start_ns: int
    end_ns: int

    @property
    def duration_ms(self) -> float:
        """How long."""
        return (self.end_ns - self.start_ns) / NS_PER_MS


def latency_ms(trace: Trace) -> float:
    """Return the end-to-end latency: first start to last end, late asynchronous work included."""
    spans = trace.spans
    if not spans:
        return 0.0
    start_ns = min(span.start_ns for span in spans)
    return max(0, max(span.end_ns for span in spans) - start_ns) / NS_PER_MS


def critical_path(trace: Trace) -> tuple[Segment, ...]:
    """Return the segments, in order of time, that bound the root from its start to its end.

    Work that goes on after its parent ended (asynchronous) bounds nothing beyond that end, and a child is
    counted within its parent's time only. Of several roots (orphans) the longest is taken.
    """
    if not trace.roots:
        return ()
    root = max(trace.roots, key=lambda span: span.end_ns - span.start_ns)
    segments: list[Segment] = []
    # A stack, not recursion: agent traces can be deeper than Python's stack.
    pending = [(root, root.start_ns, root.end_ns)]
    while pending:
        span, start_ns, end_ns = pending.pop()
        for piece in _blocking(trace, span, start_ns, end_ns):
            if piece[0] is span:
                segments.append(Segment(*piece))
            else:
                pending.append(piece)
    return tuple(sorted(segments, key=lambda segment: segment.start_ns))


def _blocking(
    trace: Trace, span: SpanView, start_ns: int, end_ns: int
) -> Iterator[tuple[SpanView, int, int]]:
    """Yield what a span waited for within a stretch, last first: children, and itself in between."""
    moment_ns = end_ns
    for child in sorted(trace.children(span), key=lambda child: child.end_ns, reverse=True):
        child_end_ns = min(child.end_ns, end_ns)  # what outlives its parent held it up only until its end
        child_start_ns = max(child.start_ns, start_ns)
        if child_start_ns >= child_end_ns or child_end_ns > moment_ns:
            continue  # outside, or still running when the next link began: nobody waited for it
        if child_end_ns < moment_ns:
            yield span, child_end_ns, moment_ns
        yield child, child_start_ns, child_end_ns
        moment_ns = child_start_ns
    if moment_ns > start_ns:
        yield span, start_ns, moment_ns


def self_times_ms(trace: Trace) -> Mapping[str, float]:
    """Return, by span id, each span's time in which none of its children ran."""
    return {span.span_id: _self_ns(span, trace.children(span)) / NS_PER_MS for span in trace.spans}


def _self_ns(span: SpanView, children: Sequence[SpanView]) -> int:
    covered_ns, reached_ns = 0, span.start_ns
    for child in sorted(children, key=lambda child: child.start_ns):
        start_ns = max(child.start_ns, reached_ns)
        end_ns = min(child.end_ns, span.end_ns)
        if end_ns > start_ns:
            covered_ns += end_ns - start_ns
            reached_ns = end_ns
    return max(0, span.end_ns - span.start_ns - covered_ns)


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Failures of one kind in one kind of span."""

    type: str
    span_name: str
    count: int
    message: str
    """Of the first of them."""
    trace_ids: tuple[str, ...]


def errors(traces: Iterable[Trace]) -> tuple[ErrorGroup, ...]:
    """Return failed spans grouped by error type and span name, the most frequent first."""
    found: dict[tuple[str, str], list[SpanView]] = {}
    for trace in traces:
        for span in trace.spans:
            if span.status == "ERROR":
                found.setdefault((error_type(span), span.name), []).append(span)
    groups = [
        ErrorGroup(
            kind,
            name,
            len(spans),
            spans[0].status_message,
            tuple(dict.fromkeys(span.trace_id for span in spans)),
        )
        for (kind, name), spans in found.items()
    ]
    return tuple(sorted(groups, key=lambda group: (-group.count, group.type, group.span_name)))


def error_type(span: SpanView) -> str:
    """Return `error.type`, else the last recorded exception's type, else `_OTHER` (the convention's word)."""
    if kind := span.attributes.get("error.type"):
        return str(kind)
    for event in reversed(span.events):
        if event.name == "exception" and (kind := event.attributes.get("exception.type")):
            return str(kind)
    return "_OTHER"


@dataclass(frozen=True, slots=True)
class NameStats:
    """Durations of the spans of one name, in milliseconds, and what they cost: None where none says it."""

    name: str
    count: int
    errors: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Stats:
    """What a set of traces amounts to."""

    traces: int
    errors: int
    window_s: float
    by_name: tuple[NameStats, ...]
    """The names that took the most time in all first."""
    cost_usd: float | None = None
    """What the calls to models cost, as far as their spans say; None where none of them says."""

    @property
    def traces_per_s(self) -> float:
        """Throughput in the window; 0 where the window has no length."""
        return self.traces / self.window_s if self.window_s > 0 else 0.0


def stats(traces: Iterable[Trace], *, since: datetime | None = None, until: datetime | None = None) -> Stats:
    """Return throughput and durations of traces that started in the window (given: half-open [since, until)).

    A missing bound is that of the traces themselves: first start, last start.
    """
    chosen = [
        trace
        for trace in traces
        if (since is None or trace.start_time >= since) and (until is None or trace.start_time < until)
    ]
    starts = [trace.start_time for trace in chosen]
    first, last = since or min(starts, default=None), until or max(starts, default=None)
    found: dict[str, list[SpanView]] = {}
    for trace in chosen:
        for span in trace.spans:
            found.setdefault(span.name, []).append(span)
    ranked = sorted(found.items(), key=lambda item: -sum(span.duration_ms for span in item[1]))
    return Stats(
        traces=len(chosen),
        errors=sum(trace.status == "ERROR" for trace in chosen),
        window_s=(last - first).total_seconds() if first and last else 0.0,
        by_name=tuple(_name_stats(name, spans) for name, spans in ranked),
        cost_usd=_cost_usd(span for spans in found.values() for span in spans),
    )


def _name_stats(name: str, spans: Sequence[SpanView]) -> NameStats:
    durations = sorted(span.duration_ms for span in spans)
    return NameStats(
        name,
        len(spans),
        sum(span.status == "ERROR" for span in spans),
        percentile(durations, 50),
        percentile(durations, 95),
        percentile(durations, 99),
        durations[-1],
        _cost_usd(spans),
    )


def _cost_usd(spans: Iterable[SpanView]) -> float | None:
    """Add up what spans say that they cost, in USD."""
    costs = [span.attributes.get(COST) for span in spans]
    known = [float(cost) for cost in costs if isinstance(cost, int | float)]
    return fsum(known) if known else None


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile of ordered values: always one that occurred. Raises on none."""
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]
