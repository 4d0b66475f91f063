"""What starts before the first request and ends after the last: tracing, the lag probe, garbage collector."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import AsyncExitStack
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import TracerProvider

from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.pipeline import Recorder, Runtime
from tollway.provider import Provider

_log = logging.getLogger(__name__)

TRACER_NAME = "tollway.gateway"

_LAG_EVERY_S = 0.25

_SWITCH_S = 0.0005
"""How long a thread that writes traces may keep requests from running; Python's own 5 ms were their p99."""

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
        tracer_provider: TracerProvider | None,
    ) -> None:
        self._config = config
        self._providers = providers
        self._runtime = runtime
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
            self._recorder.tracer = trace.get_tracer(TRACER_NAME)
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
            stack.push_async_callback(self._runtime.close)


def _close(provider: Provider) -> None:
    try:
        provider.close()
    except Exception:  # a plugin's fault must not keep the rest from closing
        _log.exception("the provider of endpoint %r could not be closed", provider.target.endpoint)
