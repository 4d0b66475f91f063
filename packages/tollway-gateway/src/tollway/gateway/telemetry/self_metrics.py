"""What became of traces and spans, on `/metrics` beside the requests they tell of.

The numbers are those of `tollway.tracing.stats`, read when somebody scrapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from tollway.tracing import Stats, stats

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
)

_GAUGES: tuple[tuple[str, str, Callable[[Stats], int]], ...] = (
    ("gateway_spans_held", "Spans that wait for the decision on their trace.", lambda now: now.held_spans),
    ("gateway_spans_queued", "Spans on their way to files and collectors.", lambda now: now.queued_spans),
)


class TracingCollector(Collector):
    """Gives tracing's numbers to a Prometheus registry."""

    def __init__(self, read: Callable[[], Stats] = stats) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """Yield every number as it is now."""
        now = self._read()
        for name, text, by_reason in _BY_REASON:
            family = CounterMetricFamily(name, text, labels=["reason"])
            for reason, number in by_reason(now).items():
                family.add_metric([reason], number)
            yield family
        for name, text, number_of in _COUNTERS:
            yield CounterMetricFamily(name, text, value=number_of(now))
        for name, text, number_of in _GAUGES:
            yield GaugeMetricFamily(name, text, value=number_of(now))

    def describe(self) -> Iterable[Metric]:
        """Yield nothing: registering reads no numbers."""
        return ()
