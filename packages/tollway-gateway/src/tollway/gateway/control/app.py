"""What FastAPI serves put together: routers, errors, documentation, spans. Importing this is slow."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.trace import TracerProvider
from starlette.routing import Match

from tollway.gateway.config.values import GatewayConfig

from . import docs, errors, mlflow, models, openapi, operations
from .plane import ASGIApp, Message
from .probes import Probes

_NO_SPANS = "/health$,/ready$,/metrics$"
"""Asked every few seconds by machines: their spans would bury those of people."""


def build_app(config: GatewayConfig, probes: Probes, tracer_provider: TracerProvider | None) -> ASGIApp:
    """Build the whole control plane; the probes are in it for its documentation and its errors."""
    app = FastAPI(
        title="Tollway",
        version=version("tollway-gateway"),
        docs_url=None,
        redoc_url=None,
        exception_handlers=errors.HANDLERS,
        # Newer FastAPIs make spans of their own: one instrumentation is enough. Older ones ignore this.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    routers = (operations.router(probes), models.router(config), mlflow.router(config), docs.router(app))
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
