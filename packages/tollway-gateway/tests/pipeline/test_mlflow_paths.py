"""MLflow's own paths, also those of its gateway in a database."""

from __future__ import annotations

import json

import pytest

CHAT = {"messages": [{"role": "user", "content": "hi"}]}
COMPLETION = {
    "id": "c",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "ho"}, "finish_reason": "stop"}],
}
DATABASE = "/gateway/chat/mlflow/invocations"
INVOCATIONS = ["/endpoints/chat/invocations", "/gateway/chat/invocations", DATABASE]
BY_MODEL = ["/gateway/mlflow/v1/chat/completions", "/gateway/openai/v1/chat/completions"]
CHUNK = {"id": "c", "choices": [{"index": 0, "delta": {"content": "ho"}, "finish_reason": "stop"}]}


@pytest.mark.parametrize("path", INVOCATIONS)
def test_path_that_names_its_endpoint(plain, path: str):
    running, _ = plain(lambda exchange: exchange.answer(COMPLETION))
    assert COMPLETION == running.client.post(path, json=CHAT).json()


@pytest.mark.parametrize("path", BY_MODEL)
def test_path_whose_payload_names_the_endpoint(plain, path: str):
    running, _ = plain(lambda exchange: exchange.answer(COMPLETION))
    assert COMPLETION == running.client.post(path, json=CHAT | {"model": "chat"}).json()
    missing = running.client.post(path, json=CHAT | {"model": "nope"})
    assert 404 == missing.status_code
    assert "no endpoint or route named 'nope'" in missing.json()["detail"]


def test_unknown_name(plain):
    running, _ = plain(lambda exchange: exchange.answer(COMPLETION))
    answer = running.client.post(DATABASE.replace("chat", "nope"), json=CHAT)
    assert 404 == answer.status_code
    assert "'nope'" in answer.json()["detail"]


@pytest.mark.parametrize("path", INVOCATIONS)
@pytest.mark.parametrize(
    ("options", "asked"), [({}, True), ({"stream_options": {"include_usage": False}}, False)]
)
def test_streams_are_asked_for_their_usage(plain, path: str, options: dict, asked: bool):
    """As in MLflow they end with it, unless the caller wants none; whatever else is in the body stays."""

    def script(exchange):
        exchange.begin_stream()
        exchange.event(CHUNK)
        exchange.chunk(b"data: [DONE]\n\n")
        exchange.end_stream()

    running, upstream = plain(script)
    number = 10**25
    body = f' {{"messages": {json.dumps(CHAT["messages"])}, "stream": true, "seed": {number}}}'
    if options:
        body = body.rstrip("}") + f", {json.dumps(options)[1:]}"
    running.client.post(path, content=body, headers={"content-type": "application/json"})
    sent = json.loads(upstream.requests.get_nowait().body)
    assert asked is sent["stream_options"]["include_usage"]
    assert number == sent["seed"]
