"""The provider that stands wherever the SDK's may stand."""

from __future__ import annotations

import atexit
import concurrent.futures.thread  # noqa: F401 - its fork hook must be there before the SDK's, which uses a pool
import os
import weakref
from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace import Tracer as SDKTracer
from opentelemetry.sdk.trace import TracerProvider as SDKTracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NoOpTracer
from opentelemetry.trace import Tracer as APITracer
from opentelemetry.util.types import Attributes

from tollway.tracing._ending import end_with_process, retire, shut_down
from tollway.tracing._private import sdk
from tollway.tracing._worker import SHUTDOWN_S
from tollway.tracing.sampling import RatioSlowSampler

from ._clock import Clock
from ._ids import RandomIds
from ._meter import Meter
from ._tracer import Tracer
from .counts import Counts
from .engine_core import Engine


class TracerProvider(SDKTracerProvider):
    """OpenTelemetry's provider with our spans; takes the SDK's arguments, and one of our samplers.

    With a `RatioSlowSampler` whole traces are held until they are decided. With any other sampler (or none:
    then the environment chooses, as the specification says) it behaves as the SDK's provider does.

    clock: where times come from. timer: False leaves it to the caller to call `tick`, as tests do.
    shutdown_timeout_s: how long the end of the program waits for processors of ours that are behind.
    """

    def __init__(  # noqa: PLR0913 - the SDK's, and keywords
        self,
        sampler: Sampler | None = None,
        resource: Resource | None = None,
        shutdown_on_exit: bool = True,
        active_span_processor: Any = None,
        id_generator: IdGenerator | None = None,
        span_limits: Any = None,
        *,
        clock: Clock | None = None,
        timer: bool = True,
        shutdown_timeout_s: float = SHUTDOWN_S,
        **rest: Any,
    ) -> None:
        super().__init__(
            sampler,
            resource,
            False,  # the end of the program is heard of below
            active_span_processor,
            id_generator or RandomIds(),
            span_limits,
            **rest,
        )
        own = self.sampler if isinstance(self.sampler, RatioSlowSampler) else None
        metrics = None if own is None else sdk.metrics_of(self)
        self.engine = Engine(
            sdk.active_processor(self),
            own,
            clock or Clock(),
            with_timer=timer,
            meter=None if metrics is None else Meter(metrics),
        )
        self._adopted: list[SpanProcessor] = []
        self._shutdown_timeout_s = shutdown_timeout_s
        self._ends_at_exit = shutdown_on_exit
        self._is_registered = False
        self._end_at_exit()
        end_with_process(self)
        reference = weakref.ref(self)

        def after_in_child() -> None:
            if (provider := reference()) is not None:
                provider.engine.after_fork()
                end_with_process(provider)

        os.register_at_fork(after_in_child=after_in_child)

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> APITracer:
        """Return the tracer of an instrumentation scope, the same one for the same scope."""
        if sdk.is_disabled(self):
            return NoOpTracer()
        name, version = instrumenting_module_name or "", instrumenting_library_version or ""
        scope = InstrumentationScope(name, version, schema_url, attributes)
        return sdk.tracer_of(self, scope, lambda: self._tracer(scope))

    def _tracer(self, scope: InstrumentationScope) -> Tracer:
        tracer = sdk.new_tracer(Tracer, self, scope)
        tracer.bind(self.engine)
        return tracer

    @property
    def counts(self) -> Counts:
        """What became of its traces and spans."""
        return self.engine.counts

    @property
    def held_spans(self) -> int:
        """Spans that wait for the decision on their trace."""
        return sum(len(local.held or ()) for local in list(self.engine.open))

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Add a processor; spans that run already end at it too."""
        super().add_span_processor(span_processor)
        self.engine.look_at_processors()

    def tick(self) -> None:
        """Look at the time: what has become slow while it runs is kept from now on. The timer does this by
        itself.
        """
        self.engine.tick()

    def shutdown(self, timeout_s: float | None = None) -> None:
        """Decide what is open by what is known, pass it on, and shut the processors down.

        Ours take no longer than timeout_s together, `shutdown_timeout_s` where it is not given; spans that
        they leave behind are counted and logged.
        """
        self.engine.shutdown()
        shut_down(sdk.processors_of(self), self._shutdown_timeout_s if timeout_s is None else timeout_s)
        if self._is_registered:
            atexit.unregister(self.shutdown)
            self._is_registered = False

    def _end_at_exit(self) -> None:
        if self._ends_at_exit and not self._is_registered:
            atexit.register(self.shutdown)
            self._is_registered = True

    def adopt_processors(self, processors: Sequence[SpanProcessor]) -> None:
        """Add processors that a later `adopt` replaces; those that others add stay."""
        self._adopted = list(processors)
        for processor in processors:
            self.add_span_processor(processor)

    def adopt(
        self,
        sampler: Sampler | None,
        resource: Resource,
        processors: Sequence[SpanProcessor],
        **rest: Any,
    ) -> None:
        """Change the policy, the resource and the adopted processors; tracers that are in use go on.

        Open traces are decided by what is known; the processors that go are flushed and shut down.
        """
        fresh = type(self)(sampler, resource, **{**rest, "shutdown_on_exit": False})
        adopted = self._adopted
        others = [processor for processor in sdk.processors_of(self) if processor not in adopted]
        fresh.adopt_processors(processors)
        for processor in others:
            fresh.add_span_processor(processor)
        old = self.engine

        def bind(tracer: SDKTracer) -> None:
            assert isinstance(tracer, Tracer)
            tracer.bind(self.engine)

        sdk.take_over(self, fresh, ("engine", "_adopted", "_shutdown_timeout_s"), bind)
        old.shutdown()
        old.hand_over(self.engine)
        retire(adopted, self._shutdown_timeout_s)
        self._end_at_exit()  # it may have been shut down before, and lives again
