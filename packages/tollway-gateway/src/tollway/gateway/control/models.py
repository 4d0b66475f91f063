"""OpenAI's list of models: every name that callers may put into `model`."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, HTTPException

from tollway.gateway.config.values import GatewayConfig


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
    async def list_models() -> dict[str, Any]:
        return {"object": "list", "data": list(models.values())}

    @routes.get("/v1/models/{model}", summary="One of them")
    async def get_model(model: str) -> dict[str, Any]:
        if model not in models:
            raise HTTPException(404, f"no endpoint or route named {model[:100]!r}")
        return models[model]

    return routes
