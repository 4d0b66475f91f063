"""The span processor that fills a file store, and never troubles the program that it watches.

`on_end` only queues. One thread groups spans by trace until their local root has ended, the trace has been
idle for long, or somebody flushes; then the store gets the whole group. When the disk refuses, groups wait in
bounded memory and are tried again; each refusal is counted, the first of a series is logged.
"""

import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from tollway.tracing._worker import Clock, Pace, SpanWorker, Wait, wait_for
from tollway.tracing.otlp._encode import is_sampled

from ._index import Entry, Rows
from ._maintenance import prune
from ._store import FileStore
from ._summary import is_local_root, trace_id_of

_logger = logging.getLogger(__name__)

_PACE = Pace(min_spans=8, max_spans=64, busy_spans=1_200, over_s=0.1, max_pause_s=0.004)
"""A few traces at a time where requests come one by one, so that none of them waits long.

Where there is more to write, requests wait for each other anyway, and fewer steps leave more time to all of
them (docs/decisions/0077).
"""


@dataclass
class StoreCounts:
    """What became of the spans; numbers only grow."""

    written_spans: int = 0
    written_traces: int = 0
    """Lines written, that is: a trace with late spans counts again."""
    dropped_spans: int = 0
    """Lost because memory is bounded: the queue was full, or the disk refused for too long."""
    failed_writes: int = 0
    """Times that the disk refused; what was refused is tried again."""


@dataclass(slots=True)
class _Group:
    spans: list[ReadableSpan] = field(default_factory=list)
    touched_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What a processor prunes by itself, every so often; None keeps everything."""

    max_age_s: float | None = None
    max_bytes: int | None = None
    every_s: float = 3600.0

    @property
    def wanted(self) -> bool:
        """Whether there is a limit at all."""
        return self.max_age_s is not None or self.max_bytes is not None


class _Writer:
    """The sink: groups spans by trace, and writes groups that are done. Used by one thread."""

    def __init__(
        self,
        store: FileStore,
        *,
        idle_s: float,
        max_held_spans: int,
        retention: Retention,
        clock: Clock,
        now_s: Callable[[], float],
    ) -> None:
        self.store = store
        self.counts = StoreCounts()
        self._idle_s = idle_s
        self._max_held_spans = max_held_spans
        self._retention = retention
        self._clock = clock
        self._now_s = now_s
        self._pruned_s = clock()
        self._forget()

    def _forget(self) -> None:
        self._open: OrderedDict[int, _Group] = OrderedDict()  # least recently touched first
        self._done: deque[list[ReadableSpan]] = deque()
        self._unindexed: list[Entry | Rows] = []
        self._held = 0
        self._refused = False

    def after_fork(self) -> None:
        """Leave what is held to the parent, which writes it."""
        self._forget()
        self.counts = StoreCounts()

    def close(self) -> None:
        """Nothing is held open between writes."""

    def consume(self, spans: list[ReadableSpan], *, flush: bool) -> bool:
        """Take spans in and write what is done; with `flush`, all. Rows are written once a round."""
        now_s = self._clock()
        self._take(spans, now_s)
        self._close_groups(None if flush else now_s - self._idle_s)
        written = self._write()
        if written and (flush or not spans):
            written = self._write_rows()
        self._bound()
        self._prune(now_s)
        return written

    def _take(self, spans: list[ReadableSpan], now_s: float) -> None:
        """Group spans by trace. Those of one trace mostly come together, its local root last."""
        run: list[ReadableSpan] = []
        trace_id = None
        for span in spans:
            if (own_id := trace_id_of(span)) != trace_id:
                self._keep_open(trace_id, run, now_s)
                trace_id, run = own_id, []
            run.append(span)
            if is_local_root(span):
                self._finish(trace_id, run)
                trace_id, run = None, []
        self._keep_open(trace_id, run, now_s)

    def _finish(self, trace_id: int | None, run: list[ReadableSpan]) -> None:
        if trace_id is None:
            return
        self._held += len(run)
        group = self._open.pop(trace_id, None)
        self._done.append(run if group is None else group.spans + run)

    def _keep_open(self, trace_id: int | None, run: list[ReadableSpan], now_s: float) -> None:
        if trace_id is None or not run:
            return
        self._held += len(run)
        group = self._open.setdefault(trace_id, _Group())
        group.spans += run
        group.touched_s = now_s
        self._open.move_to_end(trace_id)

    def _close_groups(self, older_than_s: float | None) -> None:
        while self._open:
            trace_id, group = next(iter(self._open.items()))
            if older_than_s is not None and group.touched_s > older_than_s:
                return
            del self._open[trace_id]
            self._done.append(group.spans)

    def _write(self) -> bool:
        """Write groups in order. A group leaves only when the kernel has its bytes."""
        try:
            while self._done:
                count, rows = self.store.write_usual(self._done)
                if count:
                    self._note_written(count, rows)
                else:
                    self._note_written(1, self.store.write_trace(self._done[0]))
        except OSError as error:
            self._refuse(error)
            return False
        except Exception:
            self._give_up_first()
            return False
        return True

    def _note_written(self, groups: int, entry: Entry | Rows | None) -> None:
        for _ in range(groups):
            spans = self._done.popleft()
            self._held -= len(spans)
            self.counts.written_spans += len(spans)
        self.counts.written_traces += groups
        if entry is not None:
            self._unindexed.append(entry)

    def _write_rows(self) -> bool:
        """Write the rows of the traces written since the last time."""
        try:
            if self._unindexed:
                self.store.write_index(self._unindexed)
                self._unindexed = []
        except OSError as error:
            self._refuse(error)
            return False
        if self._refused:
            self._refused = False
            _logger.warning("writing traces to %s works again", self.store.layout.root)
        return True

    def _refuse(self, error: OSError) -> None:
        self.counts.failed_writes += 1
        if not self._refused:
            self._refused = True
            _logger.warning(
                "cannot write traces to %s: %s (kept in memory up to %d spans, and tried again)",
                self.store.layout.root,
                error,
                self._max_held_spans,
            )

    def _give_up_first(self) -> None:
        """Drop the group that cannot be written for its own sake, so that it does not hold up the others."""
        _logger.exception("cannot write a trace to %s", self.store.layout.root)
        if self._done:
            lost = self._done.popleft()
            self._held -= len(lost)
            self.counts.dropped_spans += len(lost)

    def _bound(self) -> None:
        """Give up the oldest groups, finished ones first, while more is held than allowed."""
        while self._held > self._max_held_spans and (self._done or self._open):
            lost = self._done.popleft() if self._done else self._open.popitem(last=False)[1].spans
            self._held -= len(lost)
            self.counts.dropped_spans += len(lost)

    def _prune(self, now_s: float) -> None:
        kept = self._retention
        if kept.wanted and now_s - self._pruned_s >= kept.every_s:
            self._pruned_s = now_s
            prune(self.store, max_age_s=kept.max_age_s, max_bytes=kept.max_bytes, now_s=self._now_s())


class FileStoreProcessor(SpanProcessor):
    """Writes sampled spans of any provider to a `FileStore`, a trace at a time.

    `force_flush` returns True once every span ended before it is in the kernel's hands: it survives the death
    of the process (`kill -9`), not a power cut.

    max_queue_spans: spans between the program and the writer. max_held_spans: spans of unfinished traces, and
    of those that the disk refused. idle_s: a trace whose local root does not come is written after this long.
    max_age_s, max_bytes: retention, looked after hourly: whole days too old or beyond the size go.
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
        clock: Clock = time.monotonic,
        wait: Wait = wait_for,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self._writer = _Writer(
            store,
            idle_s=idle_s,
            max_held_spans=max_held_spans,
            retention=Retention(max_age_s=max_age_s, max_bytes=max_bytes),
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
        )

    @property
    def queued_spans(self) -> int:
        """Spans on their way to the writer."""
        return self._worker.queued

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span, if it is sampled."""
        if is_sampled(span):
            self._worker.put(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Write everything that has ended; return whether that was done in time."""
        return self._worker.flush(timeout_millis / 1000)

    def shutdown(self, timeout_millis: int = 30_000) -> None:
        """Write everything that has ended, and stop; later spans are counted as dropped."""
        self._worker.shutdown(timeout_millis / 1000)
