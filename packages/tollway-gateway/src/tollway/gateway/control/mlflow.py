"""What is served, in the shapes of MLflow's gateway. Nothing of `model.config` is ever in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, HTTPException

from tollway.gateway.config.values import EndpointConfig, GatewayConfig, LimitConfig, RouteConfig

from .serving import MISSING, Current, answer_of

_PERIODS = {1.0: "second", 60.0: "minute", 3600.0: "hour", 86400.0: "day"}


def router(current: Current) -> APIRouter:
    """Return the routes below `/api`."""
    routes = APIRouter(tags=["mlflow"])

    def endpoints() -> dict[str, dict[str, Any]]:
        return answer_of(current(), "mlflow endpoints", _endpoints)

    def all_names() -> dict[str, dict[str, Any]]:
        return answer_of(current(), "mlflow names", lambda config: _endpoints(config) | _as_endpoints(config))

    def splits() -> dict[str, dict[str, Any]]:
        return answer_of(current(), "mlflow routes", _routes)

    @routes.get("/api/2.0/endpoints", summary="All endpoints")
    async def list_endpoints() -> dict[str, Any]:
        return {"endpoints": list(all_names().values()), "next_page_token": None}

    @routes.get("/api/2.0/endpoints/{name:path}", summary="An endpoint, or a route", responses=MISSING)
    async def get_endpoint(name: str) -> dict[str, Any]:
        return _found(all_names(), name, "endpoint")

    @routes.get("/api/3.0/gateway/endpoint/{name:path}", summary="One endpoint", responses=MISSING)
    async def get_endpoint_alone(name: str) -> dict[str, Any]:
        return _found(endpoints(), name, "endpoint")

    @routes.get("/api/3.0/gateway/route/{name:path}", summary="One route", responses=MISSING)
    async def get_route(name: str) -> dict[str, Any]:
        return _found(splits(), name, "route")

    return routes


def _found(known: dict[str, dict[str, Any]], name: str, kind: str) -> dict[str, Any]:
    if name not in known:
        raise HTTPException(
            404, f"no {kind} named {name[:100]!r}; there are: {', '.join(sorted(known)) or 'none'}"
        )
    return known[name]


def _endpoints(config: GatewayConfig) -> dict[str, dict[str, Any]]:
    return {endpoint.name: _endpoint(endpoint) for endpoint in config.endpoints}


def _routes(config: GatewayConfig) -> dict[str, dict[str, Any]]:
    return {route.name: _route(route) for route in config.routes}


def _as_endpoints(config: GatewayConfig) -> dict[str, dict[str, Any]]:
    """Return the routes as endpoints: MLflow's clients ask both by the same paths, and list only these."""
    return {
        route.name: {
            "name": route.name,
            "endpoint_type": route.task_type,
            "model": {"name": route.name, "provider": "tollway"},
            "endpoint_url": f"/gateway/{route.name}/invocations",
            "limit": _first_limit(route.limits),
        }
        for route in config.routes
    }


def _endpoint(config: EndpointConfig) -> dict[str, Any]:
    return {
        "name": config.name,
        "endpoint_type": config.endpoint_type,
        "model": {"name": config.model.name, "provider": config.model.provider},
        "endpoint_url": f"/gateway/{config.name}/invocations",
        "limit": _first_limit(config.limits),
    }


def _first_limit(limits: Iterable[LimitConfig]) -> dict[str, Any] | None:
    return next((_limit(limit) for limit in limits if limit.calls is not None), None)


def _limit(limit: LimitConfig) -> dict[str, Any]:
    period_s = limit.renewal_period_s
    return {
        "calls": limit.calls,
        "renewal_period": _PERIODS.get(period_s, f"{period_s:g} seconds"),
        "burst": limit.burst or limit.calls,
        "key": None if limit.key == "endpoint" else limit.key,
    }


def _route(config: RouteConfig) -> dict[str, Any]:
    return {
        "name": config.name,
        "task_type": config.task_type,
        "destinations": [
            {"name": one.name, "traffic_percentage": one.traffic_percentage} for one in config.destinations
        ],
        "routing_strategy": config.routing_strategy,
        "endpoint_url": f"/gateway/{config.name}/invocations",
    }
