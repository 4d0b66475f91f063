"""Real servers for the tests: the gateway under Uvicorn, and upstreams that do what a test tells them."""

from __future__ import annotations

import asyncio
import json
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import httpx
import pytest
import uvicorn
import uvloop
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from tollway.gateway.app import Gateway, create_app
from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.pipeline import Runtime
from tollway.gateway.server.http1 import HTTPProtocol
from tollway.provider import (
    Answer,
    AnswerInfo,
    BaseProvider,
    Call,
    HTTPProvider,
    ProviderError,
    ResponseError,
    StreamError,
    Target,
    Task,
    UpstreamError,
    UpstreamRequest,
    UpstreamResponse,
    Usage,
)

WAIT_S = 20.0
"""How long a test waits for what must happen; it is never slept through."""


class Upstream:
    """A service on a real socket: each connection's requests go, one by one, to the test's `script`."""

    def __init__(self, script: Callable[[Exchange], None]) -> None:
        self.script = script
        self.requests: queue.Queue[Exchange] = queue.Queue()
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with suppress(ConnectionResetError), connection, connection.makefile("rb") as reader:
            while (line := reader.readline()) not in (b"", b"\r\n"):
                method, path, _ = line.decode().split(" ")
                headers = {}
                while (field := reader.readline()) != b"\r\n":
                    name, _, value = field.decode("latin-1").partition(":")
                    headers[name.lower()] = value.strip()
                body = _read_chunks(reader) if "transfer-encoding" in headers else b""
                body += reader.read(int(headers.get("content-length", 0)))
                exchange = Exchange(connection, method, path, headers, body)
                self.requests.put(exchange)
                try:
                    self.script(exchange)
                except OSError:
                    exchange.gone.set()
                if exchange.closed:
                    return

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept()
        self._socket.close()
        for connection in self._open:
            connection.close()


def _read_chunks(reader: Any) -> bytes:
    body = b""
    while size := int(reader.readline() or b"0", 16):  # a gateway may hang up in the middle
        body += reader.read(size)
        reader.readline()
    reader.readline()
    return body


class Exchange:
    """One request as the upstream got it, and the ways to answer it."""

    def __init__(
        self, connection: socket.socket, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> None:
        self._connection = connection
        self.method, self.path, self.headers, self.body = method, path, headers, body
        self.gone = threading.Event()
        self.closed = False

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def answer(self, value: Any, status: int = 200, headers: str = "") -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.send(f"{head}{headers}\r\n".encode() + body)

    def begin_stream(self) -> None:
        self.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")

    def chunk(self, data: bytes) -> None:
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def event(self, value: Any) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.chunk(b"data: " + data + b"\n\n")

    def end_stream(self) -> None:
        self.send(b"0\r\n\r\n")

    def cut(self) -> None:
        self.closed = True
        self._connection.shutdown(socket.SHUT_RDWR)

    def wait_until_gone(self) -> None:
        """Wait until the gateway hangs up."""
        self._connection.settimeout(WAIT_S)
        try:
            left = self._connection.recv(1)
        except TimeoutError:
            return
        except OSError:
            left = b""
        if left == b"":
            self.closed = True
            self.gone.set()


class Spans(SpanExporter):
    """Ended spans, as they end."""

    def __init__(self) -> None:
        self._ended: queue.Queue[ReadableSpan] = queue.Queue()
        self._seen: list[ReadableSpan] = []

    def export(self, spans: Any) -> SpanExportResult:
        for span in spans:
            self._ended.put(span)
        return SpanExportResult.SUCCESS

    def wait_for(self, name: str) -> ReadableSpan:
        """Return the next span that is called so."""
        for span in self._seen:
            if span.name == name:
                self._seen.remove(span)
                return span
        while True:
            span = self._ended.get(timeout=WAIT_S)
            if span.name == name:
                return span
            self._seen.append(span)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up: Future[None] = Future()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set_result(None)


@contextmanager
def serving(app: Any) -> Iterator[tuple[str, Callable[[], None]]]:
    """Serve an ASGI application as the gateway is served; gives its URL, and what stops it."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http=HTTPProtocol, log_config=None, lifespan="on", timeout_graceful_shutdown=1
    )
    server = _Server(config)

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(server.serve([listener]))
        finally:
            if not server.up.done():
                server.up.set_exception(RuntimeError("the server did not start"))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def stop() -> None:
        server.should_exit = True
        thread.join(timeout=WAIT_S)

    try:
        server.up.result(timeout=WAIT_S)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", stop
    finally:
        stop()
        listener.close()


async def no_control(scope: Any, receive: Any, send: Any) -> None:
    """Stands where the control plane is: answers 404."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"control plane"})


class Running:
    """A gateway being served, what its client sees and what its telemetry saw."""

    def __init__(self, url: str, spans: Spans, app: Gateway, stop: Callable[[], None]) -> None:
        self.url = url
        self.stop = stop
        self.spans = spans
        self.app = app
        self.client = httpx.Client(base_url=url, timeout=WAIT_S, trust_env=False)

    @property
    def port(self) -> int:
        return httpx.URL(self.url).port or 0

    def metric(self, name: str, **labels: str) -> float:
        value = self.app.metrics.registry.get_sample_value(name, labels)
        return 0.0 if value is None else value

    def wait_for_metric(self, value: float, name: str, **labels: str) -> None:
        """Wait for what is counted only after the answer was sent."""
        waiting = threading.Event()
        for _ in range(2000):
            if self.metric(name, **labels) == value:
                return
            waiting.wait(0.01)
        pytest.fail(f"{name} is {self.metric(name, **labels)}, not {value}")


@pytest.fixture
def upstream() -> Iterator[Callable[..., Upstream]]:
    """Starts upstreams."""
    started: list[Upstream] = []

    def start(script: Callable[[Exchange], None]) -> Upstream:
        started.append(Upstream(script))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def served() -> Iterator[Callable[[Any], int]]:
    """Serves bare ASGI applications as the gateway is served; gives the port."""
    with ExitStack() as stack:
        yield lambda app: int(stack.enter_context(serving(app))[0].rpartition(":")[2])


@pytest.fixture
def gateway() -> Iterator[Callable[..., Running]]:
    """Starts gateways on configs given as plain values."""
    with ExitStack() as stack:

        def start(config: dict[str, Any], **parts: Any) -> Running:
            spans = Spans()
            provider = TracerProvider(shutdown_on_exit=False)
            provider.add_span_processor(SimpleSpanProcessor(spans))
            parts.setdefault("control", no_control)
            parts.setdefault("runtime", Runtime({}))
            parts.setdefault("tracer_provider", provider)
            app = create_app(GatewayConfig(**config), **parts)
            url, stop = stack.enter_context(serving(app))
            running = Running(url, spans, app, stop)
            stack.callback(running.client.close)
            return running

        yield start


class PlainDecoder:
    """Passes events on that are OpenAI's already; knows `[DONE]` and an `error` key."""

    def __init__(self) -> None:
        self.info = AnswerInfo()
        self.complete = False
        self.error: ProviderError | None = None
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        whole, separator, self._rest = (self._rest + data).rpartition(b"\n\n")
        good = b""
        for event in (whole + separator).split(b"\n\n")[:-1]:
            if event == b"data: [DONE]":
                self.complete = True
            elif "error" in (chunk := json.loads(event[5:])):
                self.error = StreamError(chunk["error"])
                return good
            else:
                self._look(chunk)
            good += event + b"\n\n"
        return good

    def _look(self, chunk: Any) -> None:
        self.info.id, self.info.model = chunk.get("id"), chunk.get("model")
        if usage := chunk.get("usage"):
            self.info.usage = Usage(usage["prompt_tokens"], usage["completion_tokens"])
        for choice in chunk.get("choices", ()):
            if choice.get("finish_reason"):
                self.info.finish_reasons = (choice["finish_reason"],)

    def end(self) -> bytes:
        if not self.complete and self.error is None:
            self.error = StreamError("the stream ended before its end")
        return b""


class PlainProvider(HTTPProvider):
    """The least that speaks OpenAI's dialect: the data plane alone is seen at work."""

    telemetry_name = "plain"

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.url = target.config["url"]

    def request(self, call: Call) -> UpstreamRequest:
        return UpstreamRequest(f"{self.url}/v1", (("authorization", "Bearer secret-key"),), call.body)

    def response(self, call: Call, response: UpstreamResponse) -> Answer:
        try:
            answer = json.loads(response.body)
        except ValueError:
            raise ResponseError("the model's service answered with no JSON") from None
        usage = answer.get("usage") or {}
        return Answer(
            response.body,
            AnswerInfo(
                answer.get("id"),
                answer.get("model"),
                Usage(usage.get("prompt_tokens"), usage.get("completion_tokens")),
                tuple(choice["finish_reason"] for choice in answer.get("choices", ())),
            ),
        )

    def stream(self, call: Call) -> PlainDecoder:
        return PlainDecoder()

    def error(self, response: UpstreamResponse) -> ProviderError:
        retry_after = response.headers.get("retry-after")
        return UpstreamError(
            f"upstream says {response.body.decode()}",
            upstream_status=response.status,
            status=response.status if response.status in (400, 429) else 502,
            retry_after_s=float(retry_after) if retry_after else None,
        )


CHAT = {"messages": [{"role": "user", "content": "hi"}]}

COMPLETION = {
    "id": "chatcmpl-1",
    "model": "gpt-4-0613",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "ho"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 5},
}


def endpoint(name: str = "chat", task: str = "llm/v1/chat", **more: Any) -> dict[str, Any]:
    """Return an endpoint's config."""
    return {"name": name, "endpoint_type": task, "model": {"provider": "plain", "name": "gpt-4"}, **more}


@pytest.fixture
def plain(gateway, upstream) -> Callable[..., tuple[Running, Upstream]]:
    """Starts a gateway whose endpoint `chat` asks an upstream that follows a script."""

    def start(script: Callable[[Exchange], None], **more: Any) -> tuple[Running, Upstream]:
        server = upstream(script)
        target = Target("chat", Task.CHAT, "gpt-4", {"url": server.url})
        settings = {key: more.pop(key) for key in ("server", "tracing") if key in more}
        config = {"endpoints": [endpoint(**more)], **settings}
        return gateway(config, providers={"chat": PlainProvider(target)}), server

    return start


@pytest.fixture
def model(gateway) -> Callable[..., Running]:
    """Starts a gateway whose endpoint `chat` is a Python callable."""

    def start(predict: Callable[[dict[str, Any]], Any], **more: Any) -> Running:
        made = type("Model", (BaseProvider,), {"predict": staticmethod(predict)})
        target = Target("chat", Task.CHAT, "own")
        settings = {key: more.pop(key) for key in ("server", "tracing") if key in more}
        return gateway({"endpoints": [endpoint(**more)], **settings}, providers={"chat": made(target)})

    return start
