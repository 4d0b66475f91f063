"""The pipeline's middle, in virtual time, over models that do what a script says.

All is real but the models and the caller: plans, limits, breakers, budgets, spans and metrics are what a
configuration makes of them, and their clock is the event loop's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from tollway.gateway.apis import APICall, api_of, openai_shape
from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.cost.pricing import NoPrices
from tollway.gateway.pipeline import CarriedState, Recorder, Runtime, Wiring
from tollway.gateway.pipeline.attempts import answer
from tollway.gateway.pipeline.deadline import Deadline, Timers
from tollway.gateway.pipeline.endpoint import Endpoint
from tollway.gateway.pipeline.plan import Plan
from tollway.gateway.pipeline.record import Record
from tollway.gateway.pipeline.reply import Reply
from tollway.provider import Answer, AnswerInfo, BaseProvider, Call, ProviderError, Target, Task

TOKEN = b'data: {"choices": [{"index": 0, "delta": {"content": "ho"}}]}\n\n'
ROLE = b'data: {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}\n\n'
COMMENT = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"
WHOLE = b'{"choices": []}'

DOWN = ProviderError("down", status=503, code="down")

Step = bytes | float | BaseException
"""Bytes are said, seconds are waited for, an error is raised."""

SCOPE = {
    **{"type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": "/r"},
    **{"raw_path": b"/r", "query_string": b"", "headers": [], "client": None, "server": None},
}


class Model(BaseProvider):
    def predict(self, payload: object) -> str:
        raise NotImplementedError


class Events:
    """A stream that follows a script; see `tollway.gateway.pipeline.endpoint.Events`."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = deque(steps)
        self.info = AnswerInfo(token_seen=False)
        self.closed = 0

    async def next(self) -> bytes:
        while self._steps:
            step = self._steps.popleft()
            if isinstance(step, BaseException):
                raise step.with_traceback(None)  # it is raised again and again
            if isinstance(step, bytes):
                self.info.token_seen = self.info.token_seen or step not in (COMMENT, ROLE)
                return step
            await asyncio.sleep(step)
        return b""

    async def close(self) -> None:
        self.closed += 1


class Script:
    """A model whose attempts go as queued, the last one again and again; see `Runner`."""

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self._name = name
        self.attempts: deque[Sequence[Step]] = deque()
        self.streams: list[Events] = []
        self.cancelled = 0

    async def answer(self, call: Call, attempt: Any) -> Answer:
        events = self._begin(call)
        body = await self._waited(events.next())
        return Answer(body, AnswerInfo())

    async def open(self, call: Call, attempt: Any) -> Events:
        events = self._begin(call)
        self.streams.append(events)
        return events

    def _begin(self, call: Call) -> Events:
        self._world.asked.append((self._world.now_s(), self._name))
        self._world.calls.append(call)
        steps = self.attempts.popleft() if len(self.attempts) > 1 else self.attempts[0]
        return Events(steps)

    async def _waited(self, coming: Any) -> bytes:
        try:
            return await coming
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


class World:
    """Endpoints `a`, `b`, … of which each falls back to the next; made inside the running loop."""

    def __init__(self, *endpoints: dict[str, Any]) -> None:
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()
        names = [chr(ord("a") + number) for number in range(len(endpoints))]
        common = {"endpoint_type": "llm/v1/chat", "model": {"provider": "own", "name": "m"}}
        configs = [
            {"name": name, **common, "fallback": names[place + 1 : place + 2], **one}
            for place, (name, one) in enumerate(zip(names, endpoints, strict=True))
        ]
        self._exporter = InMemorySpanExporter()
        tracers = TracerProvider(shutdown_on_exit=False)
        tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        runtime = Runtime({}, clock_s=self._loop.time, random=lambda: 0.5)
        config = GatewayConfig(endpoints=configs)  # type: ignore[arg-type]  # pydantic converts
        providers = {name: Model(Target(name, Task.CHAT, "m")) for name in names}
        wiring = Wiring(config, providers, runtime, runtime.new_client(1000), CarriedState())
        self.scripts = {name: Script(self, name) for name in names}
        self.endpoints: dict[str, Endpoint] = {
            one.name: replace(one, runner=self.scripts[one.name], pricing=NoPrices())
            for one in wiring.endpoints()
        }
        self._destinations = wiring.destinations(self.endpoints.values())
        self._recorder = Recorder(runtime.metrics, tracers.get_tracer("test"), self._loop.time)
        self._timers = Timers()
        self.hang_up = asyncio.Event()
        self.asked: list[tuple[float, str]] = []
        """When which endpoint was asked, in seconds since the beginning."""
        self.calls: list[Call] = []
        self.sent: list[tuple[float, bytes]] = []
        """What callers got, and when."""
        self.status: int | None = None

    def script(self, name: str, *attempts: Sequence[Step]) -> Script:
        """Queue what an endpoint's model does, attempt by attempt."""
        self.scripts[name].attempts.extend(attempts)
        return self.scripts[name]

    def metric(self, name: str, **labels: str) -> float:
        """Return one sample of a metric."""
        return self._recorder.metrics.registry.get_sample_value(name, labels) or 0.0

    def now_s(self) -> float:
        """Return the seconds since the beginning, without the noise of floating point."""
        return round(self._loop.time() - self._began_s, 6)

    async def ask(self, name: str = "a", *, stream: bool = False, **payload: Any) -> bytes:
        """Make one call as the pipeline does; return all that its caller got."""
        got: list[bytes] = []

        async def send(message: Any) -> None:
            await self._send(message)
            got.append(message.get("body", b""))

        body = {"messages": [{"role": "user", "content": "hi"}], **payload}
        call = APICall(Task.CHAT, body, b"{}", stream, api=api_of(Task.CHAT))
        record = Record(self._recorder, "/r", {**SCOPE}, None)
        plan = Plan(call, self._destinations[name], SCOPE, record)
        limits = plan.endpoint.limits
        total = limits.total if stream else limits.whole
        deadline = Deadline(self._receive, self._timers, None, total)
        try:
            await answer(plan, record, deadline, Reply(send, openai_shape, record))
        finally:
            if plan.grant is not None:
                plan.grant.settle(record.usage)
            record.close()
        return b"".join(got)

    @property
    def said(self) -> bytes:
        """All that callers got."""
        return b"".join(data for _, data in self.sent)

    def spans(self, kind: SpanKind = SpanKind.CLIENT) -> list[ReadableSpan]:
        """Return the ended spans of a kind, in the order in which they began."""
        ended = (span for span in self._exporter.get_finished_spans() if span.kind is kind)
        return sorted(ended, key=lambda span: span.start_time or 0)

    def outcomes(self) -> list[tuple[str | None, str | None]]:
        """Return of each attempt why it was made, and the type of its error."""
        told = [span.attributes or {} for span in self.spans()]
        return [(one.get("tollway.attempt.reason"), one.get("error.type")) for one in told]  # type: ignore[misc]  # told are dictionaries

    def check_nothing_is_left(self) -> None:
        """No attempt is in flight, no stream is open, no task runs, all spans have ended."""
        assert {0} == {one.upstream.in_flight for one in self.endpoints.values()}
        assert len(self.asked) == len(self.spans())
        assert {1} >= {events.closed for one in self.scripts.values() for events in one.streams}
        assert {asyncio.current_task()} == asyncio.all_tasks()

    async def _receive(self) -> dict[str, Any]:
        await self.hang_up.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.sent.append((self.now_s(), message["body"]))
