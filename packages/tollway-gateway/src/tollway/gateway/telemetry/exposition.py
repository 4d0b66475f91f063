"""Metrics as Prometheus reads them. Imported at the first scrape: `prometheus_client` is slow to import."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from .counter_file import Key
from .metrics import COUNTERS, GAUGES, HISTOGRAMS, Family, InvalidAcceptError, Metrics


def registry_of(metrics: Metrics) -> CollectorRegistry:
    """Return a registry of the metrics and of what their `sources` add."""
    registry = CollectorRegistry()
    registry.register(_Reader(metrics))
    return registry


def render(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Return the exposition and its content type, as an Accept header asks. Raises InvalidAcceptError."""
    try:
        encode, content_type = choose_encoder(accept)
    except Exception as error:  # it splits and indexes, and raises whatever comes of that
        raise InvalidAcceptError(f"cannot read the Accept header {accept[:100]!r}") from error
    return encode(registry), content_type


class _Reader(Collector):
    """Makes Prometheus' families of the numbers, when somebody scrapes."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def describe(self) -> Iterable[Metric]:
        """Yield nothing: registering reads no numbers."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Yield every metric as it is now."""
        yield from self._own()
        for source in self._metrics.sources:
            yield from source()

    def _own(self) -> Iterable[Metric]:
        totals = self._metrics.totals()
        for family in COUNTERS:
            counter = CounterMetricFamily(family.name, family.help, labels=family.labels)
            for values, numbers in _rows(totals, family):
                counter.add_metric(values, numbers[0] / family.per)
            yield counter
        for family in HISTOGRAMS:
            histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
            for values, numbers in _rows(totals, family):
                histogram.add_metric(values, self._buckets(family, values, numbers), numbers[-1])
            yield histogram
        for family in GAUGES:
            gauge = GaugeMetricFamily(family.name, family.help, labels=family.labels)
            for values, numbers in _rows(totals, family):
                gauge.add_metric(values, numbers[0])
            yield gauge

    def _buckets(
        self, family: Family, values: tuple[str, ...], numbers: list[float]
    ) -> list[tuple[str, float] | tuple[str, float, Exemplar]]:
        buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
        count = 0.0
        for index, bound in enumerate((*family.buckets, float("inf"))):
            count += numbers[index]
            exemplar = self._metrics.exemplar((family.name, *values), index)
            le = floatToGoString(bound)  # type: ignore[no-untyped-call]  # it has no annotations
            buckets.append((le, count) if exemplar is None else (le, count, _shown(*exemplar)))
        return buckets


def _rows(totals: dict[Key, list[float]], family: Family) -> Iterable[tuple[tuple[str, ...], list[float]]]:
    for key, numbers in totals.items():
        if key[0] == family.name:
            yield tuple(map(str, key[1:])), numbers


def _shown(trace_id: str, value: float, time_s: float) -> Exemplar:
    return Exemplar({"trace_id": trace_id}, value, time_s)
