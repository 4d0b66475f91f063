"""The batching span processor for exporters: bounded, counted, and off the program's path."""

import logging
import time
from collections.abc import Callable, Sequence

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tollway.tracing._worker import SHUTDOWN_S, Clock, SpanWorker, Wait, wait_for

from ._sources import is_sampled

_logger = logging.getLogger(__name__)


class _Sender:
    """The sink: cuts what it gets into batches and gives them to the exporter."""

    def __init__(self, exporter: SpanExporter, max_batch_spans: int) -> None:
        self.exporter = exporter
        self.max_batch_spans = max_batch_spans
        self.exported = 0
        self.failed = 0
        self.held_spans = 0
        """Spans that were taken, and are neither exported nor given up."""
        self._stopped = False

    def consume(self, spans: list[ReadableSpan], *, flush: bool) -> bool:
        """Export all of it; a batch that fails is counted, and the next one still tried."""
        succeeded = True
        self.held_spans += len(spans)
        for start in range(0, len(spans), self.max_batch_spans):
            if self._stopped:
                return False
            batch = spans[start : start + self.max_batch_spans]
            succeeded &= self._export(batch)
            self.held_spans -= len(batch)
        return succeeded

    def stop(self) -> None:
        """Begin no further batch than the one that is being exported."""
        self._stopped = True

    def _export(self, batch: list[ReadableSpan]) -> bool:
        try:
            sent = self.exporter.export(batch) is SpanExportResult.SUCCESS
        except Exception:
            _logger.exception("the exporter %s raised", type(self.exporter).__name__)
            sent = False
        if sent:
            self.exported += len(batch)
        else:
            self.failed += len(batch)
        return sent

    def after_fork(self) -> None:
        """Count from nothing; close the connection that the parent still speaks on."""
        self.exported = self.failed = self.held_spans = 0
        self._stopped = False
        _close(self.exporter)

    def close(self) -> None:
        """Close the exporter."""
        self.exporter.shutdown()
        _close(self.exporter)


def _close(exporter: SpanExporter) -> None:
    close: Callable[[], None] | None = getattr(exporter, "close", None)
    if close is not None:
        close()


class BatchProcessor(SpanProcessor):
    """Sends sampled spans to any SDK exporter in batches, from a thread of its own.

    `on_end` costs a queue append. When the queue is full the newest spans are dropped and counted.
    """

    def __init__(
        self,
        exporter: SpanExporter,
        *,
        max_queue_spans: int = 65_536,
        max_batch_spans: int = 2_048,
        interval_s: float = 1.0,
        clock: Clock = time.monotonic,
        wait: Wait = wait_for,
    ) -> None:
        if max_batch_spans < 1:
            raise ValueError("max_batch_spans must be positive")
        self._sender = _Sender(exporter, max_batch_spans)
        self._worker = SpanWorker(
            self._sender,
            name="tollway-export",
            max_queue_spans=max_queue_spans,
            interval_s=interval_s,
            clock=clock,
            wait=wait,
        )

    @property
    def span_exporter(self) -> SpanExporter:
        """The exporter, under the SDK's name for it."""
        return self._sender.exporter

    @property
    def exported_spans(self) -> int:
        """Spans that the exporter took."""
        return self._sender.exported

    @property
    def failed_spans(self) -> int:
        """Spans that the exporter did not get out."""
        return self._sender.failed

    @property
    def dropped_spans(self) -> int:
        """Spans that found the queue full, or came after shutdown."""
        return self._worker.dropped

    @property
    def left_spans(self) -> int:
        """Spans that a shutdown left behind because its time was over."""
        return self._worker.left

    @property
    def queued_spans(self) -> int:
        """Spans that wait."""
        return self._worker.queued

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span, if it is sampled."""
        if is_sampled(span):
            self._worker.put(span)

    def on_end_all(self, spans: Sequence[ReadableSpan]) -> None:
        """Queue the sampled ones of a trace's spans, all or none."""
        self._worker.put_all(filter(is_sampled, spans))

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Export everything that has ended; return whether that succeeded in time."""
        return self._worker.flush(timeout_millis / 1000)

    def begin_shutdown(self) -> None:
        """Take no more spans, and begin to export those that are there; `shutdown` waits for it."""
        self._worker.begin_shutdown()

    def shutdown(self, timeout_millis: int = round(SHUTDOWN_S * 1000)) -> None:
        """Export what is queued, at most so long, and stop. After the time a waiting retry is cut short, and
        what is left is counted and logged.
        """
        if not self._worker.shutdown(timeout_millis / 1000):
            self._sender.exporter.shutdown()
