"""Real servers on the loopback, and both providers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import uvicorn
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace import TracerProvider as SDKTracerProvider
from opentelemetry.trace import SpanKind

from tollway.tracing import TracerProvider
from tollway.tracing.asgi import ASGIApp


@contextmanager
def _serving(app: ASGIApp) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="error"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


class Ended(SpanProcessor):
    """The spans that have ended; a server's may end after its answer has arrived."""

    def __init__(self) -> None:
        self._spans: list[ReadableSpan] = []
        self._grown = threading.Condition()

    def on_end(self, span: ReadableSpan) -> None:
        with self._grown:
            self._spans.append(span)
            self._grown.notify_all()

    def wait_for(self, count: int, *kinds: SpanKind) -> list[ReadableSpan]:
        """Return the spans of these kinds, once there are so many."""

        def found() -> list[ReadableSpan]:
            return [span for span in self._spans if span.kind in kinds]

        with self._grown:
            assert self._grown.wait_for(lambda: len(found()) >= count, timeout=10)
            return found()


@pytest.fixture
def ended(provider) -> Ended:
    """The spans that end during this test."""
    ended = Ended()
    provider.add_span_processor(ended)
    return ended


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[[ASGIApp], int]]:
    """Serve an application by Uvicorn and return its port."""
    with ExitStack() as servers:
        yield lambda app: servers.enter_context(_serving(app))


@pytest.fixture(scope="module", params=[SDKTracerProvider, TracerProvider], ids=["sdk", "ours"])
def provider(request) -> Iterator[SDKTracerProvider]:
    """A provider that records everything."""
    provider = request.param()
    yield provider
    provider.shutdown()
