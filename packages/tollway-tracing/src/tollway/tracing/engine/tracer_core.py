"""The tracer's way from a name to a running span."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, SamplingResult
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace import Span as APISpan

from tollway.tracing._deferred import Deferred
from tollway.tracing._private.sdk import NoOpTracerMetrics
from tollway.tracing._runtime import SPAN_KEY, get_current
from tollway.tracing.compiled import accept_proxies, unproxied
from tollway.tracing.engine._constants import HELD_FLAGS, KEPT_FLAGS, NO_STATE, UNSET
from tollway.tracing.engine._times import unix_ns
from tollway.tracing.engine._values import frozen_items, frozen_links, heavy, kind_of, name_of
from tollway.tracing.propagation import is_deferred, with_threshold
from tollway.tracing.sampling import ALL, NEVER, threshold_for

from .engine_core import Engine
from .local_trace_core import LocalTrace, MeteredTrace
from .span_core import SpanCore

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanLimits
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.sdk.util.instrumentation import InstrumentationInfo, InstrumentationScope

    from tollway.tracing._private.sdk import TracerMetricsT
    from tollway.tracing.engine._span import Span

_logger = logging.getLogger(__name__)

INTERNAL = SpanKind.INTERNAL
LOW_56_BITS = ALL - 1


class TracerCore:
    """What a tracer holds, and how it makes spans. Its provider fills it."""

    __slots__ = (
        "cuts_values",
        "engine",
        "has_random_ids",
        "id_generator",
        "instrumentation_info",
        "is_enabled",
        "limits",
        "max_attributes",
        "max_events",
        "max_links",
        "metrics",
        "new_span_id",
        "new_trace_id",
        "resource",
        "sampler",
        "scope",
        "span_bits",
        "span_type",
        "trace_bits",
    )

    engine: Engine
    span_type: type[Span]
    scope: InstrumentationScope
    instrumentation_info: InstrumentationInfo
    resource: Resource
    sampler: Sampler
    """Of the SDK: it decides where the engine has none of ours."""
    is_enabled: bool
    metrics: TracerMetricsT
    limits: SpanLimits
    max_attributes: float
    max_events: float
    max_links: float
    cuts_values: bool
    id_generator: IdGenerator
    has_random_ids: bool
    new_span_id: Callable[[], int]
    new_trace_id: Callable[[], int]
    span_bits: Callable[[], int]
    trace_bits: Callable[[], int]
    """Ids, but for a 0 once in an age, which is none."""

    def start_span(  # noqa: PLR0913, PLR0917 - the API's signature
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = (),
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        *,
        force: bool = False,
        sampling_ratio: float | None = None,
    ) -> APISpan:
        """Start a span, current for nobody yet; see OpenTelemetry's API.

        force: keep its whole trace. sampling_ratio: in place of the policy's, if the span is a root.
        """
        parent = (get_current() if context is None else context).get(SPAN_KEY)
        if parent is not None and type(parent) is not self.span_type:
            parent = unproxied(parent, SpanCore) or parent
        if isinstance(parent, SpanCore) and self._is_ours(parent):
            if not self.is_enabled:
                return NonRecordingSpan(parent.get_span_context())
            local, engine = parent._local, self.engine
            span = self._make(
                local,
                parent,
                name,
                kind,
                attributes,
                links,
                start_time,
                record_exception,
                set_status_on_exception,
            )
            if force and local.held is not None:
                local.promote("forced")
            if engine.starting:
                engine.tell_start(span, context)
            return span
        rest = (kind, attributes, links, start_time, record_exception, set_status_on_exception)
        threshold = None if sampling_ratio is None else _threshold_of(sampling_ratio)
        return self._start_apart(parent, name, context, rest, threshold, force)

    def _is_ours(self, parent: SpanCore) -> bool:
        """Return whether the span's trace is decided by this policy, in this process."""
        local, engine = parent._local, self.engine
        return local.engine is engine and local.generation == engine.generation and engine.sampler is not None

    def _make(  # noqa: PLR0913, PLR0917 - called for every span
        self,
        local: LocalTrace,
        parent: SpanCore | SpanContext | None,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None,
        links: Sequence[Link] | None,
        start_time: int | None,
        records: bool,
        sets_status: bool,
    ) -> Span:
        engine = local.engine
        engine.counts.started += 1
        span = SpanCore.__new__(self.span_type)
        span._tracer = self
        span._local = local
        span._span_id = self.span_bits() or self.new_span_id()
        span._parent_span = parent
        span._name = name if type(name) is str else name_of(name)
        span._kind = kind if type(kind) is SpanKind else kind_of(kind)
        span._own_attributes = {}
        if start_time is None:
            span._start_time = engine.monotonic_ns() + local.offset_ns  # `now_ns`, a call less
        else:
            span._start_time = unix_ns(start_time, local)
        span._on_exception = records + 2 * sets_status  # one slot, not two
        span._status = UNSET
        span._end_time = span._known_context = span._deferred = None
        span._raw_links = span._raw_events = span._dropped = None
        if type(attributes) is Deferred:
            span._deferred = [attributes]
            attributes = None
        if attributes or links:
            self._give(span, attributes, links)
        return span

    def _give(
        self, span: SpanCore, attributes: Mapping[str, Any] | None, links: Sequence[Link] | None
    ) -> None:
        """Set what a span begins with, within the limits."""
        if attributes:
            span._own_attributes = own = frozen_items(attributes)
            if len(own) > self.max_attributes:
                span.count_dropped(_cut_items(own, int(self.max_attributes)))
            local = span._local
            if local.held is not None and (heavy_bytes := heavy(own)):
                local.weigh(heavy_bytes)
        if links:
            span._raw_links = own_links = frozen_links(links)
            if len(own_links) > self.max_links:
                surplus = len(own_links) - int(self.max_links)
                del own_links[:surplus]
                span.count_dropped(0, 0, surplus)

    def _start_apart(
        self,
        parent: object,
        name: str,
        context: Context | None,
        rest: tuple[Any, ...],
        threshold: int | None,
        force: bool,
    ) -> APISpan:
        """Start a span whose parent is not a span of ours, or whose fate a sampler of the SDK decides."""
        engine = self.engine
        parent_context: SpanContext | None = None
        if parent is not None and isinstance(parent, APISpan):
            parent_context = parent.get_span_context()
            if not parent_context.is_valid:
                parent_context = None
            elif isinstance(parent, SpanCore) and parent._local.engine.generation != _born(parent):
                parent_context = _as_remote(parent_context)
        if not self.is_enabled:
            return NonRecordingSpan(parent_context)  # type: ignore[arg-type]  # None makes an invalid span
        if engine.sampler is None:
            return self._start_by_sampler(parent, parent_context, name, context, rest)
        local = self._root_of(parent, parent_context, threshold, force)
        if local is None:
            assert parent_context is not None
            engine.counts.dropped["parent"] += 1
            self.metrics.start_span(parent_context, Decision.DROP)
            trace_id, _, _, flags, state, _ = parent_context
            # A span id of its own, as the specification wants of spans that record nothing too.
            return NonRecordingSpan(SpanContext(trace_id, self.new_span_id(), False, flags, state))
        kind, attributes, links, start_time, records, sets_status = rest
        span = local.root = self._make(
            local, parent_context, name, kind, attributes, links, start_time, records, sets_status
        )
        engine = local.engine  # not the tracer's: a new setup may have come in between
        engine.opened(local)
        if engine.starting:
            engine.tell_start(span, context)
        return span

    def _root_of(
        self, parent: object, parent_context: SpanContext | None, threshold: int | None, force: bool
    ) -> LocalTrace | None:
        """Return the trace of a new local root as the policy says; None when its parent is not sampled."""
        if parent_context is None:
            return self._new_trace(threshold, force)
        if parent_context.trace_flags.sampled:
            return self._local(parent_context, KEPT_FLAGS, None, "parent")
        if force:
            return self._local(parent_context, KEPT_FLAGS, None, "forced")
        if is_deferred(parent_context.trace_state) or isinstance(parent, SpanCore):
            return self._local(parent_context, HELD_FLAGS, [], None)
        return None

    def _local(
        self,
        parent: SpanContext,
        flags: Sequence[TraceFlags],
        held: list[SpanCore] | None,
        reason: str | None,
    ) -> LocalTrace:
        engine = self.engine
        is_random = parent.trace_flags.random_trace_id
        state = parent.trace_state
        if reason == "forced":
            state = engine.certain_state(state)
        if reason is not None:
            engine.counts.kept[reason] += 1
        local = LocalTrace()
        local.begin(
            engine,
            parent.trace_id,
            is_random,
            flags[is_random],
            state,
            engine.wall_ns() - engine.monotonic_ns(),
            held,
            reason,
            False,
        )
        return local

    def _new_trace(self, threshold: int | None, force: bool) -> LocalTrace:
        engine = self.engine
        sampler = engine.sampler
        assert sampler is not None
        trace_id = self.trace_bits() or self.new_trace_id()
        is_random = self.has_random_ids
        reason: str | None = None
        held: list[SpanCore] | None = None
        state, flags = engine.picked_state, KEPT_FLAGS
        picked = False
        if force or sampler.mode == "collector":
            reason, state = "forced" if force else "collector", engine.certain_state(engine.held_state)
        else:
            if threshold is None:
                threshold = sampler.threshold
            else:
                state = with_threshold(NO_STATE, threshold) if threshold < NEVER else NO_STATE
            picked = (trace_id & LOW_56_BITS) >= threshold  # `is_picked`, a call less
            if threshold == 0:
                reason = "ratio"
            else:
                held = []
                if not picked:
                    state, flags = engine.held_state, HELD_FLAGS
        if reason is not None:
            engine.counts.kept[reason] += 1
        offset_ns = engine.wall_ns() - engine.monotonic_ns()
        local = LocalTrace()
        local.begin(engine, trace_id, is_random, flags[is_random], state, offset_ns, held, reason, picked)
        return local

    def _start_by_sampler(
        self,
        parent: object,
        parent_context: SpanContext | None,
        name: str,
        context: Context | None,
        rest: tuple[Any, ...],
    ) -> APISpan:
        """Start a span as the SDK does: its sampler is asked for every one."""
        ids, engine = self.id_generator, self.engine
        kind, attributes, links, start_time, records, sets_status = rest
        trace_id = ids.generate_trace_id() if parent_context is None else parent_context.trace_id
        result: SamplingResult = self.sampler.should_sample(context, trace_id, name, kind, attributes, links)
        is_random = (
            self.has_random_ids if parent_context is None else parent_context.trace_flags.random_trace_id
        )
        flags = (KEPT_FLAGS if result.decision is Decision.RECORD_AND_SAMPLE else HELD_FLAGS)[is_random]
        state = result.trace_state or NO_STATE
        done = self.metrics.start_span(parent_context, result.decision)
        if result.decision is Decision.DROP:
            return NonRecordingSpan(SpanContext(trace_id, self.new_span_id(), False, flags, state))
        offset_ns = (
            parent._local.offset_ns
            if isinstance(parent, SpanCore) and parent._local.engine is engine
            else engine.wall_ns() - engine.monotonic_ns()
        )
        metered = not isinstance(self.metrics, NoOpTracerMetrics)
        local = MeteredTrace() if metered else LocalTrace()
        local.begin(engine, trace_id, is_random, flags, state, offset_ns, None, None, False)
        if isinstance(local, MeteredTrace):
            local.on_end = done
        own_parent = parent if isinstance(parent, SpanCore) else parent_context
        span = self._make(
            local, own_parent, name, kind, result.attributes, links, start_time, records, sets_status
        )
        engine.opened(local)
        if engine.starting:
            engine.tell_start(span, context)
        return span


def _threshold_of(ratio: object) -> int | None:
    """Return the threshold of a ratio; None, with a warning, where it is none: the policy's own is used."""
    try:
        return threshold_for(ratio)  # type: ignore[arg-type]  # a wrong type raises TypeError
    except (TypeError, ValueError):
        _logger.warning("sampling_ratio is a number from 0 to 1, not %.100r: ignored", ratio)
        return None


def _born(span: SpanCore) -> int:
    """Return the generation of the process that a span runs in."""
    generation = span._local.generation
    return ~generation if generation < 0 else generation


def _as_remote(context: SpanContext) -> SpanContext:
    """Return the context of a span in the process that forked this one: what starts below it is this
    process's own part of the trace, as below any other remote parent.
    """
    return SpanContext(context.trace_id, context.span_id, True, context.trace_flags, context.trace_state)


def _cut_items(items: dict[str, Any], max_count: int) -> int:
    surplus = list(items)[max_count:]
    for key in surplus:
        del items[key]
    return len(surplus)


accept_proxies(TracerCore)
