"""The application as a whole: wiring, lifespan, and the two planes."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest
from opentelemetry.trace import NoOpTracerProvider

from tollway.gateway.app import create_app
from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.pipeline import Runtime
from tollway.provider import BaseProvider, HTTPProvider, Provider, ProviderNotFoundError, Target, Task

CHAT = {"messages": [{"role": "user", "content": "hi"}]}


def config(provider: str = "own", **settings) -> dict:
    model = {"provider": provider, "name": "gpt-4", "config": settings}
    return {"endpoints": [{"name": "chat", "endpoint_type": "llm/v1/chat", "model": model}]}


async def control(scope, receive, send):
    raise AssertionError("not asked")


def test_provider_that_is_not_installed_fails_at_wiring():
    with pytest.raises(ProviderNotFoundError, match="nowhere-to-be-found"):
        create_app(GatewayConfig(**config("nowhere-to-be-found")), control=control)


def test_provider_of_no_known_kind_fails_at_wiring():
    provider = Provider(Target("chat", Task.CHAT, "m"))
    with pytest.raises(TypeError, match="'chat'"):
        create_app(GatewayConfig(**config()), providers={"chat": provider}, control=control)


def test_openai_provider_answers_and_streams(gateway, upstream):
    """The built-in `openai` provider is found by its name and speaks to any base URL."""
    completion = {
        "id": "chatcmpl-9",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4-0613",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "ho"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
    }
    chunk = {
        "id": "chatcmpl-9",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4-0613",
        "choices": [{"index": 0, "delta": {"content": "ho"}, "finish_reason": None}],
    }
    last = {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}

    def script(exchange):
        if not exchange.json.get("stream"):
            exchange.answer(completion)
            return
        exchange.begin_stream()
        for event in (chunk, last):
            exchange.event(event)
        exchange.event(b"[DONE]")
        exchange.end_stream()

    server = upstream(script)
    running = gateway(config("openai", openai_api_key="sk-x", openai_api_base=f"{server.url}/v1"))
    answer = running.client.post("/v1/chat/completions", json={**CHAT, "model": "chat"})
    assert answer.json() == completion
    seen = server.requests.get_nowait()
    assert (seen.path, seen.json["model"]) == ("/v1/chat/completions", "gpt-4")
    assert seen.headers["authorization"] == "Bearer sk-x"
    streamed = running.client.post("/endpoints/chat/invocations", json={**CHAT, "stream": True})
    assert streamed.text.endswith("data: [DONE]\n\n")
    attempts = [running.spans.wait_for("chat gpt-4") for _ in range(2)]
    assert [a.attributes["gen_ai.response.finish_reasons"] for a in attempts] == [("stop",)] * 2
    assert attempts[0].attributes["gen_ai.usage.output_tokens"] == 5
    assert attempts[1].attributes["gen_ai.response.time_to_first_chunk"] > 0


def test_plugin_that_breaks_inside_is_a_500_without_its_words(gateway, caplog):
    """A bug in a dialect is an internal error: logged with its trace, and no more told than that."""

    class Broken(HTTPProvider):
        url = "http://127.0.0.1:1"

        def request(self, call):
            raise KeyError("hunter2")

    running = gateway(config(), providers={"chat": Broken(Target("chat", Task.CHAT, "m"))})
    answer = running.client.post("/endpoints/chat/invocations", json=CHAT)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert "hunter2" not in answer.text
    assert answer.headers["x-tollway-trace-id"] in caplog.text


def test_content_is_captured_only_when_asked(gateway):
    """Prompts and answers are on the CLIENT span if the config or the environment says so."""

    class Own(BaseProvider):
        def predict(self, payload):
            return "ho"

    asked = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only"}
    for extra, environ, captured in (
        ({}, {}, False),
        ({"tracing": {"capture_content": True}}, {}, True),
        ({}, asked, True),
    ):
        own = Own(Target("chat", Task.CHAT, "m"))
        running = gateway({**config(), **extra}, providers={"chat": own}, runtime=Runtime(environ))
        for stream in (False, True):
            running.client.post("/endpoints/chat/invocations", json={**CHAT, "stream": stream})
            attributes = running.spans.wait_for("chat gpt-4").attributes
            found = ["gen_ai.input.messages" in attributes, "gen_ai.output.messages" in attributes]
            assert found == [captured] * 2
            if captured:
                message = json.loads(attributes["gen_ai.output.messages"])[0]
                assert message["parts"] == [{"type": "text", "content": "ho"}]


def live(app) -> list[str]:
    """Take an application through its whole life; return what it says."""
    said = []

    async def receive():
        return {"type": "lifespan.startup" if not said else "lifespan.shutdown"}

    async def send(message):
        said.append(message["type"])

    asyncio.run(app({"type": "lifespan"}, receive, send))
    return said


def test_providers_are_closed_at_the_end_each_even_if_one_fails():
    closed = []

    class Own(BaseProvider):
        def close(self):
            closed.append(self.target.endpoint)
            raise RuntimeError("will not")

    endpoints = [{**config()["endpoints"][0], "name": name} for name in ("a", "b")]
    providers = {name: Own(Target(name, Task.CHAT, "m")) for name in ("a", "b")}
    app = create_app(
        GatewayConfig(endpoints=endpoints),
        providers=providers,
        control=control,
        tracer_provider=NoOpTracerProvider(),
    )
    assert live(app) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert sorted(closed) == ["a", "b"]


def test_without_spans_requests_are_served_all_the_same(gateway):
    """Under a tracer that records nothing, an answer has no trace id, and that is all."""

    class Own(BaseProvider):
        def predict(self, payload):
            return "ho"

    own = Own(Target("chat", Task.CHAT, "m"))
    running = gateway(config(), providers={"chat": own}, tracer_provider=NoOpTracerProvider())
    answer = running.client.post("/endpoints/chat/invocations", json=CHAT)
    assert answer.status_code == 200
    assert "x-tollway-trace-id" not in answer.headers


def test_request_that_the_servers_stop_cuts_off_is_recorded(gateway, upstream):
    """A stop that cannot wait for a request says so to its caller, and ends its spans."""
    server = upstream(lambda exchange: exchange.wait_until_gone())
    running = gateway(config("openai", openai_api_key="sk-x", openai_api_base=f"{server.url}/v1"))
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(running.client.post, "/endpoints/chat/invocations", json=CHAT)
        exchange = server.requests.get(timeout=20)
        running.stop()
        answer = asked.result(timeout=20)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "shutting_down")
    assert exchange.gone.wait(20)
    running.spans.wait_for("chat gpt-4")
    span = running.spans.wait_for("POST /endpoints/{name}/invocations")
    assert span.attributes["error.type"] == "shutting_down"
    who = {"endpoint": "chat", "provider": "openai", "model": "gpt-4"}
    where = {**who, "route": "/endpoints/{name}/invocations"}
    assert running.metric("gateway_requests_total", **where, status="503") == 1


def test_openai_client_sees_a_broken_stream_as_an_error(gateway, upstream):
    """The error event of a stream that broke is an exception in OpenAI's own client."""
    chunk = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": "ho"}, "finish_reason": None}],
    }

    def script(exchange):
        exchange.begin_stream()
        exchange.event(chunk)
        exchange.cut()

    server = upstream(script)
    running = gateway(config("openai", openai_api_key="sk-x", openai_api_base=f"{server.url}/v1"))
    seen = []
    with (
        httpx.Client(trust_env=False) as transport,
        openai.OpenAI(api_key="k", base_url=f"{running.url}/v1", http_client=transport) as client,
        pytest.raises(openai.APIError, match="hung up"),
    ):
        seen.extend(
            event.choices[0].delta.content
            for event in client.chat.completions.create(model="chat", stream=True, messages=CHAT["messages"])
        )
