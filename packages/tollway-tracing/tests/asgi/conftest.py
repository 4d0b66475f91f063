"""Requests to ASGI applications in this process, and the spans that they leave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace import TracerProvider as SDKTracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tollway.tracing import TracerProvider


class Traced:
    """A provider and the spans that it has ended."""

    def __init__(self, provider: SDKTracerProvider) -> None:
        self.provider = provider
        self._exporter = InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    @property
    def span(self) -> ReadableSpan:
        (span,) = self.spans
        return span


@pytest.fixture(params=[SDKTracerProvider, TracerProvider], ids=["sdk", "ours"])
def traced(request):
    traced = Traced(request.param())
    yield traced
    traced.provider.shutdown()


def scope(path: str = "/", *headers: tuple[bytes, bytes], kind: str = "http", **more) -> dict:
    return {
        "type": kind,
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "query_string": b"key=secret",
        "root_path": "",
        "headers": [(b"host", b"shop.example:8443"), *headers],
        "server": ("127.0.0.1", 8000),
        "client": ("192.0.2.7", 50000),
        **more,
    }


def call(
    app, a_scope: dict | None = None, incoming=(), on_send: Callable[[dict], None] | None = None
) -> list[dict]:
    """Run one request through; `incoming` is what the application receives, then nothing more comes."""
    sent: list[dict] = []
    messages = iter(incoming)

    async def receive():
        try:
            return next(messages)
        except StopIteration:
            await asyncio.Event().wait()

    async def send(message):
        if on_send is not None:
            on_send(message)
        sent.append(message)

    asyncio.run(app(a_scope or scope(), receive, send))
    return sent


def answers(*messages: dict) -> Callable[..., Awaitable[None]]:
    async def app(_scope, _receive, send):
        for message in messages:
            await send(message)

    return app


@pytest.fixture
def asgi() -> SimpleNamespace:
    """What a server does: `scope` makes a request, `call` runs it; `answers` makes an application."""
    return SimpleNamespace(scope=scope, call=call, answers=answers)
