"""`TraceMiddleware`: one span a request, under the SDK's provider and under ours."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from fastapi import FastAPI
from opentelemetry import baggage, trace
from opentelemetry.sdk.trace import TracerProvider as SDKTracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NoOpTracerProvider, SpanKind, StatusCode
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.routing import Route, WebSocketRoute

from tollway.tracing.asgi import TraceMiddleware
from tollway.tracing.propagation import inject

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"

OK = {"type": "http.response.start", "status": 200, "headers": []}
LAST = {"type": "http.response.body", "body": b""}


def test_the_callers_span_is_the_parent(traced, asgi):
    app = TraceMiddleware(asgi.answers(OK, LAST), tracer_provider=traced.provider)
    asgi.call(
        app,
        asgi.scope(
            "/", (b"traceparent", TRACEPARENT.encode()), (b"tracestate", b"a=1"), (b"tracestate", b"b=2")
        ),
    )

    assert TRACE == f"{traced.span.context.trace_id:032x}"
    assert traced.span.parent.is_remote
    assert "a=1,b=2" == traced.span.context.trace_state.to_header()


def test_two_traceparents_restart_the_trace(traced, asgi):
    """OTel's own middleware takes the first."""
    app = TraceMiddleware(asgi.answers(OK, LAST), tracer_provider=traced.provider)
    asgi.call(
        app, asgi.scope("/", (b"traceparent", TRACEPARENT.encode()), (b"traceparent", TRACEPARENT.encode()))
    )

    assert TRACE != f"{traced.span.context.trace_id:032x}"
    assert traced.span.parent is None


def test_the_span_and_the_baggage_are_current_while_the_body_streams(traced, asgi):
    seen = []

    async def body():
        for _ in range(2):
            seen.append((trace.get_current_span().get_span_context().span_id, baggage.get_baggage("k")))
            yield b"x"

    async def app(a_scope, receive, send):
        await StreamingResponse(body())(a_scope, receive, send)

    before = trace.get_current_span()
    asgi.call(TraceMiddleware(app, tracer_provider=traced.provider), asgi.scope("/", (b"baggage", b"k=v")))

    assert [(traced.span.context.span_id, "v")] * 2 == seen
    assert before is trace.get_current_span()


def test_the_span_ends_with_the_last_byte(traced, asgi):
    """Not before, and not only after the background tasks that follow."""
    ended = []

    def in_background():
        ended.append(len(traced.spans))

    async def app(a_scope, receive, send):
        response = StreamingResponse(iter([b"a", b"b"]), background=BackgroundTask(in_background))
        await response(a_scope, receive, send)

    def on_send(_message):
        ended.append(len(traced.spans))

    asgi.call(TraceMiddleware(app, tracer_provider=traced.provider), on_send=on_send)

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
def test_every_way_to_end_an_answer_is_known(traced, messages, asgi):
    """Trailers and the server's extensions: https://asgi.readthedocs.io/en/latest/extensions.html."""
    ended = []
    app = TraceMiddleware(asgi.answers(*messages), tracer_provider=traced.provider)
    assert messages == asgi.call(app, on_send=lambda _message: ended.append(len(traced.spans)))

    assert [0] * len(messages) == ended
    assert StatusCode.UNSET is traced.span.status.status_code


@pytest.mark.parametrize("status", [400, 404, 499])
def test_a_callers_fault_is_no_error(traced, status, asgi):
    asgi.call(TraceMiddleware(asgi.answers({**OK, "status": status}, LAST), tracer_provider=traced.provider))

    assert status == traced.span.attributes["http.response.status_code"]
    assert "error.type" not in traced.span.attributes
    assert StatusCode.UNSET is traced.span.status.status_code


def test_a_5xx_is_an_error(traced, asgi):
    asgi.call(TraceMiddleware(asgi.answers({**OK, "status": 503}, LAST), tracer_provider=traced.provider))

    assert "503" == traced.span.attributes["error.type"]
    assert StatusCode.ERROR is traced.span.status.status_code


def test_an_exception_is_recorded_and_goes_on(traced, asgi):
    async def app(_scope, _receive, _send):
        raise KeyError("cart")

    with pytest.raises(KeyError, match="cart"):
        asgi.call(TraceMiddleware(app, tracer_provider=traced.provider))

    span = traced.span
    assert ("KeyError", "KeyError: 'cart'") == (span.attributes["error.type"], span.status.description)
    assert "KeyError" == span.events[0].attributes["exception.type"]


def test_an_exception_whose_text_raises_goes_on_as_it_is(traced, asgi):
    class OddError(Exception):
        def __str__(self):
            raise AttributeError("no text")

    async def app(_scope, _receive, _send):
        raise OddError

    with pytest.raises(OddError):
        asgi.call(TraceMiddleware(app, tracer_provider=traced.provider))

    assert StatusCode.ERROR is traced.span.status.status_code
    assert "OddError: <OddError>" == traced.span.status.description


def test_a_fastapi_with_telemetry_of_its_own_makes_no_second_span(traced, asgi, monkeypatch):
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", traced.provider)
    app = FastAPI()

    @app.get("/x")
    async def x():
        return {}

    asgi.call(TraceMiddleware(app), asgi.scope("/x"))

    assert "GET /x" == traced.span.name
    assert "tollway.tracing.asgi" == traced.span.instrumentation_scope.name


def test_an_exception_behind_a_frameworks_500_is_recorded(traced, asgi):
    """Starlette sends its answer first, and raises for the server's log after it."""

    async def fails(_request):
        raise ValueError("no stock")

    app = TraceMiddleware(Starlette(routes=[Route("/x", fails)]), tracer_provider=traced.provider)
    with pytest.raises(ValueError, match="no stock"):
        asgi.call(app, asgi.scope("/x"))

    assert 500 == traced.span.attributes["http.response.status_code"]
    assert "ValueError" == traced.span.attributes["error.type"]
    assert "ValueError" == traced.span.events[0].attributes["exception.type"]


def test_as_a_frameworks_middleware_it_sees_the_exception_and_the_route(traced, asgi):
    """`add_middleware` puts it inside of what turns exceptions into a 500."""

    async def fails(_request):
        raise ValueError("no stock")

    app = Starlette(routes=[Route("/x/{item}", fails)])
    app.add_middleware(TraceMiddleware, tracer_provider=traced.provider)
    with pytest.raises(ValueError, match="no stock"):
        asgi.call(app, asgi.scope("/x/7"))

    assert "GET /x/{item}" == traced.span.name
    assert "ValueError" == traced.span.attributes["error.type"]


def test_an_exception_after_the_answer_changes_nothing(traced, asgi):
    async def app(_scope, _receive, send):
        await send(OK)
        await send(LAST)
        raise ValueError("in the background")

    with pytest.raises(ValueError, match="in the background"):
        asgi.call(TraceMiddleware(app, tracer_provider=traced.provider))

    assert StatusCode.UNSET is traced.span.status.status_code


@pytest.mark.parametrize("messages", [[], [OK], [OK, {**LAST, "more_body": True}]])
def test_an_answer_that_was_not_finished_is_an_error(traced, messages, asgi):
    """A stream that broke is never passed off as one that finished."""
    asgi.call(TraceMiddleware(asgi.answers(*messages), tracer_provider=traced.provider))

    assert "incomplete_response" == traced.span.attributes["error.type"]
    assert StatusCode.ERROR is traced.span.status.status_code


def test_a_caller_that_hangs_up_is_nobodys_error(traced, asgi):
    """Starlette stops the stream when it receives the disconnect."""

    async def endless():
        while True:
            yield b"x"
            await asyncio.sleep(0)

    async def app(a_scope, receive, send):
        await StreamingResponse(endless())(a_scope, receive, send)

    asgi.call(TraceMiddleware(app, tracer_provider=traced.provider), incoming=[{"type": "http.disconnect"}])

    assert ["client_disconnected"] == [event.name for event in traced.span.events]
    assert StatusCode.UNSET is traced.span.status.status_code
    assert 200 == traced.span.attributes["http.response.status_code"]


def test_a_send_that_fails_tells_of_the_hang_up(traced, asgi):
    """Servers of ASGI 2.4 raise OSError, and Starlette makes ClientDisconnect of it."""

    async def app(a_scope, receive, send):
        await StreamingResponse(iter([b"a"]))(a_scope, receive, send)

    def on_send(message):
        if message["type"] == "http.response.body":
            raise OSError

    with pytest.raises(ClientDisconnect):
        asgi.call(
            TraceMiddleware(app, tracer_provider=traced.provider),
            asgi.scope(asgi={"spec_version": "2.4"}),
            on_send=on_send,
        )

    assert ["client_disconnected"] == [event.name for event in traced.span.events]
    assert StatusCode.UNSET is traced.span.status.status_code


def test_a_bug_after_the_hang_up_is_still_a_bug(traced, asgi):
    async def app(_scope, receive, _send):
        await receive()
        raise ValueError("in the cleaning up")

    with pytest.raises(ValueError, match="cleaning up"):
        asgi.call(
            TraceMiddleware(app, tracer_provider=traced.provider), incoming=[{"type": "http.disconnect"}]
        )

    assert "ValueError" == traced.span.attributes["error.type"]


def test_a_disconnect_after_the_answer_is_the_usual_end(traced, asgi):
    async def app(_scope, receive, send):
        await send(OK)
        await send(LAST)
        await receive()

    asgi.call(TraceMiddleware(app, tracer_provider=traced.provider), incoming=[{"type": "http.disconnect"}])

    assert () == tuple(traced.span.events)


def test_a_cancelled_request_is_an_error(traced, asgi):
    """A server that stops cuts answers off."""

    async def app(_scope, _receive, _send):
        raise asyncio.CancelledError

    with suppress(asyncio.CancelledError):
        asgi.call(TraceMiddleware(app, tracer_provider=traced.provider))

    assert "CancelledError" == traced.span.attributes["error.type"]


@pytest.mark.parametrize(
    ("path", "is_traced"),
    [("/health", False), ("/health/db", True), ("/static/a.css", False), ("/static", True), ("/", True)],
)
def test_excluded_paths_are_passed_through(traced, path, is_traced, asgi):
    app = TraceMiddleware(
        asgi.answers(OK, LAST), tracer_provider=traced.provider, excluded=["/health", "/static/*"]
    )

    assert [OK, LAST] == asgi.call(app, asgi.scope(path))
    assert is_traced == bool(traced.spans)


def test_a_string_is_no_list(asgi):
    with pytest.raises(TypeError, match="list of paths"):
        TraceMiddleware(asgi.answers(), excluded="/health")
    with pytest.raises(TypeError, match="list of names"):
        TraceMiddleware(asgi.answers(), capture_request_headers="cookie")


def test_the_lifespan_passes_through(traced, asgi):
    seen = []

    async def app(a_scope, _receive, _send):
        seen.append(a_scope["type"])

    asgi.call(TraceMiddleware(app, tracer_provider=traced.provider), {"type": "lifespan"})

    assert ["lifespan"] == seen
    assert () == traced.spans


def test_a_websocket_is_one_span_from_handshake_to_close(traced, asgi):
    async def echo(websocket):
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    app = Starlette(routes=[WebSocketRoute("/echo", echo)])
    incoming = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hi"}]
    a_scope = asgi.scope("/echo", (b"traceparent", TRACEPARENT.encode()), kind="websocket", scheme="ws")
    del a_scope["method"]
    sent = asgi.call(TraceMiddleware(app, tracer_provider=traced.provider), a_scope, incoming)

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
def test_a_refused_websocket_has_the_status_of_its_refusal(traced, message, status, asgi):
    asgi.call(
        TraceMiddleware(asgi.answers(message), tracer_provider=traced.provider), asgi.scope(kind="websocket")
    )

    assert status == traced.span.attributes["http.response.status_code"]


def test_requests_at_one_time_keep_their_traces_apart(traced, asgi):
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
        await asyncio.gather(
            *(middleware(asgi.scope(each, headers[each]), no_more, no_more) for each in traces)
        )

    asyncio.run(all_at_once())

    assert {each: each for each in traces} == seen
    assert sorted(traces) == sorted(f"{span.context.trace_id:032x}" for span in traced.spans)


def test_a_span_around_the_server_is_not_the_parent(traced, asgi):
    """A server may be started within a span; its requests are not parts of that."""
    app = TraceMiddleware(asgi.answers(OK, LAST), tracer_provider=traced.provider)
    with traced.provider.get_tracer("main").start_as_current_span("main"):
        asgi.call(app)
        asgi.call(app, asgi.scope("/", (b"traceparent", TRACEPARENT.encode())))

    first, second, main = traced.spans
    assert first.parent is None
    assert first.context.trace_id != main.context.trace_id
    assert TRACE == f"{second.context.trace_id:032x}"


def test_behind_another_middleware_the_span_is_a_part_of_its_own(traced, asgi):
    """Two SERVER spans side by side would count each request twice."""
    inner = TraceMiddleware(asgi.answers(OK, LAST), tracer_provider=traced.provider)
    app = TraceMiddleware(inner, tracer_provider=traced.provider)
    asgi.call(app, asgi.scope("/", (b"traceparent", TRACEPARENT.encode())))

    part, whole = sorted(traced.spans, key=lambda span: span.kind is SpanKind.SERVER)
    assert (SpanKind.INTERNAL, SpanKind.SERVER) == (part.kind, whole.kind)
    assert whole.context.span_id == part.parent.span_id


@pytest.mark.parametrize("provider", [NoOpTracerProvider(), SDKTracerProvider(ALWAYS_OFF)])
def test_without_recording_the_application_sees_no_difference(provider, asgi):
    """The caller's trace is passed on: https://www.w3.org/TR/trace-context-2/#mutating-the-traceparent-field."""
    outgoing: dict[str, str] = {}
    seen = []

    async def app(a_scope, receive, send):
        seen.append((receive, send))
        inject(outgoing)
        await send(OK)
        await send(LAST)

    middleware = TraceMiddleware(app, tracer_provider=provider)
    assert [OK, LAST] == asgi.call(middleware, asgi.scope("/", (b"traceparent", TRACEPARENT.encode())))

    assert TRACE == outgoing["traceparent"].split("-")[1]
    assert not any(hasattr(channel, "__self__") for channel in seen[0])  # the server's own, not ours
