"""Requests in the shape of Claude Code's and Codex's work against models of every dialect."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from support import anthropic_stub, coding_agents
from support.anthropic_stub import AnthropicStub
from support.chat_stub import script
from support.coding_agents import CLAUDE_HEADERS, CODEX_HEADERS, SESSION
from support.serving import Gateway, endpoint
from support.stored import CLIENT, attributes
from support.upstream import Upstream
from support.vendor_stub import KEY, VendorStub

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MODELS = ("claude", "gpt", "gemini", "bedrock")
COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstd.compress,
}


@pytest.fixture(scope="module")
def claude() -> Iterator[AnthropicStub]:
    stub = AnthropicStub()
    yield stub
    stub.close()


@pytest.fixture(scope="module")
def openais() -> Iterator[Upstream]:
    stub = Upstream(script)
    yield stub
    stub.close()


@pytest.fixture(scope="module")
def gateway(start_gateway: Any, claude: AnthropicStub, openais: Upstream) -> Iterator[Gateway]:
    vendors = VendorStub()
    native = {"anthropic_api_key": anthropic_stub.KEY, "anthropic_api_base": claude.url}
    aws = {"aws_region": "eu-west-1", "aws_access_key_id": KEY, "aws_secret_access_key": "a-secret"}
    remote = {"openai_api_key": "k", "openai_api_base": f"{openais.url}/v1"}
    yield start_gateway(
        {
            "endpoints": [
                endpoint("claude", "anthropic", "claude-sonnet-5", **native),
                endpoint("gpt", "openai", "m", **remote),
                endpoint("gemini", "gemini", "gemini-3", gemini_api_key=KEY, gemini_api_base=vendors.url),
                endpoint("bedrock", "bedrock", "nova:0", aws_config=aws, bedrock_api_base=vendors.url),
                endpoint("embedded", "local", "smollm2-135m-instruct"),
            ],
            "tracing": {"sampling_rate": 1.0, "store": "traces"},
        }
    )
    vendors.close()


@pytest.fixture(autouse=True)
def fresh(claude: AnthropicStub, openais: Upstream) -> None:
    openais.forget()
    while not claude.requests.empty():
        claude.requests.get_nowait(), claude.headers.get_nowait()


def claude_code(gateway: Gateway, body: dict[str, Any], path: str = "/v1/messages") -> httpx.Response:
    return gateway.client.post(f"{path}?beta=true", json=body, headers=CLAUDE_HEADERS)


def codex(gateway: Gateway, body: dict[str, Any]) -> httpx.Response:
    return gateway.client.post("/v1/responses", json=body, headers=CODEX_HEADERS)


def last_event(answer: httpx.Response) -> dict[str, Any]:
    """Return what the last event of a stream says."""
    *_, last = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
    said = json.loads(last)
    assert isinstance(said, dict)
    return said


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "turn",
    [coding_agents.claude_code, coding_agents.claude_code_later, coding_agents.claude_code_compacting],
)
def test_claude_code(gateway: Gateway, model: str, turn: Callable[[str], dict[str, Any]]):
    """First, later and compacting requests are answered by a whole stream of Anthropic's."""
    answer = claude_code(gateway, turn(model))

    assert 200 == answer.status_code, answer.text
    assert answer.text.startswith("event: message_start\n")
    assert {"type": "message_stop"} == last_event(answer)


def test_claude_code_reaches_claude_as_it_was(gateway: Gateway, claude: AnthropicStub):
    """The betas that it names go along with their fields."""
    body = coding_agents.claude_code_later("claude")
    claude_code(gateway, body)
    told = claude.next_headers()

    assert body | {"model": "claude-sonnet-5"} == claude.next_request()
    assert CLAUDE_HEADERS["anthropic-beta"] == told["anthropic-beta"]


def test_what_another_model_is_asked_by_claude_code(gateway: Gateway, openais: Upstream):
    """All tools, calls with their results in order, an effort; nothing that chat does not know."""
    claude_code(gateway, coding_agents.claude_code_later("gpt"))
    said = json.loads(openais.next_request().body)

    assert 20 == len(said["tools"])
    assert ["system", "user", "assistant", "tool", "tool", "user", "assistant", "tool"] == [
        message["role"] for message in said["messages"]
    ]
    assert ["toolu_0a", "toolu_0b"] == [message["tool_call_id"] for message in said["messages"][3:5]]
    assert "high" == said["reasoning_effort"]
    assert {"model", "messages", "tools", "max_completion_tokens", "reasoning_effort", "user"} | {
        *("stream", "stream_options")
    } == said.keys()


@pytest.mark.parametrize("model", MODELS[1:])
def test_the_tokens_of_a_session_are_counted(gateway: Gateway, model: str):
    body = coding_agents.claude_code_count(model)
    answer = claude_code(gateway, body, "/v1/messages/count_tokens")

    assert 500 < answer.json()["input_tokens"] < 5000


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("turn", [coding_agents.codex, coding_agents.codex_later])
def test_codex(gateway: Gateway, model: str, turn: Callable[[str], dict[str, Any]]):
    """Any model answers by a whole stream of OpenAI's, and the search that it lacks is named."""
    answer = codex(gateway, turn(model))

    assert 200 == answer.status_code, answer.text
    assert answer.text.startswith("event: response.created\n")
    assert "response.completed" == last_event(answer)["type"]
    assert "tools.4" == answer.headers["x-tollway-dropped"]


def test_what_a_model_is_asked_by_codex(gateway: Gateway, openais: Upstream):
    """Parallel calls are one answer, each tool a function; pictures follow the last result."""
    codex(gateway, coding_agents.codex_later("gpt"))
    said = json.loads(openais.next_request().body)
    roles = [message["role"] for message in said["messages"]]
    calls = said["messages"][4]["tool_calls"]

    assert ["system", "system", "user", "user", "assistant", "tool", "tool", "tool", "tool", "user"] == roles
    assert ["exec_command", "multi_agent_v1__spawn_agent", "apply_patch", "local_shell"] == [
        call["function"]["name"] for call in calls
    ]
    assert {call["function"]["name"] for call in calls} == {
        tool["function"]["name"] for tool in said["tools"]
    }
    assert (True, "medium") == (said["parallel_tool_calls"], said["reasoning_effort"])


@pytest.mark.parametrize("coding", COMPRESSED)
def test_compressed_requests(gateway: Gateway, coding: str):
    """Codex sends zstd to services of a login, and some proxies compress what passes them."""
    body = COMPRESSED[coding](json.dumps(coding_agents.codex("gpt")).encode())
    headers = {**CODEX_HEADERS, "content-encoding": coding}
    answer = gateway.client.post("/v1/responses", content=body, headers=headers)

    assert "response.completed" == last_event(answer)["type"]


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/v1/messages", coding_agents.claude_code("gpt"), {}),
        ("/v1/messages", coding_agents.claude_code("gpt", metadata=None), CLAUDE_HEADERS),
        ("/v1/messages/count_tokens", coding_agents.claude_code_count("gpt"), CLAUDE_HEADERS),
        ("/v1/responses", coding_agents.codex("claude"), {}),
        ("/v1/responses", coding_agents.codex("claude", prompt_cache_key=None), CODEX_HEADERS),
        ("/v1/responses", coding_agents.codex("gpt", prompt_cache_key=None), {"session_id": SESSION}),
    ],
    ids=["metadata", "header", "count", "cache-key", "codex-header", "older-codex-header"],
)
def test_a_session_is_one_conversation(
    gateway: Gateway, path: str, body: dict[str, Any], headers: dict[str, str]
):
    """Whichever way it is named, the span says the same."""
    answer = gateway.client.post(path, json=body, headers=headers)
    trace = gateway.trace(answer.headers["x-tollway-trace-id"])

    assert SESSION == attributes(trace.of_kind(CLIENT))["gen_ai.conversation.id"]


@pytest.mark.parametrize("agent", ["claude-code", "codex"])
def test_a_real_model_answers(gateway: Gateway, agent: str):
    """What it says is a small model's; the stream is whole, and ends by the bound of tokens or by itself."""
    if agent == "codex":
        body = coding_agents.codex("embedded", max_output_tokens=4, tools=[])
        assert last_event(codex(gateway, body))["type"] in ("response.completed", "response.incomplete")
        return
    body = coding_agents.claude_code("embedded", max_tokens=4, tools=[])
    assert {"type": "message_stop"} == last_event(claude_code(gateway, body))
