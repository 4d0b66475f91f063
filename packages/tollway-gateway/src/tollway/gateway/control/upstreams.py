"""How the upstreams are, as the worker that answers sees them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from tollway.gateway.resilience.upstream import Upstream

from .serving import Current


def router(current: Current) -> APIRouter:
    """Return the routes about upstreams."""
    routes = APIRouter(tags=["operations"])

    @routes.get("/api/upstreams", summary="Circuit breakers, load and retry budgets")
    async def list_upstreams() -> dict[str, Any]:
        return {"upstreams": [_shown(upstream) for upstream in current().upstreams]}

    return routes


def _shown(upstream: Upstream) -> dict[str, Any]:
    breaker = upstream.breaker
    return {
        "name": upstream.name,
        "circuit_breaker": breaker.state.name.lower(),
        "times_opened": breaker.opened,
        "retry_after_s": round(breaker.retry_after_s, 3),
        "in_flight": upstream.in_flight,
        "retries_denied_by_budget": upstream.budget.exhausted,
    }
