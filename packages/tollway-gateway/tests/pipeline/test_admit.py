"""Limits and routes, as callers meet them."""

from __future__ import annotations

import itertools

import pytest

from tollway.gateway.pipeline import Runtime
from tollway.provider import BaseProvider, Target, Task

CHAT = {"messages": [{"role": "user", "content": "hi"}]}
LIMIT = {"calls": 2, "renewal_period_s": 60, "burst": 2}
PATHS = ["/endpoints/a/invocations", "/gateway/a/invocations", "/v1/chat/completions"]


class Named(BaseProvider):
    def predict(self, payload):
        return self.target.endpoint


class Clock:
    now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


def endpoint(name: str, **more):
    return {"name": name, "endpoint_type": "llm/v1/chat", "model": {"provider": "own", "name": "m"}, **more}


def start(gateway, config, **sources):
    names = [e["name"] for e in config["endpoints"]]
    providers = {name: Named(Target(name, Task.CHAT, "m")) for name in names}
    return gateway(config, providers=providers, runtime=Runtime({}, **sources))


def test_one_limit_covers_every_path_and_route(gateway):
    """The endpoint's bucket is the same whichever way a call comes in."""
    route = {
        "name": "r",
        "task_type": "llm/v1/chat",
        "destinations": [{"name": "a", "traffic_percentage": 100}],
    }
    running = start(
        gateway,
        {"endpoints": [endpoint("a", limits=[{**LIMIT, "burst": 4}])], "routes": [route]},
        clock_ns=Clock(),
    )
    post = running.client.post
    ways = [post(path, json={**CHAT, "model": "a"}) for path in PATHS]
    ways.append(post("/v1/chat/completions", json={**CHAT, "model": "r"}))
    assert [w.status_code for w in ways] == [200] * 4
    denied = [post(path, json={**CHAT, "model": "a"}) for path in PATHS]
    denied.append(post("/endpoints/r/invocations", json=CHAT))
    assert [d.status_code for d in denied] == [429] * 4


def test_denied_caller_is_told_when_to_come_back(gateway):
    """`Retry-After` is true: after that long, the call is served."""
    clock = Clock()
    running = start(gateway, {"endpoints": [endpoint("a", limits=[LIMIT])]}, clock_ns=clock)
    for left in ("1", "0"):
        allowed = running.client.post(PATHS[0], json=CHAT)
        assert allowed.headers["x-ratelimit-remaining-requests"] == left
    denied = running.client.post(PATHS[0], json=CHAT)
    error = denied.json()["error"]
    assert (denied.status_code, error["code"], error["type"]) == (
        429,
        "rate_limit_exceeded",
        "rate_limit_error",
    )
    assert denied.headers["retry-after"] == "30"
    assert denied.headers["ratelimit-policy"] == '"a";q=2;w=60'
    assert denied.headers["ratelimit"] == '"a";r=0;t=60'
    clock.now_ns += 30 * 10**9
    assert running.client.post(PATHS[0], json=CHAT).status_code == 200


def test_denial_is_an_event_and_counted(gateway):
    """A denied request has a SERVER span with the event, no attempt, no error."""
    running = start(gateway, {"endpoints": [endpoint("a", limits=[{**LIMIT, "burst": 1}])]}, clock_ns=Clock())
    for _ in range(2):
        running.client.post(PATHS[0], json=CHAT)
    spans = [running.spans.wait_for("POST /endpoints/{name}/invocations") for _ in range(2)]
    assert [len(span.events) for span in spans] == [0, 1]
    assert spans[1].events[0].name == "limit_denied"
    assert spans[1].status.is_unset
    who = {"endpoint": "a", "provider": "own", "model": "m"}
    assert running.metric("gateway_limit_denials_total", **who) == 1


def test_bad_requests_take_no_token(gateway):
    """Only calls that could reach a model count."""
    running = start(gateway, {"endpoints": [endpoint("a", limits=[{**LIMIT, "burst": 1}])]}, clock_ns=Clock())
    for _ in range(3):
        assert running.client.post(PATHS[0], json={}).status_code == 400
    assert running.client.post(PATHS[0], json=CHAT).status_code == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/endpoints/r/invocations"])
def test_route_splits_traffic_by_share(gateway, path: str):
    """Each destination gets its share of the random marks."""
    route = {
        "name": "r",
        "task_type": "llm/v1/chat",
        "destinations": [
            {"name": "a", "traffic_percentage": 80},
            {"name": "b", "traffic_percentage": 20},
            {"name": "c", "traffic_percentage": 0},
        ],
    }
    marks = itertools.chain([0.0, 0.5, 0.79, 0.81, 0.999], itertools.repeat(0.0))
    config = {"endpoints": [endpoint("a"), endpoint("b"), endpoint("c")], "routes": [route]}
    running = start(gateway, config, random=lambda: next(marks))
    answers = [running.client.post(path, json={**CHAT, "model": "r"}).json() for _ in range(5)]
    chosen = [answer["choices"][0]["message"]["content"] for answer in answers]
    assert chosen == ["a", "a", "a", "b", "b"]


def test_failed_calls_tell_of_the_limit_too(gateway):
    """A call that the model failed has cost a token, and its answer says so."""

    class Failing(BaseProvider):
        def predict(self, payload):
            raise RuntimeError

    failing = Failing(Target("a", Task.CHAT, "m"))
    running = gateway({"endpoints": [endpoint("a", limits=[LIMIT])]}, providers={"a": failing})
    answer = running.client.post(PATHS[0], json=CHAT)
    assert (answer.status_code, answer.headers["x-ratelimit-remaining-requests"]) == (500, "1")
