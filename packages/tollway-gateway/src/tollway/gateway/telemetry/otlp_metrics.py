"""The measurements of `inference` by OTLP, made of this worker's cells at every export, on a thread.

Each worker exports its own, as a `service.instance.id` of its own: receivers add them up. One that takes the
place of a worker that died goes on with its cells, its id and its start, so nothing that was counted is lost.
https://opentelemetry.io/docs/specs/otel/metrics/data-model/
"""

from __future__ import annotations

import logging
import math
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tollway.tracing.semconv.genai import SCHEMA_URL
from tollway.tracing.signals import SignalExporter, key_values

from .inference import (
    DURATION_S,
    EMBEDDINGS,
    FIRST_CHUNK,
    FIRST_CHUNK_S,
    INFERENCE,
    PER_CHUNK,
    PER_CHUNK_S,
    USAGE,
    WHO,
)
from .metrics import Metrics

_log = logging.getLogger(__name__)

_SCOPE = "tollway.gateway"
_STARTED = "otlp_metrics_started"
"""The key of the cell that holds the Unix time, in seconds, from which a worker's cells count."""

_DELTA, _CUMULATIVE = 1, 2

_INTERVAL_S = 60.0

_HISTOGRAMS: Mapping[str, tuple[str, tuple[float, ...], tuple[str, ...]]] = {
    INFERENCE: ("Duration of calls of a model.", DURATION_S, ("error.type",)),
    EMBEDDINGS: ("Duration of calls of an embeddings model.", DURATION_S, ("error.type",)),
    FIRST_CHUNK: ("Wait for the first chunk of a stream.", FIRST_CHUNK_S, ()),
    PER_CHUNK: ("Wait for each further chunk of a stream.", PER_CHUNK_S, ()),
}
"""Description, bounds, and the attributes beside those of the model."""

_COUNTERS: Mapping[str, str] = {
    USAGE + "input_tokens": "Input tokens used, those from a cache included.",
    USAGE + "output_tokens": "Output tokens used, reasoning included.",
    USAGE + "cache_read.input_tokens": "Input tokens that came from the service's cache.",
    USAGE + "cache_write.input_tokens": "Input tokens written to the service's cache.",
    USAGE + "reasoning.output_tokens": "Output tokens used for reasoning.",
}

Numbers = list[float]
Rows = dict[tuple[str, ...], Numbers]


def interval_s(environ: Mapping[str, str]) -> float:
    """Return the seconds between two exports: `OTEL_METRIC_EXPORT_INTERVAL`, which is in milliseconds."""
    text = environ.get("OTEL_METRIC_EXPORT_INTERVAL", "").strip()
    if not text:
        return _INTERVAL_S
    try:
        found = float(text) / 1000
    except ValueError:
        found = math.nan
    if 0.01 <= found <= 86_400:
        return found
    _log.warning("OTEL_METRIC_EXPORT_INTERVAL is %r: set it to milliseconds, 10 or more; 60000 is used", text)
    return _INTERVAL_S


def is_delta(environ: Mapping[str, str]) -> bool:
    """Return whether only what is new is to be sent: OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE."""
    text = environ.get("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "").strip().lower()
    if text not in ("", "cumulative", "delta", "lowmemory"):
        _log.warning(
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE is %r: use cumulative, delta or lowmemory; "
            "cumulative is used",
            text,
        )
    return text in ("delta", "lowmemory")


class MetricsExport:
    """Exports what one worker measured: every so many seconds, and at the end.

    resource: its attributes. instance: the id of this worker among all. now_s: Unix time.
    """

    def __init__(
        self,
        metrics: Metrics,
        exporters: Sequence[SignalExporter],
        resource: Mapping[str, Any],
        instance: str | None = None,
        *,
        every_s: float = _INTERVAL_S,
        delta: bool = False,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._metrics = metrics
        self._every_s = every_s
        self._now_s = now_s
        started = metrics.counter(_STARTED)
        metrics.cells[started] = metrics.cells[started] or now_s()
        since_s = now_s() if delta else metrics.cells[started]
        before = self._rows() if delta else {}
        self._receivers = [_Receiver(one, since_s, before, is_delta=delta) for one in exporters]
        instance = instance or str(resource.get("service.instance.id") or uuid.uuid4())
        self._resource = {"attributes": key_values({**resource, "service.instance.id": instance})}
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="tollway-metrics", daemon=True)

    def start(self) -> None:
        """Begin to export."""
        self._thread.start()

    def export(self) -> bool:
        """Export what there is now; return whether all receivers took it."""
        with self._lock:
            rows, now_s = self._rows(), self._now_s()
            taken = [one.send(rows, now_s, self._resource) for one in self._receivers]
            return all(taken)

    def stop(self, timeout_s: float) -> None:
        """Export once more, and end; what takes longer than that is left."""
        self._stop.set()
        if not self._thread.is_alive():
            return
        self._thread.join(timeout_s)
        for one in self._receivers:
            one.exporter.stop()

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self._export()
        self._export()
        for one in self._receivers:
            one.exporter.close()

    def _export(self) -> None:
        try:
            self.export()
        except Exception:  # the next one may succeed
            _log.exception("the metrics could not be exported")

    def _rows(self) -> Rows:
        return {key: numbers for key, numbers in self._metrics.own_rows() if key[0].startswith("gen_ai.")}


class _Receiver:
    """What one receiver is sent; by deltas, what it did not take is part of the next."""

    def __init__(self, exporter: SignalExporter, since_s: float, before: Rows, *, is_delta: bool) -> None:
        self.exporter = exporter
        self._since_s = since_s
        self._before = before
        self._is_delta = is_delta

    def send(self, rows: Rows, now_s: float, resource: Mapping[str, Any]) -> bool:
        new = {key: minus(numbers, self._before.get(key)) for key, numbers in rows.items()}
        metrics = metrics_of(new, self._since_s, now_s, _DELTA if self._is_delta else _CUMULATIVE)
        if not metrics:
            return True
        scope = {"scope": {"name": _SCOPE}, "metrics": metrics, "schemaUrl": SCHEMA_URL}
        data = {"resourceMetrics": [{"resource": resource, "scopeMetrics": [scope], "schemaUrl": SCHEMA_URL}]}
        taken = self.exporter.send(data)
        if taken and self._is_delta:
            self._before, self._since_s = rows, now_s
        return taken


def minus(numbers: Numbers, before: Numbers | None) -> Numbers:
    """Return what was added to numbers."""
    return numbers if before is None else [now - then for now, then in zip(numbers, before, strict=True)]


def metrics_of(rows: Rows, since_s: float, now_s: float, temporality: int) -> list[dict[str, Any]]:
    """Return rows of cells as metrics of OTLP JSON, those of which nothing was counted left out."""
    times = {"startTimeUnixNano": str(round(since_s * 1e9)), "timeUnixNano": str(round(now_s * 1e9))}
    made = []
    for name, (description, bounds, more) in _HISTOGRAMS.items():
        points = [
            {**times, **_histogram(numbers, bounds), "attributes": _attributes(key, more)}
            for key, numbers in rows.items()
            if key[0] == name and any(numbers[:-1])
        ]
        if points:
            histogram = {"dataPoints": points, "aggregationTemporality": temporality}
            made.append({"name": name, "description": description, "unit": "s", "histogram": histogram})
    for name, description in _COUNTERS.items():
        points = [
            {
                **times,
                "asInt": str(round(numbers[0])),
                "attributes": _attributes(key, ("gen_ai.token.modality",)),
            }
            for key, numbers in rows.items()
            if key[0] == name and numbers[0]
        ]
        if points:
            total = {"dataPoints": points, "aggregationTemporality": temporality, "isMonotonic": True}
            made.append({"name": name, "description": description, "unit": "{token}", "sum": total})
    return made


def _histogram(numbers: Numbers, bounds: tuple[float, ...]) -> dict[str, Any]:
    counts = [round(number) for number in numbers[:-1]]
    return {
        "count": str(sum(counts)),
        "sum": numbers[-1],
        "bucketCounts": [str(count) for count in counts],
        "explicitBounds": list(bounds),
    }


def _attributes(key: tuple[str, ...], more: tuple[str, ...]) -> list[dict[str, Any]]:
    named = dict(zip((*WHO, *more), key[1:], strict=True))
    found: dict[str, Any] = {name: value for name, value in named.items() if value}
    if "server.port" in found:
        found["server.port"] = int(found["server.port"])
    return key_values(found)
