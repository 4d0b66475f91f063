"""Real clients, unmodified, against a gateway: whole answers, streams, tools, structured output, embeddings.

Upstream are a fake of OpenAI's chat and a strict one of Anthropic's Messages, which do what they are asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import anthropic_stub, obliging
from support.anthropic_stub import AnthropicStub
from support.client_environments import node_clients, python_clients
from support.environments import run
from support.serving import Gateway, endpoint
from support.upstream import Upstream

_HERE = Path(__file__).parent

CALL = ["weather", {"city": obliging.CITY}]
ASKED: dict[str, Any] = {
    "chat": obliging.TEXT,
    "stream": obliging.TEXT,
    "call": CALL,
    "answer": obliging.TEXT,
    "structured": obliging.CITY,
}
UNSTRUCTURED = {key: value for key, value in ASKED.items() if key != "structured"}
VECTORS = [obliging.VECTOR] * 2
BY_TOOL = ASKED | {"structured_by_tool": obliging.CITY}

PYTHON: dict[str, dict[str, Any]] = {
    "langchain-openai": {"gpt": ASKED, "claude": ASKED, "responses": ASKED, "vectors": VECTORS},
    "langchain-anthropic": {"claude": ASKED, "gpt": ASKED},
    "litellm": {"gpt": ASKED, "claude": ASKED, "messages": UNSTRUCTURED},
    "pydantic-ai": dict.fromkeys(("gpt", "claude", "responses"), BY_TOOL),
    "openai-agents": dict.fromkeys(("claude", "responses", "responses_of_gpt"), ASKED),
    "llama-index": {"gpt": ASKED, "claude": ASKED, "vectors": VECTORS},
}
NODE: dict[str, dict[str, Any]] = {
    "openai": {"gpt": ASKED, "claude": ASKED, "responses": ASKED, "vectors": VECTORS},
    "anthropic": {"claude": ASKED, "gpt": ASKED},
    "ai": dict.fromkeys(("compatible", "claude", "responses", "chat", "messages"), ASKED)
    | {"vectors": VECTORS},
}


@pytest.fixture(scope="module")
def gateway(start_gateway: Any) -> Iterator[Gateway]:
    openais, claude = Upstream(obliging.chat), AnthropicStub(obliging.messages)
    remote = {"openai_api_key": "k", "openai_api_base": f"{openais.url}/v1"}
    native = {"anthropic_api_key": anthropic_stub.KEY, "anthropic_api_base": claude.url}
    yield start_gateway(
        {
            "endpoints": [
                endpoint("gpt", "openai", "m", **remote),
                endpoint("vec", "openai", "m", "llm/v1/embeddings", **remote),
                endpoint("claude", "anthropic", "claude-sonnet-5", **native),
                # Some clients know what a model can do by its name alone.
                endpoint("claude-sonnet-5", "anthropic", "claude-sonnet-5", **native),
            ]
        }
    )
    openais.close()
    claude.close()


def got(output: str) -> Any:
    """Return what a client's program printed last."""
    return json.loads(output.strip().splitlines()[-1])


@pytest.mark.parametrize("client", PYTHON)
def test_python(gateway: Gateway, client: str):
    program = _HERE / "python_clients.py"
    output = run(python_clients(), "-W", "ignore", program, client, gateway.url)

    assert PYTHON[client] == got(output)


@pytest.mark.parametrize("client", NODE)
def test_node(gateway: Gateway, client: str, monkeypatch: pytest.MonkeyPatch):
    node, folder = node_clients()
    monkeypatch.chdir(folder)  # its packages are found from here
    output = run(node, _HERE / "node_clients.mjs", client, gateway.url, NO_PROXY="127.0.0.1")

    assert NODE[client] == got(output)
