"""What starts before the first request and ends after the last: tracing, the lag probe, garbage collector."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import TracerProvider

from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.guard.calls import CallLimits
from tollway.gateway.pipeline import Recorder, Runtime
from tollway.provider import Provider

from .closing import Closing

_log = logging.getLogger(__name__)

TRACER_NAME = "tollway.gateway"

_LAG_EVERY_S = 0.25

_SWITCH_S = 0.0005
"""How long a thread that writes traces may keep requests from running; Python's own 5 ms were their p99."""

_LAST_ANSWERS_S = 1.0
"""For the answers to requests that were cut off."""

_MARGIN_S = 0.1
"""Tracing ends its own wait so much earlier, and counts what it leaves behind."""

_GC_ALLOCATIONS = 10_000
"""Objects after which Python looks for cycles: its own 700 are those of a few dozen requests in flight."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Lifetime:
    """What starts before the first request and ends after the last."""

    def __init__(
        self,
        config: GatewayConfig,
        providers: Mapping[str, Provider],
        runtime: Runtime,
        recorder: Recorder,
        calls: CallLimits,
        tracer_provider: TracerProvider | None,
    ) -> None:
        self._config = config
        self._providers = providers
        self._runtime = runtime
        self._recorder = recorder
        self._calls = calls
        self._own_tracing = tracer_provider is None
        self._ready = False
        self._lag_timer: asyncio.TimerHandle | None = None
        self._closing = Closing(runtime.threads, config.server.drain_timeout_s)
        self.publish: Callable[[], None] | None = None
        """Lets other workers see this one's numbers of tracing: a few times a second, and at the end."""

    def end_within(self, left_s: Callable[[], float]) -> None:
        """Let a server say how much time is left for the end, in seconds."""
        self._closing.left_s = left_s

    def left_behind(self) -> str:
        """Say what has not ended; empty when all has."""
        metrics = self._recorder.metrics
        counts = {
            "requests cut off": self._recorder.cut_off,
            "requests in flight": int(metrics.cells[metrics.in_flight]),
            "predict calls that still run": self._calls.taken,
        }
        found = [f"{what}: {count}" for what, count in counts.items() if count]
        if self._closing.unclosed:
            found.append(f"not closed: {' and '.join(self._closing.unclosed)}")
        return ", ".join(found)

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

            settings, store = self._config.tracing, self._config.tracing.store
            tracing.configure(
                service_name=settings.service_name,
                sampling_rate=settings.sampling_rate,
                slow_threshold_ms=settings.slow_threshold_ms,
                store=None if store is None else tracing.FileStore(store.path, file_mode=store.file_mode),
                otlp=None if settings.otlp is None else settings.otlp.endpoint,
                otlp_headers=None if settings.otlp is None else settings.otlp.headers,
            )
            self._recorder.tracer = trace.get_tracer(TRACER_NAME)
        # What was made so far stays: the collector need not look at it again, nor stop requests for it.
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

    def _is_idle(self) -> bool:
        metrics = self._recorder.metrics
        return not metrics.cells[metrics.in_flight]

    async def _stop(self) -> None:
        """End everything, each part even when the one before it fails or hangs."""
        self._ready = False
        if self._lag_timer is not None:
            self._lag_timer.cancel()
        runtime, closing = self._runtime, self._closing
        await closing.wait_until(self._is_idle, _LAST_ANSWERS_S)
        await closing.wait_for("the connections to models", runtime.client.close())
        await closing.close_providers(self._providers.values())
        if self._own_tracing:
            from tollway import tracing

            await closing.run("tracing", lambda: tracing.shutdown(max(0.0, closing.left_s() - _MARGIN_S)))
        if self.publish is not None:
            self.publish()
        runtime.threads.close()
