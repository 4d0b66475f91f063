"""Callers, and what they may use."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from tollway.provider import BaseProvider, Target, Task

CHAT = {"messages": [{"role": "user", "content": "hi"}]}
SHOP, LAB = "tk-shop-0123456789", "tk-lab-0123456789"


class Named(BaseProvider):
    def predict(self, payload):
        return self.target.endpoint


def endpoint(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "endpoint_type": "llm/v1/chat", "model": {"provider": "own", "name": "m"}, **more}


def key(name: str, secret: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "digest": sha256(secret.encode()).hexdigest(), **more}


ROUTE = {"name": "r", "task_type": "llm/v1/chat", "destinations": [{"name": "b", "traffic_percentage": 100}]}


@pytest.fixture
def start(gateway):
    def start(*keys: dict[str, Any], **more: Any) -> Any:
        config = {
            "endpoints": [endpoint("a", **more), endpoint("b")],
            "routes": [ROUTE],
            "auth": {"keys": list(keys)},
        }
        return gateway(config, providers={name: Named(Target(name, Task.CHAT, "m")) for name in "ab"})

    return start


def post(running, secret: str | None, model: str = "a", path: str = "/v1/chat/completions", **more: Any):
    headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
    return running.client.post(path, json={**CHAT, "model": model}, headers={**headers, **more})


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {SHOP}"},
        {"authorization": f"bearer  {SHOP}"},
        {"x-api-key": SHOP},
        {"api-key": SHOP},
        {"authorization": "Basic bWU6cHc=", "x-api-key": SHOP},
    ],
)
def test_a_key_comes_in_any_of_three_headers(start, headers: dict[str, str]):
    """OpenAI's, Anthropic's and Azure's clients each send another one."""
    assert 200 == post(start(key("shop", SHOP)), None, **headers).status_code


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/endpoints/a/invocations", "/gateway/x/invocations"]
)
def test_without_a_key_nothing_is_told(start, path: str):
    """A 401 in the shape of the API, with the scheme to use; not even which endpoints there are."""
    answer = post(start(key("shop", SHOP)), None, path=path)
    assert (401, 'Bearer realm="tollway"') == (answer.status_code, answer.headers["www-authenticate"])
    body = answer.json()
    assert ("missing_api_key", "authentication_error") == (body["error"]["code"], body["error"]["type"])
    assert path.startswith("/v1/") == ("detail" not in body)


def test_a_wrong_key_is_told_apart_from_none(start):
    """RFC 6750: `invalid_token`. The key is not repeated."""
    answer = post(start(key("shop", SHOP)), "tk-wrong-0123456789")
    assert (401, "invalid_api_key") == (answer.status_code, answer.json()["error"]["code"])
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert "tk-wrong" not in answer.text


def test_a_key_expires(start):
    """At that moment, not before."""
    running = start(key("old", SHOP, expires_s=1000.0), key("new", LAB, expires_s=1e12))
    assert "expired_api_key" == post(running, SHOP).json()["error"]["code"]
    assert 200 == post(running, LAB).status_code


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1/chat/completions", "b"),
        ("/v1/chat/completions", "r"),
        ("/endpoints/b/invocations", ""),
        ("/gateway/r/invocations", ""),
    ],
)
def test_a_key_uses_what_it_is_allowed(start, path: str, model: str):
    """Endpoints and routes by their names, on every path; another key may use all."""
    running = start(key("shop", SHOP, endpoints=["a"]), key("lab", LAB))
    answer = post(running, SHOP, model, path)
    assert (403, "endpoint_not_allowed") == (answer.status_code, answer.json()["error"]["code"])
    assert 200 == post(running, LAB, model, path).status_code
    assert 200 == post(running, SHOP).status_code


def test_a_path_that_is_not_allowed_is_refused_before_the_body(start):
    """What is sent to it is not even parsed."""
    running = start(key("shop", SHOP, endpoints=["a"]))
    headers = {"authorization": f"Bearer {SHOP}"}
    answer = running.client.post("/endpoints/b/invocations", content=b"{", headers=headers)
    assert 403 == answer.status_code


def test_other_names_are_not_told(start):
    """Who asks for what there is not is told what it may use, and nothing else."""
    running = start(key("shop", SHOP, endpoints=["a"]))
    assert post(running, SHOP, "x").json()["error"]["message"].endswith("there are: a")
    assert post(running, SHOP, path="/gateway/x/invocations").json()["detail"].endswith("there are: a")


def test_limits_of_key_route_and_endpoint_all_hold(start):
    """And what one of them denies is charged to none: here the key's limit keeps the endpoint's tokens."""
    many = {"calls": 3, "renewal_period_s": 3600}
    running = start(
        key("shop", SHOP, limits=[{"calls": 1, "renewal_period_s": 3600}]), key("lab", LAB), limits=[many]
    )
    assert [200, 429, 429] == [post(running, SHOP).status_code for _ in range(3)]
    assert [200, 200, 429] == [post(running, LAB).status_code for _ in range(3)]


def test_the_name_of_the_key_is_on_span_and_metrics(start):
    """Never the key."""
    running = start(key("shop", SHOP))
    post(running, SHOP)
    who = {"key": "shop", "endpoint": "a"}
    span = running.spans.wait_for("POST /v1/chat/completions")
    assert "shop" == span.attributes["tollway.key"]
    assert SHOP not in span.to_json()
    assert 1 == running.metric("gateway_key_requests_total", **who, status="200")
    assert SHOP not in running.app.metrics.render()[0].decode()
