"""`POST /api/reload`: read the configuration again, and serve by it if nothing is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, HTTPException, Response

from tollway.gateway.apis import mlflow_shape
from tollway.gateway.config.changes import ReloadResult
from tollway.gateway.errors import Failure

from .probes import JSON

Reload = Callable[[str], Awaitable[ReloadResult]]


def router(reload: Callable[[], Reload | None]) -> APIRouter:
    """Return the route; `reload` returns what reloads, None where there is no file to read again."""
    routes = APIRouter(tags=["operations"])

    @routes.post(
        "/api/reload",
        summary="Read the configuration again, and serve by it",
        responses={
            409: {"description": "The configuration is from no file"},
            422: {"description": "It is refused: `problems` says why, and nothing has changed"},
        },
    )
    async def reload_configuration() -> Any:
        asked = reload()
        if asked is None:
            raise HTTPException(409, "this gateway was not started from a file: start it anew")
        result = await asked("POST /api/reload")
        if result.problems:
            return Response(_refusal(result), 422, media_type=JSON)
        return {"result": result.result, "changes": result.changes, "needs_restart": result.restart}

    return routes


def _refusal(result: ReloadResult) -> bytes:
    count = len(result.problems)
    message = f"the configuration was refused and nothing has changed: {count} problem{'s' * (count > 1)}"
    body = json.loads(mlflow_shape(Failure(422, "invalid_config", message)))
    body["problems"] = [
        {
            "line": one.line,
            "key": one.key,
            "message": f"{one.inside}: {one.message}" if one.inside else one.message,
            "hint": one.hint,
        }
        for one in result.problems
    ]
    return json.dumps(body).encode()
