"""The probes as FastAPI documents them. A GET is answered before it gets here: see `plane.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response

from .probes import HEALTH, METRICS, READY, Probes

_DOCUMENTED: dict[str, dict[str, Any]] = {
    HEALTH: {"summary": "Whether the process lives"},
    READY: {"summary": "Whether requests are to be sent here", "responses": {503: {}}},
    METRICS: {"summary": "Prometheus metrics, OpenMetrics if asked for", "response_class": Response},
}


def router(probes: Probes) -> APIRouter:
    """Return the routes of the probes."""
    routes = APIRouter(tags=["operations"])
    for path, documented in _DOCUMENTED.items():
        routes.get(path, name=path.strip("/"), **documented)(_answering(probes, path))
    return routes


def _answering(probes: Probes, path: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        status, content_type, body = probes.answer(path, request.headers.get("accept", ""))
        return Response(body, status, {"content-type": content_type})

    return answer
