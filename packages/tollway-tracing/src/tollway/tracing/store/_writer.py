"""The sink that fills a file store: groups spans by trace, and writes the groups that are done.

A group is done when its local root has ended, when the trace has been idle for long, or when somebody
flushes. When the disk refuses, groups wait in bounded memory and are tried again; each refusal is counted,
the first of a series is logged.
"""

import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tollway.tracing._worker import Clock
from tollway.tracing.otlp._sources import is_local_root, trace_id_of

from ._files import LinkError
from ._index import Entry, Rows
from ._maintenance import prune
from ._pending import PendingRows
from ._sealing import AutoSeal
from ._store import Ended, FileStore

_logger = logging.getLogger(__name__)

QUIET_SPANS = 100
"""A round with fewer is a quiet moment, in which journals become files."""

SETTLE_AFTER_S = 5.0
"""How long a journal grows before its traces become files."""

SETTLE_STEPS = 4
"""Of 64 traces each, in one quiet round."""

SEAL_FOR_S = 0.05
"""How long a quiet round seals."""

ADOPT_EVERY_S = 30.0
"""How often journals that ended processes left are looked for."""

CLOSE_S = 1.0
"""How long a shutdown makes files; what is left in journals becomes files at the next start."""


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
    dropped_rows: int = 0
    """Index rows lost because a bucket refused them for too long; `reindex` makes them again."""


@dataclass(slots=True)
class _Group:
    spans: list[Ended] = field(default_factory=list)
    touched_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What a writer prunes by itself, every so often; None keeps everything."""

    max_age_s: float | None = None
    max_bytes: int | None = None
    every_s: float = 3600.0
    seal_after_s: float | None = None
    """Days that ended so long ago are sealed."""

    @property
    def wanted(self) -> bool:
        """Whether there is a limit at all."""
        return self.max_age_s is not None or self.max_bytes is not None


class Writer:
    """See the module. Used by one thread; any other may ask it to stop."""

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
        self._sealing = AutoSeal(store, retention.seal_after_s)
        self._forget()

    def _forget(self) -> None:
        self._open: OrderedDict[int, _Group] = OrderedDict()  # least recently touched first
        self._done: deque[list[Ended]] = deque()
        self._rows = PendingRows(self.store.layout)
        self.held_spans = 0
        """Spans that were taken in, and are neither written nor given up."""
        self._refused = False
        self._linked = False
        self._stopped = False
        self._round_spans = 0
        self._unsettled_s: float | None = None
        self._adopted_s: float | None = None

    def after_fork(self) -> None:
        """Leave what is held to the parent, which writes it."""
        self.store.after_fork()
        self._forget()
        self._sealing = AutoSeal(self.store, self._retention.seal_after_s)
        self.counts = StoreCounts()

    def stop(self) -> None:
        """Write no further group than the one that is being written."""
        self._stopped = True

    def close(self) -> None:
        """Make files of what is in journals, as far as there is time, and let go of the rest."""
        self._sealing.close()
        until_s = self._clock() + CLOSE_S
        if self.store.makes_files and not self._stopped:
            try:
                self.store.retire_journals()
                while self._clock() < until_s and self.store.settle_step():
                    pass
            except OSError as error:
                self._refuse(error)
        self.store.close()

    def consume(self, spans: list[Ended], *, flush: bool) -> bool:
        """Take spans in and write what is done; with `flush`, all. Rows are written once a round."""
        now_s = self._clock()
        self._take(spans, now_s)
        self._close_groups(None if flush else now_s - self._idle_s)
        written = self._write()
        if flush or not spans or not written:
            written = self._write_rows() and written
            if written:
                self._note_working()
        self._bound()
        self._prune(now_s)
        self._round_spans += len(spans)
        if not spans and not flush:
            self._end_round(now_s)
        return written

    def _end_round(self, now_s: float) -> None:
        """Use a quiet moment: make files of what has been in journals for a while."""
        is_quiet, self._round_spans = self._round_spans < QUIET_SPANS, 0
        if is_quiet and not self._settle(now_s):
            self._seal(now_s)

    def _seal(self, now_s: float) -> None:
        """Seal a little of what is old enough."""
        until_s = now_s + SEAL_FOR_S
        while not self._stopped and self._sealing.step(now_s) and self._clock() < until_s:
            pass

    def _settle(self, now_s: float) -> bool:
        """Make files of what has been in journals for a while; return whether there is more of it."""
        try:
            if not self.store.makes_files:
                self.store.retire_journals(late=True)
                return False
            if self._adopted_s is None or now_s - self._adopted_s >= ADOPT_EVERY_S:
                self._adopted_s = now_s
                self.store.adopt()
            if self._unsettled_s is not None and now_s - self._unsettled_s >= SETTLE_AFTER_S:
                self._unsettled_s = None
                self.store.retire_journals()
            for _ in range(SETTLE_STEPS):
                if self._stopped or not self.store.settle_step():
                    return False
        except OSError as error:
            self._refuse(error)
        return True

    def _take(self, spans: list[Ended], now_s: float) -> None:
        """Group spans by trace. Those of one trace mostly come together, its local root last."""
        run: list[Ended] = []
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

    def _finish(self, trace_id: int | None, run: list[Ended]) -> None:
        if trace_id is None:
            return
        self.held_spans += len(run)
        group = self._open.pop(trace_id, None)
        self._done.append(run if group is None else group.spans + run)

    def _keep_open(self, trace_id: int | None, run: list[Ended], now_s: float) -> None:
        if trace_id is None or not run:
            return
        self.held_spans += len(run)
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
        """Write groups in order. A group leaves when the kernel has its bytes, or will never have them."""
        complete = True
        try:
            while self._done and not self._stopped:
                complete &= self._write_next()
        except OSError as error:
            self._refuse(error)
            return False
        return complete and not self._stopped

    def _write_next(self) -> bool:
        """Write the first groups, or give up the first one where it cannot be written for its own sake.

        Raises OSError for what holds up all of them.
        """
        try:
            self._note_written(*self.store.append(self._done))
            return True
        except LinkError as error:
            self._refuse_link(error)
        except OSError:
            raise
        except Exception:
            _logger.exception("cannot write a trace to %s", self.store.layout.root)
        self._drop(self._done.popleft())
        return False

    def _note_written(self, groups: int, entries: Iterable[Entry | Rows]) -> None:
        for _ in range(groups):
            spans = self._done.popleft()
            self.held_spans -= len(spans)
            self.counts.written_spans += len(spans)
        self.counts.written_traces += groups
        for entry in entries:
            self._rows.add(entry)
        if self._unsettled_s is None:
            self._unsettled_s = self._clock()

    def _write_rows(self) -> bool:
        """Write the rows of the traces written since the last time, and those that were refused before."""
        errors = self._rows.write()
        for error in errors:
            if isinstance(error, LinkError):
                self._refuse_link(error)
            else:
                self._refuse(error)
        self._note_dropped_rows()
        return not errors

    def _note_dropped_rows(self) -> None:
        if self._rows.dropped > self.counts.dropped_rows == 0:
            _logger.warning(
                "index rows of %s are lost: find their traces again with 'tollway traces reindex'",
                self.store.layout.root,
            )
        self.counts.dropped_rows = self._rows.dropped

    def _note_working(self) -> None:
        if self._refused:
            self._refused = False
            _logger.warning("writing traces to %s works again", self.store.layout.root)

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

    def _refuse_link(self, error: LinkError) -> None:
        """What a link stands in the way of is not kept: it would stand in the way of all that comes after."""
        self.counts.failed_writes += 1
        if not self._linked:
            self._linked = True
            _logger.error("traces of %s are lost: %s", self.store.layout.root, error)

    def _drop(self, spans: list[Ended]) -> None:
        self.held_spans -= len(spans)
        self.counts.dropped_spans += len(spans)

    def _bound(self) -> None:
        """Give up the oldest groups, finished ones first, while more is held than allowed."""
        while self.held_spans > self._max_held_spans and (self._done or self._open):
            self._drop(self._done.popleft() if self._done else self._open.popitem(last=False)[1].spans)

    def _prune(self, now_s: float) -> None:
        kept = self._retention
        if kept.wanted and now_s - self._pruned_s >= kept.every_s:
            self._pruned_s = now_s
            prune(self.store, max_age_s=kept.max_age_s, max_bytes=kept.max_bytes, now_s=self._now_s())
