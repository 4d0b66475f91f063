"""What FastAPI serves put together: routers, errors, documentation, spans. Importing this is slow."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

from fastapi import FastAPI
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.trace import TracerProvider
from starlette.routing import Match

from tollway.gateway.pages import routes as pages
from tollway.gateway.pages.sources import Source

from . import docs, errors, mlflow, models, openapi, operations, otlp, upstreams
from .counting import ASGIApp, Message, Receive, Send
from .probes import Probes
from .reload import Reload
from .reload import router as router_of_reload
from .serving import Current

_QUERY = "tollway.query"
"""Where a scope keeps its query while it passes the instrumentation."""

_NO_SPANS = "/health$,/ready$,/metrics$,/v1/traces$,/ui$,/ui/"
"""Asked every few seconds by machines: their spans would bury those of people; spans of spans have no end."""


def build_app(
    current: Current,
    probes: Probes,
    reload: Callable[[], Reload | None],
    source: Source,
    tracer_provider: TracerProvider | None,
) -> ASGIApp:
    """Build the whole control plane; the probes are in it for its documentation and its errors.

    source: of what the pages show.
    """
    app = FastAPI(
        title="Tollway",
        version=version("tollway-gateway"),
        docs_url=None,
        redoc_url=None,
        exception_handlers=errors.HANDLERS,
        # Newer FastAPIs make spans of their own: one instrumentation is enough. Older ones ignore this.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    routers = (
        operations.router(probes),
        models.router(current),
        mlflow.router(current),
        upstreams.router(current),
        router_of_reload(reload),
        otlp.router(),
        pages.router(source),
        docs.router(app, current),
    )
    for router in routers:
        app.router.routes.extend(router.routes)  # an included router hides its routes from `_span_of`
    openapi.describe(app, current)
    traced: ASGIApp = OpenTelemetryMiddleware(
        _head_as_get(_with_query(app)),
        excluded_urls=_NO_SPANS,
        default_span_details=lambda scope: _span_of(app, scope),
        tracer_provider=tracer_provider,
        exclude_spans=["receive", "send"],
    )
    return _in_utf8(_without_query(traced))


def _without_query(app: ASGIApp) -> ASGIApp:
    """Hide the query from the instrumentation, which would store it: callers put keys there."""

    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        if scope.get("query_string"):
            scope = {**scope, "query_string": b"", _QUERY: scope["query_string"]}
        await app(scope, receive, send)

    return serve


def _with_query(app: ASGIApp) -> ASGIApp:
    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        if _QUERY in scope:
            scope = {**scope, "query_string": scope[_QUERY]}
        await app(scope, receive, send)

    return serve


def _head_as_get(app: ASGIApp) -> ASGIApp:
    """Answer HEAD as GET; the server leaves the body out."""

    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        await app(_as_get(scope), receive, send)

    return serve


def _as_get(scope: Message) -> Message:
    return {**scope, "method": "GET"} if scope.get("method") == "HEAD" else scope


def _in_utf8(app: ASGIApp) -> ASGIApp:
    """Pass every header value on as UTF-8: the instrumentation fails at some that are not."""

    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        headers = scope.get("headers", ())
        if not all(value.isascii() for _, value in headers):
            scope = {**scope, "headers": [(name, _utf8(value)) for name, value in headers]}
        await app(scope, receive, send)

    return serve


def _utf8(value: bytes) -> bytes:
    try:
        value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1").encode()
    return value


def _span_of(app: FastAPI, scope: Message) -> tuple[str, dict[str, str]]:
    """Name a span by its route: paths are chosen by callers, and would be as many as they like."""
    for route in app.routes:
        matched, _ = route.matches(_as_get(scope))
        path = getattr(route, "path_format", None)
        if matched is Match.FULL and path:
            return f"{scope['method']} {path}", {"http.route": path}
    return str(scope.get("method", "HTTP")), {}
