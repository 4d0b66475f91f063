"""The application: the pipeline's path table first, the control plane for every other path."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import TracerProvider

from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.control import create_control_app
from tollway.gateway.guard.memory import MemoryBudget
from tollway.gateway.pipeline import (
    Parts,
    Paths,
    Pipeline,
    Recorder,
    Surroundings,
    destinations_of,
    providers_of,
    wire,
)
from tollway.gateway.telemetry import Metrics, TracingCollector
from tollway.gateway.upstream import HTTP1Client
from tollway.provider import Provider

_log = logging.getLogger(__name__)

_TRACER_NAME = "tollway.gateway"

_THREADS = 32
"""Plain `predict` calls that run at the same time; more of them wait."""

_CAPTURE_VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"

_LAG_EVERY_S = 0.25

_SWITCH_S = 0.0005
"""How long a thread that writes traces may keep requests from running; Python's own 5 ms were their p99."""

_GC_ALLOCATIONS = 10_000
"""Objects after which Python looks for cycles: its own 700 are those of a few dozen requests in flight."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Message, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Share:
    """What the workers of one gateway have in common: a folder; and which of them this one is."""

    folder: str
    worker: int


@dataclass(frozen=True, slots=True)
class Sources:
    """Where time and chance come from; tests bring their own. The first two clocks are monotonic."""

    clock_ns: Callable[[], int] = time.monotonic_ns
    clock_s: Callable[[], float] = time.perf_counter
    now_s: Callable[[], int] = lambda: int(time.time())
    random: Callable[[], float] = random.random
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex


def create_app(
    config: GatewayConfig,
    *,
    providers: Mapping[str, Provider] | None = None,
    control: ASGIApp | None = None,
    tracer_provider: TracerProvider | None = None,
    environ: Mapping[str, str] = os.environ,
    sources: Sources | None = None,
    share: Share | None = None,
) -> Gateway:
    """Build the gateway of a config; what is wrong with a provider is raised here.

    `providers` (by endpoint name) stand in for those that the config names. With a `tracer_provider` the
    spans go there, and tracing is left as it is. With a `share` its limits and metrics are those of all
    workers.

    Raises:
        PluginError: a provider that the config names is not installed, or does not import.
    """
    sources = sources or Sources()
    made = dict(providers_of(config) if providers is None else providers)
    threads = ThreadPoolExecutor(_THREADS, "tollway-predict")
    client = HTTP1Client(environ)
    surroundings = Surroundings(threads, sources.new_id, sources.now_s)
    parts = Parts(client, surroundings, sources.clock_ns, None if share is None else share.folder)
    destinations = destinations_of(wire(config, made, parts), config.routes, sources.random)
    metrics = Metrics() if share is None else Metrics(share.folder, share.worker)
    tracing_numbers = TracingCollector(metrics)
    recorder = Recorder(
        metrics,
        trace.get_tracer(_TRACER_NAME, tracer_provider=tracer_provider),
        sources.clock_s,
        capture_content=_captures_content(config, environ),
        slow_s=None if config.tracing.slow_threshold_ms is None else config.tracing.slow_threshold_ms / 1000,
    )
    lifetime = Lifetime(config, made, client, threads, recorder, tracer_provider)
    if share is not None:
        lifetime.publish = tracing_numbers.publish
    if control is None:
        control = create_control_app(
            config, metrics=metrics.render, ready=lifetime.is_ready, tracer_provider=tracer_provider
        )
    memory = MemoryBudget(config.server.max_buffered_bytes, metrics.cells, metrics.buffered_bytes)
    pipeline = Pipeline(recorder, config.server, memory)
    return Gateway(Paths(destinations), pipeline, control, lifetime, metrics)


class Gateway:
    """The ASGI application."""

    def __init__(
        self, paths: Paths, pipeline: Pipeline, control: ASGIApp, lifetime: Lifetime, metrics: Metrics
    ) -> None:
        self.metrics = metrics
        self._paths = paths
        self._pipeline = pipeline
        self._control = control
        self._lifetime = lifetime

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection's scope: a request, or the application's own lifespan."""
        if scope["type"] == "lifespan":
            await self._lifetime.serve(receive, send)
            return
        entrance = self._paths.find(scope["path"]) if scope["type"] == "http" else None
        if entrance is None:
            await self._control(scope, receive, send)
        else:
            await self._pipeline.serve(entrance, scope, receive, send)


class Lifetime:
    """What starts before the first request and ends after the last."""

    def __init__(
        self,
        config: GatewayConfig,
        providers: Mapping[str, Provider],
        client: HTTP1Client,
        threads: ThreadPoolExecutor,
        recorder: Recorder,
        tracer_provider: TracerProvider | None,
    ) -> None:
        self._config = config
        self._providers = providers
        self._client = client
        self._threads = threads
        self._recorder = recorder
        self._own_tracing = tracer_provider is None
        self._ready = False
        self._lag_timer: asyncio.TimerHandle | None = None
        self.publish: Callable[[], None] | None = None
        """Lets other workers see this one's numbers of tracing: a few times a second, and at the end."""

    def is_ready(self) -> bool:
        """Say whether requests are to be sent here."""
        return self._ready

    async def serve(self, receive: Receive, send: Send) -> None:
        """Speak ASGI's lifespan protocol."""
        await receive()
        try:
            self._start()
        except Exception as error:
            # A setting of the environment that cannot be used says all in its message.
            _log.error("the gateway does not start: %s", error, exc_info=not isinstance(error, ValueError))
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._stop()
        await send({"type": "lifespan.shutdown.complete"})

    def _start(self) -> None:
        if self._own_tracing:
            from tollway import tracing

            settings = self._config.tracing
            tracing.configure(
                service_name=settings.service_name,
                sampling_rate=settings.sampling_rate,
                slow_threshold_ms=settings.slow_threshold_ms,
                store=settings.store,
                otlp=None if settings.otlp is None else settings.otlp.endpoint,
                otlp_headers=None if settings.otlp is None else settings.otlp.headers,
            )
            self._recorder.tracer = trace.get_tracer(_TRACER_NAME)
        # What was made so far stays: the collector need not look at it again, nor stop requests for it.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GC_ALLOCATIONS)
        sys.setswitchinterval(_SWITCH_S)
        self._look_at_lag(asyncio.get_running_loop())
        self._ready = True

    def _look_at_lag(self, loop: asyncio.AbstractEventLoop) -> None:
        """Note how much later than asked for the event loop comes back, again and again."""
        due_s = loop.time() + _LAG_EVERY_S

        def look() -> None:
            self._recorder.metrics.lagged(max(0.0, loop.time() - due_s))
            self._look_at_lag(loop)
            if self.publish is not None:
                self.publish()

        self._lag_timer = loop.call_at(due_s, look)

    async def _stop(self) -> None:
        """End everything, each part even when the one before it fails."""
        self._ready = False
        if self._lag_timer is not None:
            self._lag_timer.cancel()
        async with AsyncExitStack() as stack:
            if self.publish is not None:
                stack.callback(self.publish)
            if self._own_tracing:
                from tollway import tracing

                stack.push_async_callback(asyncio.to_thread, tracing.flush)
            for provider in self._providers.values():
                stack.callback(_close, provider)
            stack.callback(self._threads.shutdown, wait=False, cancel_futures=True)
            stack.push_async_callback(self._client.close)


def _close(provider: Provider) -> None:
    try:
        provider.close()
    except Exception:  # a plugin's fault must not keep the rest from closing
        _log.exception("the provider of endpoint %r could not be closed", provider.target.endpoint)


def _captures_content(config: GatewayConfig, environ: Mapping[str, str]) -> bool:
    asked = environ.get(_CAPTURE_VARIABLE, "").strip().lower()
    return config.tracing.capture_content or asked in ("span_only", "span_and_event", "true")
