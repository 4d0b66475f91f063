"""`POST /v1/traces`: spans of other services go into the gateway's store."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.concurrency import run_in_threadpool

from tollway.gateway.otlp_in import PATH, respond
from tollway.tracing import receiving


def router() -> APIRouter:
    """Return the route; what it takes is OTLP, which has its own specification."""
    routes = APIRouter(tags=["operations"])

    @routes.post(PATH, include_in_schema=False)
    async def receive_traces(request: Request) -> Response:
        receiver = receiving.receiver()
        if receiver is None:
            raise HTTPException(404, "this gateway stores no traces: set tracing.store")
        body = await request.body()
        answer = await run_in_threadpool(respond, receiver, request.scope["headers"], body)
        return Response(answer.body, answer.status, answer.headers, answer.content_type)

    return routes
