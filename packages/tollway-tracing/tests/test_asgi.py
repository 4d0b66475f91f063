"""`TraceMiddleware`: one span a request, under the SDK's provider and under ours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from opentelemetry import baggage, trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace import TracerProvider as SDKTracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NoOpTracerProvider, SpanKind, StatusCode
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute

from tollway.tracing import TracerProvider
from tollway.tracing.asgi import TraceMiddleware
from tollway.tracing.propagation import inject

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"

OK = {"type": "http.response.start", "status": 200, "headers": []}
LAST = {"type": "http.response.body", "body": b""}


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


def test_a_request_is_a_server_span_with_the_conventions_attributes(traced):
    """Neither the query nor a header that carries keys is among them."""
    app = TraceMiddleware(answers(OK, LAST), tracer_provider=traced.provider)
    call(app, scope("/cart", (b"user-agent", b"shop/1"), (b"authorization", b"Bearer secret")))

    span = traced.span
    assert ("GET", SpanKind.SERVER) == (span.name, span.kind)
    assert {
        "http.request.method": "GET",
        "url.path": "/cart",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "server.address": "shop.example",
        "server.port": 8443,
        "client.address": "192.0.2.7",
        "user_agent.original": "shop/1",
        "http.response.status_code": 200,
    } == dict(span.attributes)
    assert StatusCode.UNSET is span.status.status_code
    assert span.parent is None


def test_the_callers_span_is_the_parent(traced):
    app = TraceMiddleware(answers(OK, LAST), tracer_provider=traced.provider)
    call(
        app,
        scope("/", (b"traceparent", TRACEPARENT.encode()), (b"tracestate", b"a=1"), (b"tracestate", b"b=2")),
    )

    assert TRACE == f"{traced.span.context.trace_id:032x}"
    assert traced.span.parent.is_remote
    assert "a=1,b=2" == traced.span.context.trace_state.to_header()


def test_two_traceparents_restart_the_trace(traced):
    """OTel's own middleware takes the first."""
    app = TraceMiddleware(answers(OK, LAST), tracer_provider=traced.provider)
    call(app, scope("/", (b"traceparent", TRACEPARENT.encode()), (b"traceparent", TRACEPARENT.encode())))

    assert TRACE != f"{traced.span.context.trace_id:032x}"
    assert traced.span.parent is None


def test_the_span_and_the_baggage_are_current_while_the_body_streams(traced):
    seen = []

    async def body():
        for _ in range(2):
            seen.append((trace.get_current_span().get_span_context().span_id, baggage.get_baggage("k")))
            yield b"x"

    async def app(a_scope, receive, send):
        await StreamingResponse(body())(a_scope, receive, send)

    before = trace.get_current_span()
    call(TraceMiddleware(app, tracer_provider=traced.provider), scope("/", (b"baggage", b"k=v")))

    assert [(traced.span.context.span_id, "v")] * 2 == seen
    assert before is trace.get_current_span()


def test_the_span_ends_with_the_last_byte(traced):
    """Not before, and not only after the background tasks that follow."""
    ended = []

    def in_background():
        ended.append(len(traced.spans))

    async def app(a_scope, receive, send):
        response = StreamingResponse(iter([b"a", b"b"]), background=BackgroundTask(in_background))
        await response(a_scope, receive, send)

    def on_send(_message):
        ended.append(len(traced.spans))

    call(TraceMiddleware(app, tracer_provider=traced.provider), on_send=on_send)

    assert [0, 0, 0, 0, 1] == ended


@pytest.mark.parametrize(
    "messages",
    [
        [{**OK, "trailers": True}, LAST, {"type": "http.response.trailers", "headers": []}],
        [OK, {"type": "http.response.pathsend", "path": "/x"}],
        [OK, {"type": "http.response.zerocopysend", "file": 1}],
        [{"type": "http.response.early_hint", "links": []}, OK, {**LAST, "more_body": True}, LAST],
    ],
)
def test_every_way_to_end_an_answer_is_known(traced, messages):
    """Trailers and the server's extensions: https://asgi.readthedocs.io/en/latest/extensions.html."""
    ended = []
    app = TraceMiddleware(answers(*messages), tracer_provider=traced.provider)
    assert messages == call(app, on_send=lambda _message: ended.append(len(traced.spans)))

    assert [0] * len(messages) == ended
    assert StatusCode.UNSET is traced.span.status.status_code


@pytest.mark.parametrize("status", [400, 404, 499])
def test_a_callers_fault_is_no_error(traced, status):
    call(TraceMiddleware(answers({**OK, "status": status}, LAST), tracer_provider=traced.provider))

    assert status == traced.span.attributes["http.response.status_code"]
    assert "error.type" not in traced.span.attributes
    assert StatusCode.UNSET is traced.span.status.status_code


def test_a_5xx_is_an_error(traced):
    call(TraceMiddleware(answers({**OK, "status": 503}, LAST), tracer_provider=traced.provider))

    assert "503" == traced.span.attributes["error.type"]
    assert StatusCode.ERROR is traced.span.status.status_code


def test_an_exception_is_recorded_and_goes_on(traced):
    async def app(_scope, _receive, _send):
        raise KeyError("cart")

    with pytest.raises(KeyError, match="cart"):
        call(TraceMiddleware(app, tracer_provider=traced.provider))

    span = traced.span
    assert ("KeyError", "KeyError: 'cart'") == (span.attributes["error.type"], span.status.description)
    assert "KeyError" == span.events[0].attributes["exception.type"]


def test_an_exception_behind_a_frameworks_500_is_recorded(traced):
    """Starlette sends its answer first, and raises for the server's log after it."""

    async def fails(_request):
        raise ValueError("no stock")

    app = TraceMiddleware(Starlette(routes=[Route("/x", fails)]), tracer_provider=traced.provider)
    with pytest.raises(ValueError, match="no stock"):
        call(app, scope("/x"))

    assert 500 == traced.span.attributes["http.response.status_code"]
    assert "ValueError" == traced.span.attributes["error.type"]
    assert "ValueError" == traced.span.events[0].attributes["exception.type"]


def test_as_a_frameworks_middleware_it_sees_the_exception_and_the_route(traced):
    """`add_middleware` puts it inside of what turns exceptions into a 500."""

    async def fails(_request):
        raise ValueError("no stock")

    app = Starlette(routes=[Route("/x/{item}", fails)])
    app.add_middleware(TraceMiddleware, tracer_provider=traced.provider)
    with pytest.raises(ValueError, match="no stock"):
        call(app, scope("/x/7"))

    assert "GET /x/{item}" == traced.span.name
    assert "ValueError" == traced.span.attributes["error.type"]


def test_an_exception_after_the_answer_changes_nothing(traced):
    async def app(_scope, _receive, send):
        await send(OK)
        await send(LAST)
        raise ValueError("in the background")

    with pytest.raises(ValueError, match="in the background"):
        call(TraceMiddleware(app, tracer_provider=traced.provider))

    assert StatusCode.UNSET is traced.span.status.status_code


@pytest.mark.parametrize("messages", [[], [OK], [OK, {**LAST, "more_body": True}]])
def test_an_answer_that_was_not_finished_is_an_error(traced, messages):
    """A stream that broke is never passed off as one that finished."""
    call(TraceMiddleware(answers(*messages), tracer_provider=traced.provider))

    assert "incomplete_response" == traced.span.attributes["error.type"]
    assert StatusCode.ERROR is traced.span.status.status_code


def test_a_caller_that_hangs_up_is_nobodys_error(traced):
    """Starlette stops the stream when it receives the disconnect."""

    async def endless():
        while True:
            yield b"x"
            await asyncio.sleep(0)

    async def app(a_scope, receive, send):
        await StreamingResponse(endless())(a_scope, receive, send)

    call(TraceMiddleware(app, tracer_provider=traced.provider), incoming=[{"type": "http.disconnect"}])

    assert ["client_disconnected"] == [event.name for event in traced.span.events]
    assert StatusCode.UNSET is traced.span.status.status_code
    assert 200 == traced.span.attributes["http.response.status_code"]


def test_a_send_that_fails_tells_of_the_hang_up(traced):
    """Servers of ASGI 2.4 raise OSError, and Starlette makes ClientDisconnect of it."""

    async def app(a_scope, receive, send):
        await StreamingResponse(iter([b"a"]))(a_scope, receive, send)

    def on_send(message):
        if message["type"] == "http.response.body":
            raise OSError

    asgi = {"version": "3.0", "spec_version": "2.4"}
    with pytest.raises(ClientDisconnect):
        call(TraceMiddleware(app, tracer_provider=traced.provider), scope(asgi=asgi), on_send=on_send)

    assert ["client_disconnected"] == [event.name for event in traced.span.events]
    assert StatusCode.UNSET is traced.span.status.status_code


def test_a_bug_after_the_hang_up_is_still_a_bug(traced):
    async def app(_scope, receive, _send):
        await receive()
        raise ValueError("in the cleaning up")

    with pytest.raises(ValueError, match="cleaning up"):
        call(TraceMiddleware(app, tracer_provider=traced.provider), incoming=[{"type": "http.disconnect"}])

    assert "ValueError" == traced.span.attributes["error.type"]


def test_a_disconnect_after_the_answer_is_the_usual_end(traced):
    async def app(_scope, receive, send):
        await send(OK)
        await send(LAST)
        await receive()

    call(TraceMiddleware(app, tracer_provider=traced.provider), incoming=[{"type": "http.disconnect"}])

    assert () == tuple(traced.span.events)


def test_a_cancelled_request_is_an_error(traced):
    """A server that stops cuts answers off."""

    async def app(_scope, _receive, _send):
        raise asyncio.CancelledError

    with suppress(asyncio.CancelledError):
        call(TraceMiddleware(app, tracer_provider=traced.provider))

    assert "CancelledError" == traced.span.attributes["error.type"]


async def _text(_request):
    return PlainTextResponse("x")


ROUTES = Starlette(
    routes=[
        Route("/items/{item}", _text),
        Mount("/sub", routes=[Route("/items/{item}", _text)]),
        Mount("/files", app=PlainTextResponse("x")),
        Mount("/of/{user}", routes=[Route("/items/{item}", _text)]),
    ]
)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/items/7", "/items/{item}"),
        ("/sub/items/7", "/sub/items/{item}"),
        ("/files/a/b", "/files"),
        ("/of/anna/items/7", "/items/{item}"),
    ],
)
def test_the_route_that_the_framework_found_names_the_span(traced, path, route):
    """With its mounts, but never with a value from the path."""
    call(TraceMiddleware(ROUTES, tracer_provider=traced.provider), scope(path))

    assert (f"GET {route}", route) == (traced.span.name, traced.span.attributes["http.route"])


def test_without_a_route_the_name_is_the_method(traced):
    call(TraceMiddleware(ROUTES, tracer_provider=traced.provider), scope("/nowhere/7"))

    assert "GET" == traced.span.name
    assert "http.route" not in traced.span.attributes


def test_an_unknown_method_is_no_name(traced):
    call(TraceMiddleware(answers(OK, LAST), tracer_provider=traced.provider), scope(method="BREW"))

    assert "HTTP" == traced.span.name
    assert "_OTHER" == traced.span.attributes["http.request.method"]
    assert "BREW" == traced.span.attributes["http.request.method_original"]


@pytest.mark.parametrize(
    ("host", "server", "address"),
    [
        (b"shop.example", ("10.0.0.1", 80), ("shop.example", None)),
        (b"[::1]:8000", ("10.0.0.1", 80), ("::1", 8000)),
        (b"[2001:db8::1]", ("10.0.0.1", 80), ("2001:db8::1", None)),
        (b"shop:http", ("10.0.0.1", 80), ("shop:http", None)),
        (b"", ("10.0.0.1", 80), ("10.0.0.1", 80)),
        (b"", ("/run/shop.sock", None), ("/run/shop.sock", None)),
        (b"", None, (None, None)),
    ],
)
def test_the_servers_address_is_the_one_that_was_asked_for(traced, host, server, address):
    """The Host header, then the socket's: the conventions' order."""
    a_scope = scope(server=server)
    a_scope["headers"] = [(b"host", host)]
    call(TraceMiddleware(answers(OK, LAST), tracer_provider=traced.provider), a_scope)

    attributes = traced.span.attributes
    assert address == (attributes.get("server.address"), attributes.get("server.port"))


def test_headers_are_captured_when_asked_for(traced):
    app = TraceMiddleware(
        answers({**OK, "headers": [(b"X-Cache", b"hit"), (b"set-cookie", b"secret")]}, LAST),
        tracer_provider=traced.provider,
        capture_request_headers=["X-Request-ID"],
        capture_response_headers=["x-cache"],
    )
    call(app, scope("/", (b"x-request-id", b"1"), (b"x-request-id", b"2"), (b"cookie", b"secret")))

    captured = {key: value for key, value in traced.span.attributes.items() if ".header." in key}
    assert {
        "http.request.header.x-request-id": ("1", "2"),
        "http.response.header.x-cache": ("hit",),
    } == captured


@pytest.mark.parametrize(
    ("path", "is_traced"),
    [("/health", False), ("/health/db", True), ("/static/a.css", False), ("/static", True), ("/", True)],
)
def test_excluded_paths_are_passed_through(traced, path, is_traced):
    app = TraceMiddleware(
        answers(OK, LAST), tracer_provider=traced.provider, excluded=["/health", "/static/*"]
    )

    assert [OK, LAST] == call(app, scope(path))
    assert is_traced == bool(traced.spans)


def test_a_string_is_no_list():
    with pytest.raises(TypeError, match="list of paths"):
        TraceMiddleware(answers(), excluded="/health")
    with pytest.raises(TypeError, match="list of names"):
        TraceMiddleware(answers(), capture_request_headers="cookie")


def test_the_lifespan_passes_through(traced):
    seen = []

    async def app(a_scope, _receive, _send):
        seen.append(a_scope["type"])

    call(TraceMiddleware(app, tracer_provider=traced.provider), {"type": "lifespan"})

    assert ["lifespan"] == seen
    assert () == traced.spans


def test_a_websocket_is_one_span_from_handshake_to_close(traced):
    async def echo(websocket):
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    app = Starlette(routes=[WebSocketRoute("/echo", echo)])
    incoming = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hi"}]
    a_scope = scope("/echo", (b"traceparent", TRACEPARENT.encode()), kind="websocket", scheme="ws")
    del a_scope["method"]
    sent = call(TraceMiddleware(app, tracer_provider=traced.provider), a_scope, incoming)

    assert ["websocket.accept", "websocket.send", "websocket.close"] == [each["type"] for each in sent]
    assert ("GET /echo", TRACE) == (traced.span.name, f"{traced.span.context.trace_id:032x}")
    assert ("ws", 101) == (
        traced.span.attributes["url.scheme"],
        traced.span.attributes["http.response.status_code"],
    )
    assert StatusCode.UNSET is traced.span.status.status_code


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ({"type": "websocket.close", "code": 1008}, 403),
        ({"type": "websocket.http.response.start", "status": 401, "headers": []}, 401),
    ],
)
def test_a_refused_websocket_has_the_status_of_its_refusal(traced, message, status):
    call(TraceMiddleware(answers(message), tracer_provider=traced.provider), scope(kind="websocket"))

    assert status == traced.span.attributes["http.response.status_code"]


def test_requests_at_one_time_keep_their_traces_apart(traced):
    traces = [f"{number:032x}" for number in range(1, 21)]
    seen = {}

    async def app(a_scope, _receive, send):
        await asyncio.sleep(0)
        headers: dict[str, str] = {}
        inject(headers)
        seen[a_scope["path"]] = headers["traceparent"].split("-")[1]
        await send(OK)
        await asyncio.sleep(0)
        await send(LAST)

    async def no_more(*_message):
        await asyncio.sleep(0)

    async def all_at_once():
        middleware = TraceMiddleware(app, tracer_provider=traced.provider)
        headers = {each: (b"traceparent", f"00-{each}-b7ad6b7169203331-01".encode()) for each in traces}
        await asyncio.gather(*(middleware(scope(each, headers[each]), no_more, no_more) for each in traces))

    asyncio.run(all_at_once())

    assert {each: each for each in traces} == seen
    assert sorted(traces) == sorted(f"{span.context.trace_id:032x}" for span in traced.spans)


def test_a_span_around_the_server_is_not_the_parent(traced):
    """A server may be started within a span; its requests are not parts of that."""
    app = TraceMiddleware(answers(OK, LAST), tracer_provider=traced.provider)
    with traced.provider.get_tracer("main").start_as_current_span("main"):
        call(app)
        call(app, scope("/", (b"traceparent", TRACEPARENT.encode())))

    first, second, main = traced.spans
    assert first.parent is None
    assert first.context.trace_id != main.context.trace_id
    assert TRACE == f"{second.context.trace_id:032x}"


def test_behind_another_middleware_the_span_is_a_part_of_its_own(traced):
    """Two SERVER spans side by side would count each request twice."""
    inner = TraceMiddleware(answers(OK, LAST), tracer_provider=traced.provider)
    app = TraceMiddleware(inner, tracer_provider=traced.provider)
    call(app, scope("/", (b"traceparent", TRACEPARENT.encode())))

    part, whole = sorted(traced.spans, key=lambda span: span.kind is SpanKind.SERVER)
    assert (SpanKind.INTERNAL, SpanKind.SERVER) == (part.kind, whole.kind)
    assert whole.context.span_id == part.parent.span_id


@pytest.mark.parametrize("provider", [NoOpTracerProvider(), SDKTracerProvider(ALWAYS_OFF)])
def test_without_recording_the_application_sees_no_difference(provider):
    """The caller's trace is passed on: https://www.w3.org/TR/trace-context-2/#mutating-the-traceparent-field."""
    outgoing: dict[str, str] = {}
    seen = []

    async def app(a_scope, receive, send):
        seen.append((receive, send))
        inject(outgoing)
        await send(OK)
        await send(LAST)

    middleware = TraceMiddleware(app, tracer_provider=provider)
    assert [OK, LAST] == call(middleware, scope("/", (b"traceparent", TRACEPARENT.encode())))

    assert TRACE == outgoing["traceparent"].split("-")[1]
    assert not any(hasattr(channel, "__self__") for channel in seen[0])  # the server's own, not ours
