"""Answers customers: asks the catalog, then a model through the gateway. Traced by Tollway's middleware."""

from __future__ import annotations

import os
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tollway import tracing
from tollway.tracing.asgi import TraceMiddleware

CATALOG = os.environ.get("CATALOG_URL", "http://127.0.0.1:8101")
GATEWAY = os.environ.get("GATEWAY_URL", "http://127.0.0.1:8000")

tracing.configure()  # OTEL_SERVICE_NAME and OTEL_EXPORTER_OTLP_ENDPOINT say the rest

http = httpx.AsyncClient(timeout=60, trust_env=False)


async def call(name: str, method: str, url: str, json: Any = None) -> Any:
    """Ask another service; the span is the one that its own hangs under."""
    with tracing.start_span(name, kind="client") as span:
        headers: dict[str, str] = {}
        tracing.inject(headers)
        answer = await http.request(method, url, json=json, headers=headers)
        span.set_attribute("http.response.status_code", answer.status_code)
        answer.raise_for_status()
        return answer.json()


@tracing.trace
def write_prompt(question: str, stock: dict[str, Any]) -> list[dict[str, str]]:
    facts = f"{stock['name']}: {stock['in_stock']} in stock."
    return [{"role": "system", "content": facts}, {"role": "user", "content": question}]


async def ask(request: Request) -> JSONResponse:
    question, item = request.query_params["question"], request.query_params["item"]
    stock = await call("look up", "GET", f"{CATALOG}/items/{item}")
    body = {"messages": write_prompt(question, stock), "max_tokens": 24}
    answer = await call("ask the model", "POST", f"{GATEWAY}/endpoints/assistant/invocations", body)
    return JSONResponse({"answer": answer["choices"][0]["message"]["content"]})


app = TraceMiddleware(Starlette(routes=[Route("/ask", ask)]))
