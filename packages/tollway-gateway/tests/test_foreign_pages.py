"""No page in a browser on this machine spends the keys of the gateway, on either plane."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tollway.gateway.pipeline import Runtime
from tollway.provider import BaseProvider, Target, Task

BODY = b'{"model": "chat", "messages": [{"role": "user", "content": "hi"}]}'
UNKNOWN = {"endpoint": "unknown", "provider": "unknown", "model": "unknown"}

FOREIGN = [
    ({"sec-fetch-site": "cross-site", "origin": "http://evil.example"}, "cross_site_request"),
    ({"origin": "null"}, "cross_site_request"),
    ({"host": "evil.example"}, "host_not_allowed"),
]


class Model(BaseProvider):
    calls = 0

    def predict(self, payload: Any) -> str:
        self.calls += 1
        return "ho"


@pytest.fixture
def model_and_gateway(gateway) -> tuple[Model, Any]:
    own = Model(Target("chat", Task.CHAT, "m"))
    common = {"endpoint_type": "llm/v1/chat", "model": {"provider": "own", "name": "m"}}
    config = {"endpoints": [{"name": "chat", **common}]}
    local = Runtime({}, is_local=True)
    return own, gateway(config, providers={"chat": own}, control=None, runtime=local)


@pytest.mark.parametrize(("headers", "code"), FOREIGN)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/endpoints/chat/invocations"])
def test_a_foreign_page_gets_no_answer_from_a_model(model_and_gateway, headers, code: str, path: str):
    """A form's `text/plain` POST needs no preflight: it is a 403 in the API's shape, counted and traced."""
    own, gateway = model_and_gateway
    answer = gateway.client.post(path, content=BODY, headers={"content-type": "text/plain", **headers})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"]) == (403, code, "permission_error")
    assert own.calls == 0
    route = path.replace("/chat/i", "/{name}/i")
    assert gateway.metric("gateway_errors_total", **UNKNOWN, route=route, code=code) == 1
    assert gateway.spans.wait_for(f"POST {route}").attributes["http.response.status_code"] == 403


@pytest.mark.parametrize(("headers", "code"), FOREIGN)
@pytest.mark.parametrize("path", ["/metrics", "/health", "/v1/models", "/api/2.0/endpoints/", "/nope"])
def test_a_foreign_page_sees_nothing_of_the_control_plane(model_and_gateway, headers, code: str, path: str):
    _, gateway = model_and_gateway
    answer = gateway.client.get(path, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, code)
    gateway.wait_for_metric(1, "gateway_errors_total", **UNKNOWN, route="control", code=code)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"host": "localhost"},
        {"host": "[::1]:8000"},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
    ],
)
def test_clients_and_own_pages_are_served(model_and_gateway, headers):
    """curl sends no type of its own and no origin; `/docs` sends its own."""
    own, gateway = model_and_gateway
    request = httpx.Request("POST", f"{gateway.url}/v1/chat/completions", content=BODY, headers=headers)
    assert gateway.client.send(request).status_code == 200
    assert own.calls == 1
    for path in ("/docs", "/metrics", "/v1/models"):
        assert gateway.client.get(path, headers=headers).status_code == 200


def test_the_docs_cannot_be_framed(model_and_gateway):
    """A page could lay itself over the button that sends a request."""
    _, gateway = model_and_gateway
    assert "frame-ancestors 'none'" in gateway.client.get("/docs").headers["content-security-policy"]


def test_elsewhere_any_host_is_served(model):
    """Where others reach the gateway nobody knows its names."""
    gateway = model(lambda payload: "ho")
    answer = gateway.client.post("/v1/chat/completions", content=BODY, headers={"host": "gateway.example"})
    assert answer.status_code == 200
