"""A service that refuses `stream_options` is asked without them, and that is remembered."""

from __future__ import annotations

import pytest

from tollway.provider import HTTPProvider, Target, Task

ENDPOINT = {
    "name": "chat",
    "endpoint_type": "llm/v1/chat",
    "model": {"provider": "strict", "name": "m"},
}
CHUNK = {"id": "c", "choices": [{"index": 0, "delta": {"content": "ho"}, "finish_reason": "stop"}]}
STREAM = {"messages": [{"role": "user", "content": "hi"}], "stream": True}


class Strict(HTTPProvider):
    """Speaks OpenAI's dialect."""

    base_url_setting = "url"


def strict(exchange):
    if "stream_options" in exchange.json:
        exchange.answer({"error": {"message": "Unrecognized argument: stream_options"}}, 400)
        return
    exchange.begin_stream()
    exchange.event(CHUNK)
    exchange.chunk(b"data: [DONE]\n\n")
    exchange.end_stream()


@pytest.fixture
def asked(gateway, upstream):
    server = upstream(strict)
    provider = Strict(Target("chat", Task.CHAT, "m", {"url": server.url}))
    return gateway({"endpoints": [ENDPOINT]}, providers={"chat": provider}), server


def test_the_refusal_is_not_told_to_the_caller(asked):
    """The second request asks without at once."""
    running, server = asked
    for _ in range(2):
        answer = running.client.post("/v1/chat/completions", json=STREAM | {"model": "chat"})
        assert 200 == answer.status_code
        assert answer.text.endswith("data: [DONE]\n\n")
    assert 3 == server.requests.qsize()


@pytest.mark.parametrize("options", [None, {"include_usage": False}, {"include_usage": True}])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/gateway/chat/invocations"])
def test_what_the_caller_says_of_it_is_left_out_too(asked, path: str, options):
    """A stream without its usage is more than none."""
    running, server = asked
    body = STREAM | {"model": "chat", "stream_options": options, "seed": 10**25}
    assert 200 == running.client.post(path, json=body).status_code
    server.requests.get_nowait()
    assert 10**25 == server.requests.get_nowait().json["seed"]
