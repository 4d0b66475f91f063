"""The span processor that fills a file store, and never troubles the program that it watches.

`on_end` only queues; one thread does the rest (`_writer.py`).
"""

import time
from collections.abc import Callable, Sequence

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from tollway.tracing._worker import SHUTDOWN_S, Clock, Pace, SpanWorker, Wait, wait_for
from tollway.tracing.otlp._sources import is_sampled
from tollway.tracing.records import Record

from ._store import FileStore
from ._writer import Retention, StoreCounts, Writer

_PACE = Pace(min_spans=8, max_spans=64, busy_spans=1_200, over_s=0.1, max_pause_s=0.004)
"""A few traces at a time where requests come one by one, so that none of them waits long.

Where there is more to write, requests wait for each other anyway, and fewer steps leave more time to all of
them (docs/decisions/0077).
"""


class FileStoreProcessor(SpanProcessor):
    """Writes sampled spans of any provider to a `FileStore`, a trace at a time.

    `force_flush` returns True once every span ended before it is in the kernel's hands: it survives the death
    of the process (`kill -9`), not a power cut.

    max_queue_spans: spans between the program and the writer. max_held_spans: spans of unfinished traces, and
    of those that the disk refused. idle_s: a trace whose local root does not come is written after this long.
    max_age_s, max_bytes: retention, looked after hourly: whole days too old or beyond the size go.
    seal_after_s: days that ended so long ago are sealed in quiet moments (`seal`).
    """

    def __init__(  # noqa: PLR0913 - keywords with defaults: a setting each
        self,
        store: FileStore,
        *,
        max_queue_spans: int = 65_536,
        max_held_spans: int = 100_000,
        idle_s: float = 30.0,
        interval_s: float = 0.2,
        max_age_s: float | None = None,
        max_bytes: int | None = None,
        seal_after_s: float | None = None,
        clock: Clock = time.monotonic,
        wait: Wait = wait_for,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self._max_queue_spans = max_queue_spans
        self._writer = Writer(
            store,
            idle_s=idle_s,
            max_held_spans=max_held_spans,
            retention=Retention(max_age_s=max_age_s, max_bytes=max_bytes, seal_after_s=seal_after_s),
            clock=clock,
            now_s=now_s,
        )
        self._worker = SpanWorker(
            self._writer,
            name="tollway-store",
            max_queue_spans=max_queue_spans,
            interval_s=interval_s,
            pace=_PACE,
            clock=clock,
            wait=wait,
        )

    @property
    def counts(self) -> StoreCounts:
        """What became of the spans so far."""
        counts = self._writer.counts
        return StoreCounts(
            written_spans=counts.written_spans,
            written_traces=counts.written_traces,
            dropped_spans=counts.dropped_spans + self._worker.dropped,
            failed_writes=counts.failed_writes,
            dropped_rows=counts.dropped_rows,
        )

    @property
    def left_spans(self) -> int:
        """Spans that a shutdown left behind because its time was over."""
        return self._worker.left

    @property
    def queued_spans(self) -> int:
        """Spans on their way to the writer."""
        return self._worker.queued

    @property
    def is_behind(self) -> bool:
        """Whether the queue is half full: whoever can wait should."""
        return self._worker.queued * 2 > self._max_queue_spans

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span, if it is sampled."""
        if is_sampled(span):
            self._worker.put(span)

    def on_end_all(self, spans: Sequence[ReadableSpan]) -> None:
        """Queue the sampled ones of a trace's spans, all or none."""
        self._worker.put_all(filter(is_sampled, spans))

    def put(self, record: Record) -> None:
        """Queue a span that came as OTLP."""
        self._worker.put(record)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Write everything that has ended; return whether that was done in time."""
        return self._worker.flush(timeout_millis / 1000)

    def shutdown(self, timeout_millis: int = round(SHUTDOWN_S * 1000)) -> None:
        """Write everything that has ended, at most so long, and stop; what is left is counted and logged.

        Later spans are counted as dropped.
        """
        self._worker.shutdown(timeout_millis / 1000)

    def begin_shutdown(self) -> None:
        """Take no more spans, and begin to write those that are there; `shutdown` waits for it."""
        self._worker.begin_shutdown()
