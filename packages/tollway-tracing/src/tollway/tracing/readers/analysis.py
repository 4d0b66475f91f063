"""Where the time of a trace went, and what a set of traces amounts to.

The critical path is the chain of spans that made the trace as long as it was. Walking back from a span's
end, the child that ended last is what it waited for; before that child's start, the child that had ended last
by then; in between, the span itself. (As in Jaeger's UI and in CRISP, USENIX ATC 2022.)
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil, fsum
from typing import Any

from tollway.tracing.semconv.genai import read

from .query import CALLER_KEYS, ENDPOINT_KEYS, MODEL_KEYS, SESSION_KEYS
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
    return {span.span_id: self_time_ms(span, trace.children(span)) for span in trace.spans}


def self_time_ms(span: SpanView, children: Sequence[SpanView]) -> float:
    """Return a span's time in which none of its children ran."""
    covered_ns, reached_ns = 0, span.start_ns
    for child in sorted(children, key=lambda child: child.start_ns):
        start_ns = max(child.start_ns, reached_ns)
        end_ns = min(child.end_ns, span.end_ns)
        if end_ns > start_ns:
            covered_ns += end_ns - start_ns
            reached_ns = end_ns
    return max(0, span.end_ns - span.start_ns - covered_ns) / NS_PER_MS


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
        cost_usd=cost_usd(span for spans in found.values() for span in spans),
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
        cost_usd(spans),
    )


def cost_usd(spans: Iterable[SpanView]) -> float | None:
    """Add up what spans say that they cost, in USD; None where none says it."""
    costs = [span.attributes.get(COST) for span in spans]
    known = [float(cost) for cost in costs if isinstance(cost, int | float)]
    return fsum(known) if known else None


def tokens_of(attributes: Mapping[str, Any]) -> dict[str, int | None] | None:
    """Return the `input` and `output` tokens of a call to a model; None where it has neither."""
    counts = {way: _count(read(attributes, f"gen_ai.usage.{way}_tokens")) for way in ("input", "output")}
    return counts if any(count is not None for count in counts.values()) else None


def tokens_in(spans: Iterable[SpanView]) -> dict[str, int | None] | None:
    """Add up the tokens of a trace, each call's once: frameworks tell of those of their children again."""
    counts = {span.span_id: (span.parent_id, tokens_of(span.attributes)) for span in spans}
    counted_below = {parent for parent, tokens in counts.values() if tokens is not None}
    calls = [tokens for one, (_, tokens) in counts.items() if tokens is not None and one not in counted_below]
    if not calls:
        return None
    return {way: _added(tokens[way] for tokens in calls) for way in ("input", "output")}


def _added(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _count(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile of ordered values: always one that occurred. Raises on none."""
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]


BY: Mapping[str, tuple[str, ...]] = {
    "session": SESSION_KEYS,
    "endpoint": ENDPOINT_KEYS,
    "model": MODEL_KEYS,
    "key": CALLER_KEYS,
}
"""What traces can be summed up by, and the attributes that say it."""


@dataclass(frozen=True, slots=True)
class GroupStats:
    """What the traces of one session, endpoint or key amount to; of a model, the calls to it."""

    name: str
    count: int
    errors: int
    p50_ms: float
    p95_ms: float
    max_ms: float
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None


def stats_by(traces: Iterable[Trace], by: str) -> tuple[GroupStats, ...]:
    """Return the groups of traces, those that took the most time in all first. Raises KeyError: see `BY`.

    What says nothing of what it is grouped by is in no group.
    """
    groups: dict[str, list[tuple[float, bool, list[SpanView]]]] = {}
    for trace in traces:
        items = [(trace.duration_ms, trace.status == "ERROR", list(trace.spans))]
        if by == "model":
            items = [(span.duration_ms, span.status == "ERROR", [span]) for span in trace.spans]
        for item in items:
            found = (span.attributes.get(key) for span in item[2] for key in BY[by])
            if (name := next((str(value) for value in found if value), None)) is not None:
                groups.setdefault(name, []).append(item)
    ranked = sorted(groups.items(), key=lambda group: -sum(item[0] for item in group[1]))
    return tuple(_group(name, items) for name, items in ranked)


def _group(name: str, items: Sequence[tuple[float, bool, list[SpanView]]]) -> GroupStats:
    durations = sorted(item[0] for item in items)
    tokens = [tokens_in(spans) or {"input": None, "output": None} for _, _, spans in items]
    return GroupStats(
        name,
        len(items),
        sum(failed for _, failed, _ in items),
        percentile(durations, 50),
        percentile(durations, 95),
        durations[-1],
        _added(one["input"] for one in tokens),
        _added(one["output"] for one in tokens),
        cost_usd(span for _, _, spans in items for span in spans),
    )
