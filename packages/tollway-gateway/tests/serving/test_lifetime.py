"""What starts before the first request and ends after the last, by ASGI's lifespan protocol."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.trace import NoOpTracerProvider

from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.pipeline import Recorder, Runtime
from tollway.gateway.serving.lifetime import Lifetime
from tollway.gateway.serving.snapshot import Snapshots, build
from tollway.provider import BaseProvider, Target, Task

WAIT_S = 20.0


class Model(BaseProvider):
    def __init__(self, events: list[str]) -> None:
        super().__init__(Target("chat", Task.CHAT, "m"))
        self._events = events

    def predict(self, payload: object) -> str:
        return "ho"

    def close(self) -> None:
        self._events.append("provider closed")


@pytest.fixture(autouse=True)
def settings_of_the_process() -> Iterator[None]:
    """Put back what the start of a gateway sets for its whole process."""
    thresholds, interval_s = gc.get_threshold(), sys.getswitchinterval()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    sys.setswitchinterval(interval_s)


class Server:
    """A server that speaks lifespan, and notes in which order things happen."""

    def __init__(self, *, own_tracing: bool = False, **tracing: Any) -> None:
        self.events: list[str] = []
        self.runtime = Runtime({})
        endpoint = {"name": "chat", "endpoint_type": "llm/v1/chat", "model": {"provider": "own", "name": "m"}}
        config = GatewayConfig(endpoints=[endpoint], tracing={"store": None, **tracing})  # type: ignore[arg-type]  # pydantic converts
        tracers = NoOpTracerProvider()
        recorder = Recorder(self.runtime.metrics, tracers.get_tracer("test"), self.runtime.clock_s)
        snapshots = Snapshots(build(config, self.runtime, {"chat": Model(self.events)}), self.runtime.metrics)
        self.lifetime = Lifetime(snapshots, self.runtime, recorder, None if own_tracing else tracers)
        self.lifetime.publish = lambda: self.events.append("published")
        self._messages: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self.said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def start(self) -> dict[str, Any]:
        """Ask for the start; return what is said about it."""
        self._serving = asyncio.ensure_future(self.lifetime.serve(self._messages.get, self._send))  # type: ignore[arg-type]  # ASGI's types are looser
        self._messages.put_nowait({"type": "lifespan.startup"})
        return await asyncio.wait_for(self.said.get(), WAIT_S)

    async def stop(self) -> dict[str, Any]:
        """Ask for the end; return what is said about it."""
        self._messages.put_nowait({"type": "lifespan.shutdown"})
        said = await asyncio.wait_for(self.said.get(), WAIT_S)
        await self._serving
        return said

    async def _send(self, message: Any) -> None:
        self.events.append(message["type"])
        self.said.put_nowait(message)


def test_it_is_ready_between_start_and_stop() -> None:
    async def main() -> None:
        server = Server()
        assert "starting" == server.lifetime.unready()
        assert {"type": "lifespan.startup.complete"} == await server.start()
        assert server.lifetime.unready() is None
        assert {"type": "lifespan.shutdown.complete"} == await server.stop()
        assert "draining" == server.lifetime.unready()

    asyncio.run(main())


def test_what_it_holds_is_closed_before_the_stop_is_complete() -> None:
    """The numbers are published once more after the providers have closed."""

    async def main() -> None:
        server = Server()
        await server.start()
        server.events.clear()
        await server.stop()
        assert ["provider closed", "published", "lifespan.shutdown.complete"] == server.events
        assert "" == server.lifetime.left_behind()

    asyncio.run(main())


def test_a_setting_that_cannot_be_used_fails_the_start_in_its_words(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a traceback: the message says all. It never becomes ready."""

    def refuse(**settings: Any) -> None:
        raise ValueError("OTEL_BSP_MAX_QUEUE_SIZE must be a number")

    monkeypatch.setattr("tollway.tracing.configure", refuse)

    async def main() -> None:
        server = Server(own_tracing=True)
        said = await server.start()
        assert "lifespan.startup.failed" == said["type"]
        assert "OTEL_BSP_MAX_QUEUE_SIZE must be a number" in said["message"]
        assert "starting" == server.lifetime.unready()

    asyncio.run(main())
    (record,) = (one for one in caplog.records if one.levelno == logging.ERROR)
    assert not record.exc_info


def test_the_lag_of_the_event_loop_is_noted_until_the_stop() -> None:
    async def main() -> None:
        server = Server()
        noted: list[float] = []
        ticked = asyncio.Event()

        def note(lag_s: float) -> None:
            noted.append(lag_s)
            ticked.set()

        server.runtime.metrics.lagged = note  # type: ignore[method-assign]  # a stand-in
        await server.start()
        await asyncio.wait_for(ticked.wait(), WAIT_S)
        await server.stop()
        assert min(noted) >= 0
        handles = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]  # asyncio's private list
        assert [] == [one for one in handles if not one.cancelled()]

    asyncio.run(main())


def test_a_stop_waits_for_requests_in_flight_and_says_what_is_left() -> None:
    """Only as long as the server says that there is time."""

    async def main() -> None:
        server = Server()
        await server.start()
        server.lifetime.end_within(lambda: 0.0)
        metrics = server.runtime.metrics
        metrics.cells[metrics.in_flight] += 2
        await server.stop()
        assert "requests in flight: 2" in server.lifetime.left_behind()

    asyncio.run(main())


def test_the_collector_and_the_threads_are_set_for_serving() -> None:
    """What was made before the first request is looked at by Python's collector never again."""

    async def main() -> None:
        server = Server()
        await server.start()
        assert gc.get_freeze_count() > 0
        assert 10_000 == gc.get_threshold()[0]
        assert pytest.approx(0.0005) == sys.getswitchinterval()
        await server.stop()

    asyncio.run(main())
