"""What became of traces and spans, on `/metrics` beside the requests they tell of.

The numbers are those of `tollway.tracing.stats`. Each worker copies its own to where all can read them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from tollway.tracing import Stats, stats

from .metrics import Metrics

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

_BY_REASON: tuple[tuple[str, str, Callable[[Stats], Mapping[str, int]]], ...] = (
    ("gateway_traces_kept", "Traces kept, by the reason for it.", lambda now: now.kept_traces),
    ("gateway_traces_dropped", "Traces not kept, by the reason for it.", lambda now: now.dropped_traces),
    ("gateway_spans_dropped", "Spans not kept, by the reason for it.", lambda now: now.dropped_spans),
)

_COUNTERS: tuple[tuple[str, str, Callable[[Stats], int]], ...] = (
    ("gateway_spans_started", "Spans started.", lambda now: now.started_spans),
    ("gateway_spans_exported", "Spans that a collector took.", lambda now: now.exported_spans),
    ("gateway_spans_export_failed", "Spans given up after all retries.", lambda now: now.failed_spans),
    ("gateway_spans_export_retries", "Exports tried again.", lambda now: now.export_retries),
    ("gateway_spans_written", "Spans written to the trace files.", lambda now: now.written_spans),
    ("gateway_trace_store_failures", "Times that the disk refused traces.", lambda now: now.failed_writes),
    (
        "gateway_trace_index_rows_dropped",
        "Rows that the trace indexes lack, because they could not be written for too long.",
        lambda now: now.dropped_index_rows,
    ),
)

_GAUGES: tuple[tuple[str, str, Callable[[Stats], int]], ...] = (
    ("gateway_spans_held", "Spans that wait for the decision on their trace.", lambda now: now.held_spans),
    ("gateway_spans_queued", "Spans on their way to files and collectors.", lambda now: now.queued_spans),
)

_NONE = (0.0,)


class TracingCollector:
    """Adds tracing's numbers to `metrics`: those of all workers, as each published them."""

    def __init__(self, metrics: Metrics, read: Callable[[], Stats] = stats) -> None:
        self._metrics = metrics
        self._read = read
        self._counted_before: dict[int, float] = {}
        """By cell: what the workers had counted whose place this one took."""
        self._gauges = {name: metrics.gauge(name) for name, _, _ in _GAUGES}
        metrics.sources.append(self.collect)

    def publish(self) -> None:
        """Copy this worker's numbers to where all workers read them."""
        now = self._read()
        for name, _, by_reason in _BY_REASON:
            for reason, number in by_reason(now).items():
                self._count(self._metrics.counter(name, reason), number)
        for name, _, number_of in _COUNTERS:
            self._count(self._metrics.counter(name), number_of(now))
        for name, _, number_of in _GAUGES:
            self._metrics.cells[self._gauges[name]] = number_of(now)

    def collect(self) -> Iterable[Metric]:
        """Yield every number: this worker's as it is now, the others' as they published it last."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        self.publish()
        totals = self._metrics.totals()
        for name, text, _ in _BY_REASON:
            family = CounterMetricFamily(name, text, labels=["reason"])
            for key, numbers in totals.items():
                if key[0] == name:
                    family.add_metric([str(key[1])], numbers[0])
            yield family
        for name, text, _ in _COUNTERS:
            yield CounterMetricFamily(name, text, value=totals.get((name,), _NONE)[0])
        for name, text, _ in _GAUGES:
            yield GaugeMetricFamily(name, text, value=totals.get((name,), _NONE)[0])

    def _count(self, cell: int, number: int) -> None:
        cells = self._metrics.cells
        cells[cell] = self._counted_before.setdefault(cell, cells[cell]) + number
