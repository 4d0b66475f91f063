"""Self-telemetry as OpenTelemetry metrics: the numbers of `stats`, observed when somebody reads them.

Names and units follow the SDK's own conventions where those have a word.
https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable

from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

from ._stats import Stats, stats

Rows = Iterable[tuple[int, dict[str, str]]]


def _by(numbers: dict[str, int], key: str) -> Rows:
    return [(number, {key: why}) for why, number in numbers.items()]


COUNTERS: dict[str, tuple[str, str, Callable[[Stats], Rows]]] = {
    "tollway.tracing.spans.started": ("{span}", "Spans started.", lambda now: [(now.started_spans, {})]),
    "tollway.tracing.traces.kept": (
        "{trace}",
        "Traces kept, by reason.",
        lambda now: _by(dict(now.kept_traces), "reason"),
    ),
    "tollway.tracing.spans.dropped": (
        "{span}",
        "Spans not kept, by reason.",
        lambda now: _by(dict(now.dropped_spans), "reason"),
    ),
    "tollway.tracing.spans.exported": (
        "{span}",
        "Spans that exporters took, and those given up after all retries.",
        lambda now: [
            (now.exported_spans, {"outcome": "exported"}),
            (now.failed_spans, {"outcome": "failed"}),
        ],
    ),
    "tollway.tracing.spans.written": (
        "{span}",
        "Spans written to the file store.",
        lambda now: [(now.written_spans, {})],
    ),
    "tollway.tracing.store.failures": (
        "{failure}",
        "Times that the disk refused a write.",
        lambda now: [(now.failed_writes, {})],
    ),
    "tollway.tracing.store.dropped_index_rows": (
        "{row}",
        "Index rows lost because they could not be written for too long.",
        lambda now: [(now.dropped_index_rows, {})],
    ),
}
"""Name to unit, description and the rows of a reading: numbers that only grow."""

GAUGES: dict[str, tuple[str, str, Callable[[Stats], Rows]]] = {
    "tollway.tracing.spans.held": (
        "{span}",
        "Spans that wait for the decision on their trace.",
        lambda now: [(now.held_spans, {})],
    ),
    "tollway.tracing.spans.queued": (
        "{span}",
        "Spans on their way to the store and the exporters.",
        lambda now: [(now.queued_spans, {})],
    ),
}
"""The same for numbers of this moment."""


_observed: weakref.WeakSet[MeterProvider] = weakref.WeakSet()


def observe(meter_provider: MeterProvider) -> None:
    """Have a meter provider read the numbers of the global tracer provider, at no cost until it does."""
    if meter_provider in _observed:
        return
    _observed.add(meter_provider)
    meter = meter_provider.get_meter("tollway.tracing")
    for name, (unit, description, rows) in COUNTERS.items():
        meter.create_observable_counter(name, [_callback(rows)], unit, description)
    for name, (unit, description, rows) in GAUGES.items():
        meter.create_observable_gauge(name, [_callback(rows)], unit, description)


def _callback(rows: Callable[[Stats], Rows]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def read(_: CallbackOptions) -> Iterable[Observation]:
        return [Observation(number, attributes) for number, attributes in rows(stats())]

    return read
