"""Each endpoint type by each of its paths."""

from __future__ import annotations

import pytest

from tollway.provider import BaseProvider, Target, Task

MESSAGES = [{"role": "user", "content": "hi"}]

TASKS = {
    Task.CHAT: ("/v1/chat/completions", {"messages": MESSAGES}, "chat"),
    Task.COMPLETIONS: ("/v1/completions", {"prompt": "hi"}, "text_completion"),
    Task.EMBEDDINGS: ("/v1/embeddings", {"input": ["hi"]}, "embeddings"),
}


class Own(BaseProvider):
    def predict(self, payload):
        return [[1.0, 2.0]] if "input" in payload else "ho"


@pytest.fixture
def running(gateway):
    endpoints = [
        {"name": task.name.lower(), "endpoint_type": task, "model": {"provider": "own", "name": "m"}}
        for task in Task
    ]
    providers = {task.name.lower(): Own(Target(task.name.lower(), task, "m")) for task in Task}
    return gateway({"endpoints": endpoints}, providers=providers)


CONTENT = {
    Task.CHAT: lambda answer: answer["choices"][0]["message"]["content"] == "ho",
    Task.COMPLETIONS: lambda answer: answer["choices"][0]["text"] == "ho",
    Task.EMBEDDINGS: lambda answer: answer["data"][0]["embedding"] == [1.0, 2.0],
}


@pytest.mark.parametrize("task", Task)
def test_openai_path_and_mlflow_path(running, task: Task):
    """An endpoint answers on its API's path and on its own, with a span named by its operation."""
    path, payload, operation = TASKS[task]
    name = task.name.lower()
    for url, body in ((path, {**payload, "model": name}), (f"/endpoints/{name}/invocations", payload)):
        answer = running.client.post(url, json=body)
        assert answer.status_code == 200
        assert CONTENT[task](answer.json())
        span = running.spans.wait_for(f"{operation} m")
        assert span.attributes["gen_ai.operation.name"] == operation


@pytest.mark.parametrize("task", [Task.CHAT, Task.COMPLETIONS])
def test_streams(running, task: Task):
    path, payload, _ = TASKS[task]
    body = {**payload, "model": task.name.lower(), "stream": True}
    assert running.client.post(path, json=body).text.endswith("data: [DONE]\n\n")


def test_embeddings_cannot_be_streamed(running):
    body = {"input": "hi", "model": "embeddings", "stream": True}
    answer = running.client.post("/v1/embeddings", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "stream")


@pytest.mark.parametrize(("task", "key"), [(Task.COMPLETIONS, "prompt"), (Task.EMBEDDINGS, "input")])
@pytest.mark.parametrize("value", [None, 1, {}, [None], [1.5]])
def test_what_is_asked_must_be_text(running, task: Task, key: str, value):
    path, _, _ = TASKS[task]
    answer = running.client.post(path, json={"model": task.name.lower(), key: value})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, key)


@pytest.mark.parametrize("asked", [{}, {"input": ""}, {"input": []}])
def test_there_must_be_something_to_embed(running, asked: dict):
    answer = running.client.post("/v1/embeddings", json={"model": "embeddings"} | asked)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "input")


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/embeddings", {"input": [{"text": "a"}, {"image": "http://a.example/b.png"}]}),
        ("/v1/embeddings", {"input": [{"content": [{"type": "text", "text": "a"}]}]}),
        ("/v1/embeddings", {"messages": [{"role": "user", "content": "a"}], "input": ["a"]}),
        ("/v1/completions", {"prompt": ""}),
        ("/v1/completions", {}),
        ("/v1/completions", {"prompt_embeds": "AAAA"}),
    ],
)
def test_what_only_some_models_take_is_their_business(running, path: str, asked: dict):
    """Objects to embed, conversations, a prompt that is empty, missing, or embeddings itself."""
    model = "embeddings" if path == "/v1/embeddings" else "completions"
    assert 200 == running.client.post(path, json={"model": model} | asked).status_code
