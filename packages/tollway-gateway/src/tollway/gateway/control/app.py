"""The control plane put together: routers, errors, documentation, spans."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.trace import TracerProvider
from starlette.routing import Match

from tollway.gateway.config.values import GatewayConfig

from . import docs, errors, mlflow, models, openapi, probes

Message = MutableMapping[str, Any]
ASGIApp = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]

_NO_SPANS = "/health$,/ready$,/metrics$"
"""Asked every few seconds by machines: their spans would bury those of people."""


def create_control_app(
    config: GatewayConfig,
    *,
    metrics: Callable[[str], tuple[bytes, str]],
    ready: Callable[[], bool],
    tracer_provider: TracerProvider | None = None,
) -> ASGIApp:
    """Build the application that serves every path which is not the data plane's.

    `metrics` renders the exposition for an Accept header; `ready` says whether requests are to be sent here.
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
    routers = (probes.router(metrics, ready), models.router(config), mlflow.router(config), docs.router(app))
    for router in routers:
        app.router.routes.extend(router.routes)  # an included router hides its routes from `_span_of`
    openapi.describe(app, config)
    traced: ASGIApp = OpenTelemetryMiddleware(
        app,
        excluded_urls=_NO_SPANS,
        default_span_details=lambda scope: _span_of(app, scope),
        tracer_provider=tracer_provider,
        exclude_spans=["receive", "send"],
    )
    return traced


def _span_of(app: FastAPI, scope: Message) -> tuple[str, dict[str, str]]:
    """Name a span by its route: paths are chosen by callers, and would be as many as they like."""
    for route in app.routes:
        matched, _ = route.matches(scope)
        path = getattr(route, "path", None)
        if matched is Match.FULL and path:
            return f"{scope['method']} {path}", {"http.route": path}
    return str(scope.get("method", "HTTP")), {}
