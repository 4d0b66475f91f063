"""Large requests, which are scanned and not parsed, are treated as small ones are."""

from __future__ import annotations

import json

import pytest

from tollway.provider import Target, Task
from tollway.providers.openai import OpenAIProvider

TEXT = 'A toll is due at the bridge, é, "as" the sign says.\n' * 40
MESSAGES = [{"role": "user", "content": TEXT}, {"role": "assistant", "content": TEXT}] * 10
ANSWER = {"id": "1", "choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": "stop"}]}
EVENTS = ({"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]}, b"[DONE]")


@pytest.fixture
def asked(gateway, upstream):
    """Start a gateway before OpenAI; gives what asks it, and the service."""

    def script(exchange):
        if exchange.json.get("stream"):
            exchange.begin_stream()
            for event in EVENTS:
                exchange.event(event)
            exchange.end_stream()
        else:
            exchange.answer(ANSWER)

    service = upstream(script)
    config = {"openai_api_base": f"{service.url}/v1"}
    endpoint = {
        "name": "gpt",
        "endpoint_type": "llm/v1/chat",
        "model": {"provider": "openai", "name": "gpt-4o"},
    }
    running = gateway(
        {"endpoints": [endpoint], "server": {"max_json_nodes": 500}},
        providers={"gpt": OpenAIProvider(Target("gpt", Task.CHAT, "gpt-4o", config))},
    )
    return running, service


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("indent", [None, 1])
def test_bytes_pass_with_the_model_spliced_in(asked, stream: bool, indent: int | None):
    running, service = asked
    more = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    body = json.dumps({"messages": MESSAGES, "model": "gpt", "x": 10**30, **more}, indent=indent).encode()
    answer = running.client.post("/v1/chat/completions", content=body)
    assert 200 == answer.status_code
    assert body.replace(b'"gpt"', b'"gpt-4o"') == service.requests.get(timeout=30).body


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"model": "gpt", "messages": [*MESSAGES, {"content": "a"}]}, 400, "invalid_type"),
        ({"model": "gpt", "messages": [*MESSAGES, {"role": 1}]}, 400, "invalid_type"),
        ({"model": "gpt", "messages": [*MESSAGES, "a"]}, 400, "invalid_type"),
        ({"model": "gpt", "messages": TEXT * 20}, 400, "invalid_type"),
        ({"model": "gpt", "x": MESSAGES}, 400, "missing_required_parameter"),
        ({"model": 1, "messages": MESSAGES}, 400, "invalid_type"),
        ({"model": "nobody", "messages": MESSAGES}, 404, "model_not_found"),
        ({"model": "gpt", "messages": MESSAGES, "x": [1] * 20_000}, 413, "json_too_large"),
        (json.dumps({"model": "gpt", "messages": MESSAGES})[:-1], 400, "invalid_json"),
        (json.dumps({"model": "gpt", "messages": MESSAGES})[:-1] + ',"model":"gpt"}', 400, "duplicate_key"),
    ],
)
def test_faults_are_told_as_those_of_small_requests(asked, body, status: int, code: str):
    running, service = asked
    content = body if isinstance(body, str) else json.dumps(body)
    answer = running.client.post("/v1/chat/completions", content=content)
    assert (status, code) == (answer.status_code, answer.json()["error"]["code"])
    assert service.requests.empty()


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses"])
def test_translations_see_all_of_it(asked, path: str):
    running, service = asked
    key = "input" if path.endswith("responses") else "messages"
    bound = "max_output_tokens" if path.endswith("responses") else "max_tokens"
    payload = {"model": "gpt", key: MESSAGES, bound: 5}
    assert 200 == running.client.post(path, json=payload).status_code
    sent = service.requests.get(timeout=30).json["messages"]
    assert [one["role"] for one in MESSAGES] == [one["role"] for one in sent]
    assert json.dumps(TEXT) in json.dumps(sent)
