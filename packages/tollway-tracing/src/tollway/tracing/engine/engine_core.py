"""What all tracers of one provider share: the clock, the policy, the processors, and the traces not yet
decided.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import SpanProcessor, SynchronousMultiSpanProcessor
from opentelemetry.trace import TraceState

from tollway.tracing._private.sdk import One, Several, ending_hooks, listens, processors_in
from tollway.tracing.compiled import accept_proxies
from tollway.tracing.engine._clock import Clock
from tollway.tracing.engine._constants import NO_STATE
from tollway.tracing.propagation import with_deferred, with_threshold
from tollway.tracing.sampling import ALL, RatioSlowSampler

from .counts import Counts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.context import Context

    from .local_trace_core import LocalTrace
    from .span_core import SpanCore

_logger = logging.getLogger(__name__)

SPAN_BYTES = 1_000
"""What a held span is taken to weigh, large values aside."""

_MAX_RECENT = 4_096
"""Traces from elsewhere whose late keeping is remembered, for their other local roots in this process."""

_IDLE_TICKS = 50
"""Ticks without an open trace after which the timer thread ends; the next held trace starts another."""


class Engine:
    """See the module. `sampler` is None where a sampler of the SDK decides."""

    def __init__(
        self,
        multi: SpanProcessor,
        sampler: RatioSlowSampler | None,
        clock: Clock,
        *,
        with_timer: bool = True,
        meter: SpanProcessor | None = None,
    ) -> None:
        self._meter = () if meter is None else (meter,)
        self.multi = multi
        self.wall_ns = clock.wall_ns
        self.monotonic_ns = clock.monotonic_ns
        self.sampler = sampler
        self.slow_ns = None if sampler is None else sampler.slow_ns
        self.max_held_spans = ALL if sampler is None else sampler.max_held_spans
        self.max_held_bytes = ALL if sampler is None else sampler.max_held_bytes
        threshold = 0 if sampler is None else sampler.threshold
        self.held_state = with_deferred(NO_STATE, True)
        self.picked_state = with_threshold(NO_STATE, threshold) if threshold < ALL else NO_STATE
        self._certain_state = with_threshold(NO_STATE, 0)
        self.generation = 0
        self._with_timer = with_timer
        # The SDK's sequence of processors is read anew each time: others add to it, some by its private name.
        self._several: Several = multi if type(multi) is SynchronousMultiSpanProcessor else One(multi)
        self._processors: Sequence[SpanProcessor] | None = None
        self.starting: tuple[SpanProcessor, ...] = ()
        self.ending: tuple[Callable[[SpanCore], None], ...] = ()
        self.ending_at: dict[SpanCore, int] = {}
        self._fresh()

    def _fresh(self) -> None:
        self.counts = Counts()
        self.open: dict[LocalTrace, None] = {}
        self.held = 0
        self._heavy_bytes = 0
        self.kept_from_elsewhere: dict[int, None] = {}
        self._timer: threading.Thread | None = None
        self._timer_lock = threading.Lock()
        self._stop = threading.Event()

    def after_fork(self) -> None:
        """Start clean in a child: spans that are open here belong to the parent, and end there."""
        self.generation += 1
        self._fresh()

    # --- processors ---

    def opened(self, local: LocalTrace) -> None:
        """Take note of a new trace: until it is decided, it is there for the timer and for shutdown."""
        if processors_in(self._several) is not self._processors:
            self.look_at_processors()
        if local.held is not None:
            undecided = self.open
            undecided[local] = None
            if len(undecided) > self.max_held_spans:
                self.make_room()
            if self._timer is None and self._with_timer:
                self._start_timer()

    def look_at_processors(self) -> None:
        """Sort out who wants to hear of starts and of endings: most processors do not."""
        self._processors = known = processors_in(self._several)
        told = (*self._meter, *known)
        self.starting = tuple([one for one in told if listens(one, "on_start")])
        self.ending = ending_hooks(told)

    def hand_over(self, other: Engine) -> None:
        """Pass what still ends here to the processors of another engine."""
        self._several = other._several
        self.look_at_processors()

    def emit_all(self, spans: list[SpanCore]) -> None:
        """Pass on the spans of a trace that is decided.

        Processors with a queue take all of them at once: they were held within a bound of their own, and the
        root is among the last.
        """
        processors = processors_in(self._several)
        together = [one for one in processors if _takes_all(one)]
        for span in spans:
            self.counts.kept_spans += 1
            span.resolve_attributes()
            for processor in processors:
                if processor not in together:
                    self._pass(processor, processor.on_end, span)
        for processor in together:
            self._pass(processor, processor.on_end_all, spans)  # type: ignore[attr-defined]  # `_takes_all`

    def emit(self, span: SpanCore) -> None:
        """Pass an ended span to every processor; one that raises costs itself this span only."""
        self.counts.kept_spans += 1
        span.resolve_attributes()
        for processor in processors_in(self._several):
            try:
                processor.on_end(span)  # type: ignore[arg-type]  # what a tracer makes is one
            except Exception:
                _logger.exception("the span processor %s raised", type(processor).__name__)

    @staticmethod
    def _pass(processor: SpanProcessor, on_end: Callable[[Any], None], ended: object) -> None:
        try:
            on_end(ended)
        except Exception:
            _logger.exception("the span processor %s raised", type(processor).__name__)

    def tell_start(self, span: SpanCore, context: Context | None) -> None:
        """Tell processors of a start; one that raises does not stop the program."""
        for processor in self.starting:
            try:
                processor.on_start(span, parent_context=context)  # type: ignore[arg-type]  # all but private
            except Exception:
                _logger.exception("the span processor %s raised", type(processor).__name__)

    def on_ending(self, span: SpanCore, end_time: int) -> bool:
        """Let processors change a span that is about to end; False where it is about to end already."""
        ending_at = self.ending_at
        if span in ending_at:
            return False
        ending_at[span] = end_time
        try:
            for hear in self.ending:
                try:
                    hear(span)
                except Exception:
                    _logger.exception("the span processor's %s raised", getattr(hear, "__qualname__", hear))
        finally:
            del ending_at[span]
        return True

    # --- decisions ---

    def certain_state(self, state: TraceState) -> TraceState:
        """Return a tracestate that says: this trace would have been kept at any ratio."""
        if state is self._certain_state or state is self.held_state or state is self.picked_state:
            return self._certain_state
        return with_threshold(with_deferred(state, False), 0)

    def noted_kept(self, local: LocalTrace) -> None:
        """Count a kept trace; remember one from elsewhere, for its other local roots."""
        self.counts.kept[local.reason or "ratio"] += 1
        if local.root is not None and local.root._parent_span is not None:
            recent = self.kept_from_elsewhere
            recent[local.trace_id] = None
            if len(recent) > _MAX_RECENT:
                with suppress(StopIteration, KeyError, RuntimeError):
                    del recent[next(iter(recent))]

    # --- memory ---

    def weigh(self, heavy_bytes: int) -> None:
        """Count a large value of an undecided trace."""
        self._heavy_bytes += heavy_bytes
        if self._heavy_bytes + self.held * SPAN_BYTES > self.max_held_bytes:
            self.make_room()

    def make_room(self) -> None:
        """Count what is really held, and take from the oldest traces what is too much, and a tenth more.

        A root that runs counts as a span: one that never ends must not stay for ever.
        """
        open_now = list(self.open)
        held = [1 + len(local.held or ()) for local in open_now]
        spans, heavy = sum(held), sum(local.heavy_bytes for local in open_now)
        if spans > self.max_held_spans or spans * SPAN_BYTES + heavy > self.max_held_bytes:
            for local, count in zip(open_now, held, strict=True):
                if (
                    spans <= self.max_held_spans * 0.9
                    and spans * SPAN_BYTES + heavy <= self.max_held_bytes * 0.9
                ):
                    break
                spans, heavy = spans - count + (count > 1 and not local.picked), heavy - local.heavy_bytes
                local.evict()
        left = list(self.open)  # of which other threads take some meanwhile
        self.held, self._heavy_bytes = sum(len(local.held or ()) for local in left), heavy

    # --- time ---

    def tick(self) -> None:
        """Keep what has become slow while it runs, and keep memory within its bounds."""
        slow_ns = self.slow_ns
        if slow_ns is not None:
            now_ns = self.monotonic_ns()
            for local in list(self.open):
                root = local.root
                if root is not None and now_ns + local.offset_ns - root._start_time > slow_ns:
                    local.promote("slow")
        if self.held or self._heavy_bytes:
            self.make_room()

    def _start_timer(self) -> None:
        with self._timer_lock:
            if self._timer is not None or self._stop.is_set():
                return
            timer = threading.Thread(target=self._run_timer, name="tollway-sampler", daemon=True)
            with suppress(RuntimeError):  # the interpreter ends: what is open is decided at its end
                timer.start()
                self._timer = timer

    def _run_timer(self) -> None:
        interval_s = 0.5 if self.slow_ns is None else min(0.5, max(0.01, self.slow_ns / 1e9 / 20))
        idle = 0
        while not self._stop.wait(interval_s):
            self.tick()
            idle = 0 if self.open else idle + 1
            if idle > _IDLE_TICKS:
                with self._timer_lock:
                    self._timer = None
                if not self.open:
                    return
                self._start_timer()  # a trace came in between
                return

    def shutdown(self) -> None:
        """Decide what is open by what is known: picked or failed traces go out, the rest is dropped and
        counted.
        """
        self._stop.set()
        self.tick()
        undecided = self.open
        for local in list(undecided):
            if undecided.pop(local, local) is not None:
                continue
            if local.picked or local.failed:
                local.keep("ratio" if local.picked else "error", local.failed)
            else:
                local.drop("shutdown")


def _takes_all(processor: SpanProcessor) -> bool:
    """Return whether a processor takes spans together, and nobody has put another `on_end` before that."""
    return {"on_end", "on_end_all"} <= vars(type(processor)).keys() and "on_end" not in vars(processor)


accept_proxies(Engine)
