"""What the span of a request is called, and what it says."""

import pytest
from opentelemetry.trace import SpanKind, StatusCode
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from tollway.tracing.asgi import TraceMiddleware

OK = {"type": "http.response.start", "status": 200, "headers": []}
LAST = {"type": "http.response.body", "body": b""}


def test_a_request_is_a_server_span_with_the_conventions_attributes(traced, asgi):
    """Neither the query nor a header that carries keys is among them."""
    app = TraceMiddleware(asgi.answers(OK, LAST), tracer_provider=traced.provider)
    asgi.call(app, asgi.scope("/cart", (b"user-agent", b"shop/1"), (b"authorization", b"Bearer secret")))

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


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        (b"page=2&q=x%20y", "page=2&q=x%20y"),
        (b"page=2&api_key=hush&sig=hush", "page=2&api_key=REDACTED&sig=REDACTED"),
        (b"key=" + b"k" * 60_000 + b"&" + b"a=b&" * 1_000, ("key=REDACTED&" + "a=b&" * 1_000)[:1024]),
        (b"", None),
    ],
)
def test_a_query_is_recorded_where_it_is_asked_for(traced, asgi, query, kept):
    """By the conventions without its secrets: those of `url.query`, and what is named like them."""
    app = TraceMiddleware(asgi.answers(OK, LAST), tracer_provider=traced.provider, capture_query=True)
    asgi.call(app, {**asgi.scope("/cart"), "query_string": query})

    assert kept == traced.span.attributes.get("url.query")


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
def test_the_route_that_the_framework_found_names_the_span(traced, path, route, asgi):
    """With its mounts, but never with a value from the path."""
    asgi.call(TraceMiddleware(ROUTES, tracer_provider=traced.provider), asgi.scope(path))

    assert (f"GET {route}", route) == (traced.span.name, traced.span.attributes["http.route"])


def test_without_a_route_the_name_is_the_method(traced, asgi):
    asgi.call(TraceMiddleware(ROUTES, tracer_provider=traced.provider), asgi.scope("/nowhere/7"))

    assert "GET" == traced.span.name
    assert "http.route" not in traced.span.attributes


def test_an_unknown_method_is_no_name(traced, asgi):
    asgi.call(
        TraceMiddleware(asgi.answers(OK, LAST), tracer_provider=traced.provider), asgi.scope(method="BREW")
    )

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
def test_the_servers_address_is_the_one_that_was_asked_for(traced, host, server, address, asgi):
    """The Host header, then the socket's: the conventions' order."""
    a_scope = asgi.scope(server=server)
    a_scope["headers"] = [(b"host", host)]
    asgi.call(TraceMiddleware(asgi.answers(OK, LAST), tracer_provider=traced.provider), a_scope)

    attributes = traced.span.attributes
    assert address == (attributes.get("server.address"), attributes.get("server.port"))


def test_headers_are_captured_when_asked_for(traced, asgi):
    app = TraceMiddleware(
        asgi.answers({**OK, "headers": [(b"X-Cache", b"hit"), (b"set-cookie", b"secret")]}, LAST),
        tracer_provider=traced.provider,
        capture_request_headers=["X-Request-ID"],
        capture_response_headers=["x-cache"],
    )
    asgi.call(app, asgi.scope("/", (b"x-request-id", b"1"), (b"x-request-id", b"2"), (b"cookie", b"secret")))

    captured = {key: value for key, value in traced.span.attributes.items() if ".header." in key}
    assert {
        "http.request.header.x-request-id": ("1", "2"),
        "http.response.header.x-cache": ("hit",),
    } == captured
