"""OpenAI's list of models: every name that the caller may put into `model`."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, HTTPException, Request

from tollway.gateway.config.values import GatewayConfig

from .access import CALLER
from .serving import MISSING, Current, answer_of


def router(current: Current) -> APIRouter:
    """Return the routes below `/v1/models`."""
    routes = APIRouter(tags=["models"])

    def models() -> dict[str, Any]:
        return answer_of(current(), "models", _models)

    @routes.get("/v1/models", summary="The endpoints and routes, as OpenAI lists models")
    async def list_models(request: Request) -> dict[str, Any]:
        may_use = request.scope[CALLER].may_use
        return {"object": "list", "data": [one for name, one in models().items() if may_use(name)]}

    @routes.get("/v1/models/{model:path}", summary="One of them", responses=MISSING)
    async def get_model(model: str, request: Request) -> dict[str, Any]:
        if model not in models() or not request.scope[CALLER].may_use(model):
            raise HTTPException(404, f"no endpoint or route named {model[:100]!r}")
        found: dict[str, Any] = models()[model]
        return found

    return routes


def _models(config: GatewayConfig) -> dict[str, Any]:
    created = int(time.time())
    owners = {endpoint.name: endpoint.model.provider for endpoint in config.endpoints}
    owners |= {route.name: "tollway" for route in config.routes}
    return {
        name: {"id": name, "object": "model", "created": created, "owned_by": owner}
        for name, owner in owners.items()
    }
