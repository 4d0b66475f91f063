"""Who may ask the control plane what."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from tollway.provider import BaseProvider, Target, Task
from tollway.tracing import receiving

ADMIN, SHOP = "tk-admin-0123456789", "tk-shop-0123456789"
ADMIN_PATHS = [
    "/metrics",
    "/docs",
    "/openapi.json",
    "/api/2.0/endpoints/",
    "/api/upstreams",
    "/",
    "/x",
]


class Model(BaseProvider):
    def predict(self, payload):
        return "ho"


def digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()


KEYS = {"keys": [{"name": "shop", "digest": digest(SHOP), "endpoints": ["a"]}]}
BOTH = {**KEYS, "admin_digest": digest(ADMIN)}


@pytest.fixture
def start(gateway):
    def start(auth: dict[str, Any]) -> Any:
        model = {"provider": "own", "name": "m"}
        endpoints = [{"name": name, "endpoint_type": "llm/v1/chat", "model": model} for name in "ab"]
        providers = {name: Model(Target(name, Task.CHAT, "m")) for name in "ab"}
        return gateway({"endpoints": endpoints, "auth": auth}, providers=providers, control=None)

    return start


def get(running, path: str, key: str | None = None, **more: Any) -> Any:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    return running.client.get(path, headers=headers, **more)


def test_the_admin_asks_everything(start):
    """With its key in a header, or as the password that a browser asks for."""
    running = start(BOTH)
    for path in ADMIN_PATHS:
        assert [401] * 3 == [get(running, path, key).status_code for key in (None, SHOP, "wrong")]
        known = get(running, path, ADMIN).status_code
        assert known == running.client.get(path, auth=("me", ADMIN)).status_code
        assert known in (200, 307, 404)
    refused = get(running, "/docs")
    assert "admin_key_required" == refused.json()["error"]["code"]
    assert ["Bearer", "Basic"] == [
        challenge.split(" ")[0] for challenge in refused.headers.get_list("www-authenticate")
    ]


def test_traces_are_sent_with_the_admin_key(start, monkeypatch: pytest.MonkeyPatch):
    """Without a store there is nothing to send them to."""
    monkeypatch.setattr(receiving, "_receiver", None)
    running = start(BOTH)
    statuses = [
        running.client.post("/v1/traces", headers={"authorization": f"Bearer {key}"}, json={}).status_code
        for key in (SHOP, ADMIN)
    ]
    assert [401, 404] == statuses


@pytest.mark.parametrize("auth", [KEYS, BOTH])
@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_probes_are_open(start, auth: dict[str, Any], path: str):
    """A balancer has no key."""
    assert 200 == get(start(auth), path).status_code


def test_the_pages_ask_for_the_key_themselves(start):
    """Their files have no secrets; their data needs the key, and the browser does not ask for it first."""
    running = start(BOTH)
    assert [200, 200] == [get(running, path).status_code for path in ("/ui/", "/ui/app.js")]
    for path in ("/ui/api", "/ui/api/info", "/ui/api/traces/x", "/ui//api/info", "/ui/x/../api/info"):
        refused = get(running, path)
        assert 401 == refused.status_code, path
        assert "Basic" not in refused.headers["www-authenticate"]
    assert 200 == get(running, "/ui/api/info", ADMIN).status_code


def test_metrics_may_be_public(start):
    """For a scraper without a key, in a network of one's own; nothing else is."""
    running = start({**BOTH, "public_metrics": True})
    assert [200, 401] == [get(running, path).status_code for path in ("/metrics", "/docs")]


def test_without_an_admin_key_nobody_is_the_admin(start):
    """Where callers have keys; the answer says what to set."""
    running = start(KEYS)
    assert "auth.admin_key" in get(running, "/api/2.0/endpoints/", SHOP).json()["detail"]


def test_models_are_those_that_the_key_may_use(start):
    """The admin sees all of them."""
    running = start(BOTH)
    assert 401 == get(running, "/v1/models").status_code
    assert ["a"] == [model["id"] for model in get(running, "/v1/models", SHOP).json()["data"]]
    assert ["a", "b"] == [model["id"] for model in get(running, "/v1/models", ADMIN).json()["data"]]
    assert [200, 404] == [get(running, f"/v1/models/{name}", SHOP).status_code for name in "ab"]


def test_the_admin_is_no_caller(start):
    """Its key opens no model."""
    payload = {"model": "a", "messages": [{"role": "user", "content": "hi"}]}
    headers = {"authorization": f"Bearer {ADMIN}"}
    answer = start(BOTH).client.post("/v1/chat/completions", json=payload, headers=headers)
    assert 401 == answer.status_code


@pytest.mark.parametrize("credentials", ["Basic !", "Basic", "Basic bWU=", "Bearer", "Digest x"])
def test_odd_credentials_are_refused(start, credentials: str):
    answer = start(BOTH).client.get("/docs", headers={"authorization": credentials})
    assert 401 == answer.status_code
