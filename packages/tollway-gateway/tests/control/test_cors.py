"""Pages that may call models may ask which there are; the rest of the control plane is for no page."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.control import create_control_app
from tollway.gateway.pipeline import Runtime
from tollway.gateway.serving import Snapshots, build
from tollway.gateway.telemetry import Metrics

ORIGIN = "https://app.example"
PAGE = {"origin": ORIGIN, "sec-fetch-site": "cross-site"}
PREFLIGHT = PAGE | {"access-control-request-method": "GET"}
ALLOW = "access-control-allow-origin"
CONFIG = {
    "endpoints": [
        {
            "name": "chat",
            "endpoint_type": "llm/v1/chat",
            "model": {"provider": "openai", "name": "m", "config": {"openai_api_key": "k"}},
        }
    ],
    "server": {"cors": {"origins": [ORIGIN]}},
}


def ask(method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    snapshots = Snapshots(build(GatewayConfig(**CONFIG), Runtime({})), Metrics())
    app = create_control_app(lambda: snapshots.current, metrics=Metrics(), unready=lambda: None)

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(asked())


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/chat"])
def test_models(path: str):
    answer = ask("GET", path, PAGE)
    assert (200, ORIGIN) == (answer.status_code, answer.headers[ALLOW])
    answer = ask("OPTIONS", path, PREFLIGHT)
    assert (204, ORIGIN) == (answer.status_code, answer.headers[ALLOW])


@pytest.mark.parametrize("path", ["/api/2.0/endpoints/", "/metrics", "/docs", "/api/reload", "/v1/modelsx"])
def test_everything_else(path: str):
    for method, headers in (("GET", PAGE), ("OPTIONS", PREFLIGHT)):
        answer = ask(method, path, headers)
        assert (403, "cross_site_request") == (answer.status_code, answer.json()["error"]["code"])
        assert ALLOW not in answer.headers


def test_requests_that_come_from_no_page():
    answer = ask("GET", "/api/2.0/endpoints/", {})
    assert (200, False) == (answer.status_code, ALLOW in answer.headers)
