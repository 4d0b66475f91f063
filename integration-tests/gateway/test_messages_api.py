"""Anthropic's Messages API over models of every dialect, called by the `anthropic` SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from support import anthropic_stub
from support.anthropic_stub import AnthropicStub, thinking, tool_use
from support.chat_stub import script
from support.serving import Gateway, endpoint
from support.upstream import Upstream
from support.vendor_stub import KEY, TEXT, VendorStub

MESSAGES: list[Any] = [{"role": "user", "content": "What is a toll road?"}]
WEATHER: Any = {
    "name": "weather",
    "description": "Tells the weather.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
TRANSLATED = ("gpt", "gemini", "bedrock", "cohere")
PICTURE = {"type": "base64", "media_type": "image/png", "data": "aGk="}


@pytest.fixture(scope="module")
def claude() -> Iterator[AnthropicStub]:
    stub = AnthropicStub()
    yield stub
    stub.close()


@pytest.fixture(scope="module")
def vendors() -> Iterator[VendorStub]:
    stub = VendorStub()
    yield stub
    stub.close()


@pytest.fixture(scope="module")
def openais() -> Iterator[Upstream]:
    stub = Upstream(script)
    yield stub
    stub.close()


@pytest.fixture(scope="module")
def gateway(start_gateway: Any, claude: AnthropicStub, vendors: VendorStub, openais: Upstream) -> Gateway:
    native = {"anthropic_api_key": anthropic_stub.KEY, "anthropic_api_base": claude.url}
    remote = {"openai_api_key": "k", "openai_api_base": f"{openais.url}/v1"}
    aws = {"aws_region": "eu-west-1", "aws_access_key_id": KEY, "aws_secret_access_key": "a-secret"}
    dropping = {**endpoint("dropping", "openai", "m", **remote), "unsupported": "drop"}
    return start_gateway(
        {
            "endpoints": [
                endpoint("claude", "anthropic", "claude-sonnet-5", **native),
                endpoint("gpt", "openai", "m", **remote),
                dropping,
                endpoint("gemini", "gemini", "gemini-3", gemini_api_key=KEY, gemini_api_base=vendors.url),
                endpoint("bedrock", "bedrock", "nova:0", aws_config=aws, bedrock_api_base=vendors.url),
                endpoint("cohere", "cohere", "command-a", cohere_api_key=KEY, cohere_api_base=vendors.url),
            ]
        }
    )


@pytest.fixture(autouse=True)
def greets(claude: AnthropicStub) -> Iterator[None]:
    yield
    claude.script = anthropic_stub.hello
    while not claude.requests.empty():
        claude.requests.get_nowait(), claude.headers.get_nowait()


@pytest.fixture
def client(gateway: Gateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=gateway.url, api_key="none", max_retries=0) as client:
        yield client


def test_bytes_pass_to_claude_as_they_came(gateway: Gateway, claude: AnthropicStub):
    """All but the model: numbers, the order of keys, unknown fields, marks for the cache, white space."""
    body = (
        b'{ "max_tokens":9,"model" : "claude","messages":[{"role":"user","content":[{"type":"text",'
        b'"text":"a","cache_control":{"type":"ephemeral"}}]}]}'
    )
    headers = {"anthropic-beta": "one,two", "x-api-key": "none"}
    answer = gateway.client.post("/v1/messages?beta=true", content=body, headers=headers)
    told = claude.next_headers()

    assert 200 == answer.status_code
    assert json.loads(body) | {"model": "claude-sonnet-5"} == claude.next_request()
    assert ("one,two", str(len(body) + len("claude-sonnet-5") - len("claude"))) == (
        told["anthropic-beta"],
        told["content-length"],
    )


def test_claude_whole_and_streamed(client: anthropic.Anthropic, claude: AnthropicStub):
    """Thinking keeps its signature, on both ways."""
    said = [thinking("Hm."), tool_use("toolu_1", "weather", city="Linz")]
    claude.script = lambda body: anthropic_stub.Reply(said, "tool_use")
    ask: dict[str, Any] = {"model": "claude", "max_tokens": 2048, "messages": MESSAGES, "tools": [WEATHER]}
    ask["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    whole = client.messages.create(**ask)
    with client.messages.stream(**ask) as stream:
        streamed = stream.get_final_message()

    assert whole.content == streamed.content
    assert "Hm." == whole.content[0].thinking
    assert whole.content[0].signature
    assert {"city": "Linz"} == whole.content[1].input


@pytest.mark.parametrize("model", TRANSLATED)
def test_any_model_answers_whole_and_streamed(client: anthropic.Anthropic, model: str):
    text = "Hello." if model == "gpt" else TEXT
    whole = client.messages.create(model=model, max_tokens=64, messages=MESSAGES, system="Be short.")
    with client.messages.stream(model=model, max_tokens=64, messages=MESSAGES) as stream:
        streamed = stream.get_final_message()

    assert [text, text] == [message.content[0].text for message in (whole, streamed)]
    assert ["end_turn"] * 2 == [message.stop_reason for message in (whole, streamed)]
    assert whole.usage.output_tokens == streamed.usage.output_tokens > 0


def test_a_tool_is_called_and_its_result_goes_back(client: anthropic.Anthropic, openais: Upstream):
    """The conversation of an agent: thinking, a call, results with a picture, the next answer."""
    ask: dict[str, Any] = {"model": "gpt", "max_tokens": 64, "tools": [WEATHER]}
    ask["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    whole = client.messages.create(messages=MESSAGES, tool_choice={"type": "any"}, **ask)
    with client.messages.stream(messages=MESSAGES, **ask) as stream:
        streamed = stream.get_final_message()
    result = {
        "type": "tool_result",
        "tool_use_id": "call_1",
        "content": [{"type": "text", "text": "Rain."}, {"type": "image", "source": PICTURE}],
    }
    history = [
        *MESSAGES,
        {"role": "assistant", "content": whole.content},
        {"role": "user", "content": [result]},
    ]
    while not openais.requests.empty():
        openais.requests.get_nowait()
    client.messages.create(messages=history, **ask)
    said = json.loads(openais.requests.get_nowait().body)["messages"]

    for message in (whole, streamed):
        assert ["thinking", "text", "tool_use"] == [block.type for block in message.content]
        assert ("tool_use", {"city": "Linz"}) == (message.stop_reason, message.content[2].input)
        assert (5, 4) == (message.usage.input_tokens, message.usage.cache_read_input_tokens)
    assert ["user", "assistant", "tool", "user"] == [message["role"] for message in said]
    assert "call_1" == said[1]["tool_calls"][0]["id"] == said[2]["tool_call_id"]
    assert ("Rain.", "image_url") == (said[2]["content"], said[3]["content"][0]["type"])


def test_what_a_model_cannot_be_told_is_a_400_that_names_it(client: anthropic.Anthropic):
    search: Any = {"type": "web_search_20250305", "name": "web_search"}
    with pytest.raises(anthropic.BadRequestError) as refused:
        client.messages.create(model="gpt", max_tokens=64, messages=MESSAGES, tools=[WEATHER, search])
    error: Any = refused.value.body

    assert ("error", "tools.1") == (error["type"], error["error"]["param"])


def test_or_it_is_dropped_where_the_config_says_so(client: anthropic.Anthropic):
    search: Any = {"type": "web_search_20250305", "name": "web_search"}
    answer = client.messages.with_raw_response.create(
        model="dropping",
        max_tokens=64,
        messages=MESSAGES,
        tools=[WEATHER, search],
        extra_body={"mcp_servers": [{"type": "url", "url": "https://x", "name": "x"}]},
    )

    assert "mcp_servers, tools.1" == answer.headers["x-tollway-dropped"]
    assert "tool_use" == answer.parse().stop_reason


def test_tokens_are_counted(client: anthropic.Anthropic):
    """By the service that has a count, and else by an estimate."""
    counted = client.messages.count_tokens(model="gpt", messages=MESSAGES, tools=[WEATHER])

    assert 20 < counted.input_tokens < 80


def test_an_error_has_anthropics_shape(client: anthropic.Anthropic, gateway: Gateway):
    with pytest.raises(anthropic.NotFoundError) as missing:
        client.messages.create(model="nobody", max_tokens=64, messages=MESSAGES)
    answer = gateway.client.post("/v1/messages", content=b"{")

    assert "not_found_error" == missing.value.body["error"]["type"]  # type: ignore[index,call-overload]  # the client types it as object
    assert (400, "error") == (answer.status_code, answer.json()["type"])


def test_a_stream_that_breaks_ends_with_an_error(client: anthropic.Anthropic, claude: AnthropicStub):
    claude.script = lambda body: anthropic_stub.Reply([anthropic_stub.text("Hello.")], break_after=4)
    with (
        pytest.raises(anthropic.APIError, match="ended before"),
        client.messages.stream(model="claude", max_tokens=64, messages=MESSAGES) as stream,
    ):
        stream.get_final_message()
