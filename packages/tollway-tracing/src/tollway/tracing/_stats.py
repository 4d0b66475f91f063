"""Self-telemetry: what became of every trace and span, in one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from opentelemetry import trace as otel
from opentelemetry.sdk.trace import TracerProvider as SDKTracerProvider

from ._private.sdk import processors_of
from .engine import TracerProvider
from .otlp import BatchProcessor, OTLPExporter
from .receiving import receiver
from .store import FileStoreProcessor


@dataclass(frozen=True, slots=True)
class Stats:
    """Numbers since the start (or the last `configure`); `held_spans` and `queued_spans` are of this
    moment.
    """

    started_spans: int = 0
    kept_traces: Mapping[str, int] = field(default_factory=dict)
    """By reason: ratio, slow, error, parent, forced, collector."""
    dropped_traces: Mapping[str, int] = field(default_factory=dict)
    """By reason: unpicked, shutdown."""
    dropped_spans: Mapping[str, int] = field(default_factory=dict)
    """By reason: unpicked, late, evicted, parent, shutdown (undecided then, or left behind by a store or an
    exporter that was not done in time); and queue, what a full queue or store refused. Spans that came by
    OTLP are among them, and `rejected` are those that were none.
    """
    held_spans: int = 0
    queued_spans: int = 0
    exported_spans: int = 0
    failed_spans: int = 0
    """Given up after all retries."""
    export_retries: int = 0
    written_spans: int = 0
    failed_writes: int = 0
    """Times that the disk refused; what it refused is tried again."""
    dropped_index_rows: int = 0
    """Rows that the indexes of a store lack, because they could not be written for too long."""

    @property
    def evicted_spans(self) -> int:
        """Spans that undecided traces lost because memory is bounded."""
        return self.dropped_spans.get("evicted", 0)


def stats() -> Stats:
    """Return what the global provider's tracing did so far."""
    provider = otel.get_tracer_provider()
    processors = processors_of(provider) if isinstance(provider, SDKTracerProvider) else ()
    batches = [p for p in processors if isinstance(p, BatchProcessor)]
    stores = [p for p in processors if isinstance(p, FileStoreProcessor)]
    exporters = [p.span_exporter for p in batches if isinstance(p.span_exporter, OTLPExporter)]
    refused = sum(p.dropped_spans for p in batches) + sum(p.counts.dropped_spans for p in stores)
    left = sum(p.left_spans for p in batches) + sum(p.left_spans for p in stores)
    counts = provider.counts if isinstance(provider, TracerProvider) else None
    dropped = {} if counts is None else dict(counts.dropped)
    if (received := receiver()) is not None:
        for reason, spans in received.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + spans
    if left:
        dropped["shutdown"] = dropped.get("shutdown", 0) + left
    return Stats(
        started_spans=0 if counts is None else counts.started,
        kept_traces={} if counts is None else dict(counts.kept),
        dropped_traces={} if counts is None else dict(counts.dropped_traces),
        dropped_spans={**dropped, "queue": refused},
        held_spans=provider.held_spans if isinstance(provider, TracerProvider) else 0,
        queued_spans=sum(p.queued_spans for p in batches) + sum(p.queued_spans for p in stores),
        exported_spans=sum(p.exported_spans for p in batches),
        failed_spans=sum(p.failed_spans for p in batches),
        export_retries=sum(exporter.counts.retries for exporter in exporters),
        written_spans=sum(p.counts.written_spans for p in stores),
        failed_writes=sum(p.counts.failed_writes for p in stores),
        dropped_index_rows=sum(p.counts.dropped_rows for p in stores),
    )
