"""The tracer: from a name to a running span, by the shortest way."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Tracer as SDKTracer
from opentelemetry.sdk.trace._tracer_metrics import NoOpTracerMetrics
from opentelemetry.sdk.trace.sampling import Decision, SamplingResult
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace import Span as APISpan

from tollway.tracing._deferred import Deferred
from tollway.tracing._runtime import SPAN_KEY, attach, detach, get_current
from tollway.tracing.propagation import is_deferred, with_threshold
from tollway.tracing.sampling import ALL, NEVER, threshold_for

from ._engine import NO_STATE, Engine
from ._ids import RandomIds
from ._local import HELD_FLAGS, KEPT_FLAGS, LocalTrace, MeteredTrace
from ._span import Span, frozen_links
from ._values import frozen_items, heavy

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanLimits

F = TypeVar("F", bound=Callable[..., Any])

INTERNAL = SpanKind.INTERNAL
LOW_56_BITS = ALL - 1


class Tracer(SDKTracer):
    """Makes spans of one instrumentation scope."""

    engine: Engine
    limits: SpanLimits

    def bind(self, engine: Engine) -> None:
        """Tie it to its provider's engine; called once, by the provider."""
        self.engine = engine
        self.scope = self._instrumentation_scope
        self.limits = limits = self._span_limits
        self.max_attributes = _or_endless(limits.max_span_attributes)
        self.max_events = _or_endless(limits.max_events)
        self.cuts_values = not (limits.max_span_attribute_length is limits.max_attribute_length is None)
        self.max_links = _or_endless(limits.max_links)
        ids = self.id_generator
        self.new_span_id = ids.generate_span_id
        self.span_bits = ids.span_bits if type(ids) is RandomIds else ids.generate_span_id

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
        engine = self.engine
        parent = (get_current() if context is None else context).get(SPAN_KEY)
        if (
            type(parent) is Span
            and parent._local.engine is engine
            and parent._local.generation == engine.generation
            and engine.sampler is not None
        ):
            if not self._tracer_config.is_enabled:
                return NonRecordingSpan(parent.get_span_context())
            local = parent._local
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
        threshold = None if sampling_ratio is None else threshold_for(sampling_ratio)
        return self._start_apart(parent, name, context, rest, threshold, force=force)

    def start_as_current_span(  # type: ignore[override]  # noqa: PLR0913, PLR0917 - the API's signature, without its generator
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = (),
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> CurrentSpan:
        """Return a context manager, and a decorator of plain and async functions; see OpenTelemetry's API."""
        return CurrentSpan(
            self,
            (name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception),
            end_on_exit,
        )

    def _make(  # noqa: PLR0913, PLR0917 - called for every span
        self,
        local: LocalTrace,
        parent: Span | SpanContext | None,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None,
        links: Sequence[Link] | None,
        start_time: int | None,
        record_exception: bool,
        set_status_on_exception: bool,
    ) -> Span:
        engine = self.engine
        engine.counts.started += 1
        span = Span(
            self,
            local,
            self.span_bits() or self.new_span_id(),
            parent,
            name,
            kind,
            engine.monotonic_ns() + local.offset_ns if start_time is None else start_time,
            record_exception,
            set_status_on_exception,
        )
        if attributes or links:
            self._give(span, attributes, links)
        return span

    def _give(self, span: Span, attributes: Mapping[str, Any] | None, links: Sequence[Link] | None) -> None:
        """Set what a span begins with, within the limits."""
        if type(attributes) is Deferred:
            span._deferred = [attributes]
        elif attributes:
            span._own_attributes = own = frozen_items(attributes)
            if len(own) > self.max_attributes:
                span.count_dropped(attributes=_cut_items(own, int(self.max_attributes)))
            local = span._local
            if local.held is not None and (heavy_bytes := heavy(own)):
                local.weigh(heavy_bytes)
        if links:
            span._raw_links = own_links = frozen_links(links)
            if len(own_links) > self.max_links:
                surplus = len(own_links) - int(self.max_links)
                del own_links[:surplus]
                span.count_dropped(links=surplus)

    def _start_apart(
        self,
        parent: object,
        name: str,
        context: Context | None,
        rest: tuple[Any, ...],
        threshold: int | None,
        *,
        force: bool,
    ) -> APISpan:
        """Start a span whose parent is not a span of ours, or whose fate a sampler of the SDK decides."""
        self.engine.look_at_processors()
        parent_context: SpanContext | None = None
        if parent is not None and isinstance(parent, APISpan):
            parent_context = parent.get_span_context()
            if not parent_context.is_valid:
                parent_context = None
        if not self._tracer_config.is_enabled:
            return NonRecordingSpan(parent_context)  # type: ignore[arg-type]
        if self.engine.sampler is None:
            return self._start_by_sampler(parent, parent_context, name, context, rest)
        local = self._root_of(parent, parent_context, threshold, force=force)
        if local is None:
            assert parent_context is not None
            self.engine.counts.dropped["parent"] += 1
            self._tracer_metrics.start_span(parent_context, Decision.DROP)
            trace_id, _, _, flags, state, _ = parent_context
            # A span id of its own, as the specification wants of spans that record nothing too.
            return NonRecordingSpan(SpanContext(trace_id, self.new_span_id(), False, flags, state))
        span = local.root = self._make(local, parent_context, name, *rest)
        if local.held is not None:
            local.engine.watch(local)  # not the tracer's: a new setup may have come in between
        if self.engine.starting:
            self.engine.tell_start(span, context)
        return span

    def _root_of(
        self, parent: object, parent_context: SpanContext | None, threshold: int | None, *, force: bool
    ) -> LocalTrace | None:
        """Return the trace of a new local root as the policy says; None when its parent is not sampled."""
        if parent_context is None:
            return self._new_trace(threshold, force=force)
        if parent_context.trace_flags.sampled:
            return self._local(parent_context, KEPT_FLAGS, held=None, reason="parent")
        if force:
            return self._local(parent_context, KEPT_FLAGS, held=None, reason="forced")
        if is_deferred(parent_context.trace_state) or isinstance(parent, Span):
            return self._local(parent_context, HELD_FLAGS, held=[], reason=None)
        return None

    def _local(
        self, parent: SpanContext, flags: Sequence[TraceFlags], *, held: list[Span] | None, reason: str | None
    ) -> LocalTrace:
        engine = self.engine
        is_random = parent.trace_flags.random_trace_id
        state = parent.trace_state
        if reason == "forced":
            state = engine.certain_state(state)
        if reason is not None:
            engine.counts.kept[reason] += 1
        return LocalTrace(
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

    def _new_trace(self, threshold: int | None, *, force: bool) -> LocalTrace:
        engine, ids = self.engine, self.id_generator
        sampler = engine.sampler
        assert sampler is not None
        trace_id = ids.generate_trace_id()
        is_random = ids.is_trace_id_random()
        reason: str | None = None
        held: list[Span] | None = None
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
        return LocalTrace(
            engine, trace_id, is_random, flags[is_random], state, offset_ns, held, reason, picked
        )

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
        kind, attributes, links = rest[:3]
        trace_id = ids.generate_trace_id() if parent_context is None else parent_context.trace_id
        result: SamplingResult = self.sampler.should_sample(context, trace_id, name, kind, attributes, links)
        is_random = (
            ids.is_trace_id_random() if parent_context is None else parent_context.trace_flags.random_trace_id
        )
        flags = (KEPT_FLAGS if result.decision is Decision.RECORD_AND_SAMPLE else HELD_FLAGS)[is_random]
        state = result.trace_state or NO_STATE
        done = self._tracer_metrics.start_span(parent_context, result.decision)
        if result.decision is Decision.DROP:
            return NonRecordingSpan(SpanContext(trace_id, self.new_span_id(), False, flags, state))
        offset_ns = (
            parent._local.offset_ns
            if type(parent) is Span and parent._local.engine is engine
            else engine.wall_ns() - engine.monotonic_ns()
        )
        kind_of_local = LocalTrace if isinstance(self._tracer_metrics, NoOpTracerMetrics) else MeteredTrace
        local = kind_of_local(engine, trace_id, is_random, flags, state, offset_ns, None, None, False)
        if isinstance(local, MeteredTrace):
            local.on_end = done
        own_parent = parent if type(parent) is Span else parent_context
        span = self._make(local, own_parent, name, kind, result.attributes, *rest[2:])
        if engine.starting:
            self.engine.tell_start(span, context)
        return span


class CurrentSpan:
    """Starts a span on entry and makes it current; ends it on exit. Also decorates functions."""

    __slots__ = ("_arguments", "_end_on_exit", "_span", "_token", "_tracer")

    def __init__(self, tracer: Tracer, arguments: tuple[Any, ...], end_on_exit: bool) -> None:
        self._tracer = tracer
        self._arguments = arguments
        self._end_on_exit = end_on_exit
        self._span: APISpan
        self._token: Token[Context]

    def __enter__(self) -> APISpan:
        self._span = span = self._tracer.start_span(*self._arguments)
        self._token = attach(Context(get_current(), **{SPAN_KEY: span}))  # `with_current`, a call less
        return span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_back: TracebackType | None
    ) -> None:
        detach(self._token)
        span = self._span
        if error is not None and isinstance(error, Exception) and type(span) is Span and span.is_recording():
            _, _, _, _, _, _, record, set_status = self._arguments
            span.note_exception(error, record=record, set_status=set_status)
        if self._end_on_exit:
            span.end()

    def __call__(self, function: F) -> F:
        """Decorate: each call is a span of its own."""
        tracer, arguments, end_on_exit = self._tracer, self._arguments, self._end_on_exit
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run(*args: Any, **kwargs: Any) -> Any:
                with CurrentSpan(tracer, arguments, end_on_exit):
                    return await function(*args, **kwargs)

            return cast("F", run)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with CurrentSpan(tracer, arguments, end_on_exit):
                return function(*args, **kwargs)

        return cast("F", call)


def _or_endless(limit: int | None) -> float:
    return float("inf") if limit is None else limit


def _cut_items(items: dict[str, Any], max_count: int) -> int:
    surplus = list(items)[max_count:]
    for key in surplus:
        del items[key]
    return len(surplus)
