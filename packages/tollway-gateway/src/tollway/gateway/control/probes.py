"""What machines ask: is it alive, does it take requests, what does it count."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse


def router(metrics: Callable[[str], tuple[bytes, str]], ready: Callable[[], bool]) -> APIRouter:
    """Return the routes of the probes."""
    routes = APIRouter(tags=["operations"])

    @routes.get("/health", summary="Whether the process lives")
    async def health() -> dict[str, str]:
        return {"status": "OK"}

    @routes.get("/ready", summary="Whether requests are to be sent here", responses={503: {}})
    async def is_ready() -> JSONResponse:
        if ready():
            return JSONResponse({"status": "OK"})
        return JSONResponse({"status": "UNAVAILABLE"}, 503)

    @routes.get("/metrics", summary="Prometheus metrics, OpenMetrics if asked for", response_class=Response)
    async def rendered(request: Request) -> Response:
        body, content_type = metrics(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    return routes
