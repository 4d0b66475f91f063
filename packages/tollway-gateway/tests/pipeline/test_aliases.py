"""Names of models as callers write them: with `/` and `:`, further names of a route, and patterns."""

from __future__ import annotations

import pytest

from tollway.provider import BaseProvider, Target, Task

CHAT = {"messages": [{"role": "user", "content": "hi"}]}
PATH = "/v1/chat/completions"


class Named(BaseProvider):
    """Answers with the name of its endpoint."""

    def predict(self, payload):
        return self.target.endpoint if "messages" in payload else [[1.0]]


def endpoint(name: str, task: str = "llm/v1/chat") -> dict:
    return {"name": name, "endpoint_type": task, "model": {"provider": "named", "name": "m"}}


def route(name: str, to: str, *models: str, task: str = "llm/v1/chat") -> dict:
    destinations = [{"name": to, "traffic_percentage": 100}]
    return {"name": name, "task_type": task, "destinations": destinations, "models": models}


CONFIG = {
    "endpoints": [
        *(endpoint("openai/gpt-4o:latest"), endpoint("any"), endpoint("gpt"), endpoint("tuned")),
        endpoint("vectors", "llm/v1/embeddings"),
    ],
    "routes": [
        *(
            route("catch-all", "any", "*"),
            route("gpt-*", "gpt"),
            route("ft", "tuned", "gpt-*-tuned", "gpt-4"),
        ),
        route("all-vectors", "vectors", "*", "gpt-4", task="llm/v1/embeddings"),
    ],
}


@pytest.fixture
def running(gateway):
    providers = {
        one["name"]: Named(Target(one["name"], Task(one["endpoint_type"]), "m", {}))
        for one in CONFIG["endpoints"]
    }
    return gateway(CONFIG, providers=providers)


@pytest.mark.parametrize(
    ("model", "answers"),
    [
        ("openai/gpt-4o:latest", "openai/gpt-4o:latest"),
        ("catch-all", "any"),
        ("claude-3", "any"),
        ("", "any"),
        ("gpt-5", "gpt"),
        ("gpt-5-tuned", "tuned"),
        ("gpt-4", "tuned"),
        ("gpt-tuned", "gpt"),
        ("*", "any"),
        ("gpt", "gpt"),
    ],
)
def test_model_by_its_name_a_further_name_or_a_pattern(running, model: str, answers: str):
    """Names go before patterns, and of these the one with more letters before the others."""
    answer = running.client.post(PATH, json={"model": model} | CHAT)
    assert answers == answer.json()["choices"][0]["message"]["content"]


@pytest.mark.parametrize("model", ["anything", "gpt-4", "gpt-9"])
def test_patterns_stand_for_routes_of_the_same_type(running, model: str):
    assert 200 == running.client.post("/v1/embeddings", json={"model": model, "input": "a"}).status_code


@pytest.mark.parametrize("written", ["openai/gpt-4o:latest", "openai%2Fgpt-4o%3Alatest"])
def test_name_with_slashes_in_a_path(running, written: str):
    answer = running.client.post(f"/gateway/{written}/invocations/", json=CHAT)
    assert "openai/gpt-4o:latest" == answer.json()["choices"][0]["message"]["content"]


def test_spans_name_the_route(running):
    """Also where a pattern led to it; who asks an endpoint by its name comes by none."""
    for model, name in (("gpt-5", "gpt-*"), ("gpt", None)):
        running.client.post(PATH, json={"model": model} | CHAT)
        for span in (running.spans.wait_for("chat m"), running.spans.wait_for(f"POST {PATH}")):
            assert name == (span.attributes or {}).get("tollway.route")
