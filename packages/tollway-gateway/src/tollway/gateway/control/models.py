"""OpenAI's list of models: every name that the caller may put into `model`."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, HTTPException, Request

from tollway.gateway.config.values import GatewayConfig

from .access import CALLER


def router(config: GatewayConfig) -> APIRouter:
    """Return the routes below `/v1/models`."""
    routes = APIRouter(tags=["models"])
    created = int(time.time())
    owners = {endpoint.name: endpoint.model.provider for endpoint in config.endpoints}
    owners |= {route.name: "tollway" for route in config.routes}
    models = {
        name: {"id": name, "object": "model", "created": created, "owned_by": owner}
        for name, owner in owners.items()
    }

    @routes.get("/v1/models", summary="The endpoints and routes, as OpenAI lists models")
    async def list_models(request: Request) -> dict[str, Any]:
        may_use = request.scope[CALLER].may_use
        return {"object": "list", "data": [one for name, one in models.items() if may_use(name)]}

    @routes.get("/v1/models/{model}", summary="One of them")
    async def get_model(model: str, request: Request) -> dict[str, Any]:
        if model not in models or not request.scope[CALLER].may_use(model):
            raise HTTPException(404, f"no endpoint or route named {model[:100]!r}")
        return models[model]

    return routes
