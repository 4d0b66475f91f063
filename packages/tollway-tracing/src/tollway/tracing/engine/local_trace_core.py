"""The part of one trace that runs under one local root, and what becomes of it.

Children find it through their parent span: no lock, no table. Its spans are held until the root has ended or
the trace has proved slow; then they all leave, or none was ever encoded. What may happen in several threads
at once is put right by the order of steps: an outcome is set before the held spans are taken, each span is
taken by one `pop`, and who held a span after that takes what is left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from opentelemetry.trace import StatusCode, TraceFlags, TraceState

from tollway.tracing.compiled import accept_proxies
from tollway.tracing.engine._constants import EVICTED_SPANS, KEPT_BECAUSE, KEPT_FLAGS

if TYPE_CHECKING:
    from .engine_core import Engine
    from .span_core import SpanCore


_MANY_SPANS = 1_024
"""Spans that are passed on together, past what the queues of processors hold."""


class LocalTrace:
    """Where the spans under one local root go.

    held: ended spans whose fate is open; None once it is decided, or when it never was open. reason: why the
    trace is kept; None while that is open, or when it is not ours to say. dropped: nothing of it is kept any
    more.
    """

    __slots__ = (
        "dropped",
        "engine",
        "evicted",
        "failed",
        "flags",
        "generation",
        "heavy_bytes",
        "held",
        "is_random",
        "offset_ns",
        "picked",
        "reason",
        "root",
        "trace_id",
        "trace_state",
    )

    engine: Engine
    generation: int
    trace_id: int
    is_random: bool
    flags: TraceFlags
    trace_state: TraceState
    offset_ns: int
    held: list[SpanCore] | None
    reason: str | None
    picked: bool
    root: SpanCore | None
    dropped: bool
    failed: bool
    evicted: int
    heavy_bytes: int

    def begin(  # noqa: PLR0913, PLR0917 - positional: this is called for every trace
        self,
        engine: Engine,
        trace_id: int,
        is_random: bool,
        flags: TraceFlags,
        trace_state: TraceState,
        offset_ns: int,
        held: list[SpanCore] | None,
        reason: str | None,
        picked: bool,
    ) -> None:
        """Fill it; who makes it calls this at once."""
        self.engine = engine
        self.generation = engine.generation
        self.trace_id = trace_id
        self.is_random = is_random
        self.flags = flags
        self.trace_state = trace_state
        self.offset_ns = offset_ns
        self.held = held
        self.reason = reason
        self.picked = picked
        self.root = None
        self.dropped = self.failed = False
        self.evicted = self.heavy_bytes = 0

    def now_ns(self) -> int:
        """Return the time, in Unix nanoseconds."""
        return self.engine.monotonic_ns() + self.offset_ns

    def weigh(self, heavy_bytes: int) -> None:
        """Count a large value against what undecided traces may hold."""
        if self.held is not None:
            self.heavy_bytes += heavy_bytes
            engine = self.engine
            engine.weigh(heavy_bytes)

    def ended(self, span: SpanCore) -> None:
        """Take an ended span: hold it, pass it on, or count it as dropped."""
        engine = self.engine
        if self.generation != engine.generation and not (
            self.dropped and self.generation == ~engine.generation
        ):
            return  # it belongs to the process that forked this one, which will end it too
        held = self.held
        if held is None:
            self._pass_on(span)
            return
        held.append(span)
        engine.held += 1
        if span is self.root:
            self.decide()
        if self.held is not held:  # decided: here, or in another thread just now
            if held:
                self._release(held)
        elif engine.held > engine.max_held_spans:
            engine.make_room()

    def _pass_on(self, span: SpanCore) -> None:
        if self.dropped and not self._revive(span):
            span._deferred = None
            self.engine.counts.dropped["late"] += 1
            return
        if span is self.root:
            if self.reason == "ratio" and (self.failed or self._is_slow(span)):
                self._certain()
            self._let_root_go(span)
        engine = self.engine
        engine.emit(span)

    def _is_slow(self, span: SpanCore) -> bool:
        slow_ns = self.engine.slow_ns
        assert span._end_time is not None
        return slow_ns is not None and span._end_time - span._start_time > slow_ns

    def _revive(self, span: SpanCore) -> bool:
        """Keep a failed span that comes after its trace was dropped, and what ends after it."""
        if span._status.status_code is not StatusCode.ERROR:
            return False
        self.generation = self.engine.generation
        self.dropped = False
        self.root = span  # the highest that is kept: it says why
        self.keep("error", True)
        return True

    def decide(self) -> None:
        """Decide by what is known when the local root has ended."""
        engine = self.engine
        if not self._take():
            return  # another thread was first
        root = self.root
        assert root is not None
        slow = self._is_slow(root)
        recent = engine.kept_from_elsewhere
        if self.picked or self.failed or slow:
            why = "ratio" if self.picked else "error" if self.failed else "slow"
            self.keep(why, slow or self.failed)
        elif recent and self.trace_id in recent:
            self.keep("parent", True)
        else:
            self.drop("unpicked")

    def promote(self, why: str) -> None:
        """Keep the trace from now on, while it still runs: it proved slow, or somebody asked for it."""
        if self._take():
            self.keep("ratio" if self.picked and why == "slow" else why, True)

    def _take(self) -> bool:
        """Take it from those that are not decided; False where another thread did."""
        undecided = self.engine.open
        return undecided.pop(self, self) is None

    def keep(self, why: str, certain: bool) -> None:
        """Let everything held go out, and what still comes; `certain` when no ratio had a say."""
        self.reason = why
        self.flags = KEPT_FLAGS[self.is_random]
        if certain:
            self._certain()
        elif self.trace_state is self.engine.held_state:
            self.trace_state = self.engine.picked_state
        engine = self.engine
        engine.noted_kept(self)
        held, self.held = self.held, None
        if held is not None:
            self._release(held)

    def _certain(self) -> None:
        """Note in the tracestate that the trace stands for itself alone: it would be kept at any ratio."""
        engine = self.engine
        self.trace_state = engine.certain_state(self.trace_state)

    def drop(self, why: str) -> None:
        """Forget everything held, and what still comes, unless it failed."""
        self.dropped = True
        self.generation = ~self.generation  # what starts below it from now on is decided apart
        self.engine.counts.dropped_traces[why] += 1
        held, self.held = self.held, None
        if held is not None:
            self._forget(held, why)
        self.root = None  # as `_let_root_go`

    def _forget(self, held: list[SpanCore], why: str) -> int:
        count = 0
        try:
            while held:
                span: SpanCore = held.pop()
                span._deferred = None  # what it holds may hold the span
                count += 1
        except IndexError:  # another thread took the last
            pass
        self.engine.held -= count
        self.engine.counts.dropped[why] += count
        return count

    def _release(self, held: list[SpanCore]) -> None:
        if self.dropped:
            self._forget(held, "late")
            return
        spans = []
        try:
            while held:
                spans.append(held.pop())
        except IndexError:  # another thread took the last
            pass
        engine = self.engine
        engine.held -= len(spans)
        spans.reverse()
        for span in spans:
            if span is self.root:
                self._let_root_go(span)
        if len(spans) < _MANY_SPANS:
            for span in spans:
                engine.emit(span)
        else:
            engine.emit_all(spans)

    def _let_root_go(self, root: SpanCore) -> None:
        """Say on it why the trace is kept, and forget it, which holds this: else only Python's collector
        would free the two.
        """
        self.root = None
        if self.reason is not None:
            attributes = root._own_attributes
            attributes[KEPT_BECAUSE] = self.reason
            if self.evicted:
                attributes[EVICTED_SPANS] = self.evicted

    def evict(self) -> None:
        """Give up what is held to make room: a picked trace goes out now, another loses its spans so far, and
        one without any is taken to be dropped.
        """
        if self.picked:
            if self._take():
                self.keep("ratio", False)
            return
        held = self.held
        if held is not None and not held:
            if self._take():
                self.drop("evicted")
        elif held is not None:
            self.evicted += self._forget(held, "evicted")
            self.heavy_bytes = 0


class MeteredTrace(LocalTrace):
    """One span that a sampler of the SDK decided on, whose end the SDK's own metrics count."""

    __slots__ = ("on_end",)

    on_end: Callable[[], None]

    def ended(self, span: SpanCore) -> None:
        """Count the end, and go on."""
        self.on_end()
        LocalTrace.ended(self, span)


accept_proxies(LocalTrace, MeteredTrace)
