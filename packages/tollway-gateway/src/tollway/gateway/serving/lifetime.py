"""What starts before the first request and ends after the last: tracing, the lag probe, garbage collector."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Literal

from opentelemetry import trace
from opentelemetry.trace import TracerProvider

from tollway.gateway.config.changes import ReloadResult
from tollway.gateway.config.values import OTLPConfig, TracingConfig
from tollway.gateway.pipeline import Recorder, Runtime
from tollway.gateway.resilience.breaker import State
from tollway.tracing.semconv.genai import SCHEMA_URL

from .closing import Closing
from .measuring import MetricsExport, metrics_export
from .snapshot import Snapshot, Snapshots
from .standby import Standby

_log = logging.getLogger(__name__)

TRACER_NAME = "tollway.gateway"

_TICK_S = 0.25

_RETIRE_S = 30.0
"""How long the parts of a configuration that is no longer served may take to close."""

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


Reload = Callable[[str], Awaitable[ReloadResult]]


class Lifetime:
    """What starts before the first request and ends after the last."""

    def __init__(
        self,
        snapshots: Snapshots,
        runtime: Runtime,
        recorder: Recorder,
        tracer_provider: TracerProvider | None,
    ) -> None:
        config = snapshots.current.config
        self._tracing = config.tracing
        self._snapshots = snapshots
        self._runtime = runtime
        self._recorder = recorder
        self._own_tracing = tracer_provider is None
        self._unready: str | None = "starting"
        self._timer: asyncio.TimerHandle | None = None
        self.standby = Standby(snapshots, runtime)
        self.reload: Reload | None = None
        """Reads the configuration again, for a reason, and serves by it; a server that has a file sets it."""
        self._retiring: set[asyncio.Task[None]] = set()
        self._metrics_export: MetricsExport | None = None
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
            "predict calls that still run": self._runtime.calls.taken,
        }
        found = [f"{what}: {count}" for what, count in counts.items() if count]
        if self._closing.unclosed:
            found.append(f"not closed: {' and '.join(self._closing.unclosed)}")
        return ", ".join(found)

    def unready(self) -> str | None:
        """Say in a word why requests are not to be sent here; None when they are.

        They are not either when no upstream can serve: when the circuit breaker of every one is open. The
        first whose time comes to be probed makes it ready again.
        """
        if self._unready is not None:
            return self._unready
        upstreams = self._snapshots.current.upstreams
        if upstreams and all(one.breaker.state is State.OPEN for one in upstreams):
            return "no_upstream_available"
        return None

    def drain(self) -> None:
        """Say from now on that no requests are to be sent here."""
        self._unready = "draining"

    async def serve(self, receive: Receive, send: Send) -> None:
        """Speak ASGI's lifespan protocol."""
        await receive()
        try:
            await self._runtime.limits.start()
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
            _configure_tracing(self._tracing)
            self._recorder.tracer = trace.get_tracer(TRACER_NAME, schema_url=SCHEMA_URL)
            self._metrics_export = metrics_export(_targets(self._tracing), self._runtime)
            self._recorder.measures = self._metrics_export is not None
        # What was made so far stays: the collector need not look at it again, nor stop requests for it.
        gc.freeze()
        gc.set_threshold(_GC_ALLOCATIONS)
        sys.setswitchinterval(_SWITCH_S)
        self._tick_after(asyncio.get_running_loop())
        self._unready = None

    def _tick_after(self, loop: asyncio.AbstractEventLoop) -> None:
        """A few times a second: note how late the loop comes back, and close what has drained."""
        due_s = loop.time() + _TICK_S

        def tick() -> None:
            self._recorder.metrics.lagged(max(0.0, loop.time() - due_s))
            self._tick_after(loop)
            for snapshot in self._snapshots.take_drained():
                closing = loop.create_task(self._retire(snapshot))
                self._retiring.add(closing)
                closing.add_done_callback(self._retiring.discard)
            if self.publish is not None:
                self.publish()

        self._timer = loop.call_at(due_s, tick)

    async def _retire(self, snapshot: Snapshot) -> None:
        """Close what one snapshot alone had, after its last request."""
        unclosed = await self.standby.close(snapshot, _RETIRE_S)
        if unclosed:
            _log.warning("%s not closed in %g s", " and ".join(unclosed), _RETIRE_S)

    def _is_idle(self) -> bool:
        metrics = self._recorder.metrics
        return not metrics.cells[metrics.in_flight]

    async def _stop(self) -> None:
        """End everything, each part even when the one before it fails or hangs."""
        self.drain()
        if self._timer is not None:
            self._timer.cancel()
        runtime, closing = self._runtime, self._closing
        await closing.wait_until(self._is_idle, _LAST_ANSWERS_S)
        await closing.wait_for("the configuration that was prepared", self.standby.abort())
        left = [*self._snapshots]
        for snapshot in left:
            await closing.wait_for("the connections to models", snapshot.client.close())
        await closing.wait_for("the limits' storage", runtime.limits.close())
        await closing.close_providers(dict.fromkeys(one for all_ in left for one in all_.providers.values()))
        if self._own_tracing:
            from tollway import tracing

            def left_s() -> float:
                return max(0.0, closing.left_s() - _MARGIN_S)

            if (metrics := self._metrics_export) is not None:
                await closing.run("the metrics", lambda: metrics.stop(left_s() / 2))
            await closing.run("tracing", lambda: tracing.shutdown(left_s()))
        if self.publish is not None:
            self.publish()
        await closing.wait_for("the budgets' storage", runtime.stop())
        await closing.run("the budgets", runtime.close)
        runtime.threads.close()


def _configure_tracing(settings: TracingConfig) -> None:
    from tollway import tracing

    store = settings.store
    tracing.configure(
        service_name=settings.service_name,
        sampling_rate=settings.sampling_rate,
        slow_threshold_ms=settings.slow_threshold_ms,
        store=store is not None
        and tracing.FileStore(store.path, layout=store.layout, file_mode=store.file_mode),
        store_seal_after_s=None if store is None else store.seal_after_s,
        otlp=_targets(settings),
    )


def _targets(settings: TracingConfig) -> list[dict[str, object]] | Literal[False] | None:
    return None if settings.otlp is None else [*map(_target, settings.otlp_targets)] or False


def _target(target: OTLPConfig) -> dict[str, object]:
    return {"endpoint": target.endpoint, "headers": target.headers, "dialect": target.dialect}
