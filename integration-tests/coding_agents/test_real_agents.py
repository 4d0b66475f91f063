"""Claude Code and Codex themselves, with a model of another dialect: they read a file and tell of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support import obliging, stored
from support.client_environments import node_clients
from support.environments import run
from support.serving import Gateway, endpoint
from support.stored import CLIENT, attributes
from support.upstream import Upstream

WORD = "salt-road-1592"


@pytest.fixture(scope="module")
def upstream_of_chat() -> Iterator[Upstream]:
    stub = Upstream(obliging.chat)
    yield stub
    stub.close()


@pytest.fixture(scope="module")
def gateway(start_gateway: Any, upstream_of_chat: Upstream) -> Gateway:
    remote = {"openai_api_key": "k", "openai_api_base": f"{upstream_of_chat.url}/v1"}
    config = {
        "endpoints": [endpoint("gpt", "openai", "m", **remote)],
        "tracing": {"sampling_rate": 1.0, "store": "traces"},
    }
    started: Gateway = start_gateway(config)
    return started


def claude_code(gateway: Gateway, home: Path) -> str:
    binary = node_clients()[1] / "node_modules" / ".bin" / "claude"
    return run(
        *(binary, "-p", "What is in a.txt?", "--allowedTools", "Read", "--output-format", "json"),
        HOME=str(home),
        ANTHROPIC_BASE_URL=gateway.url,
        ANTHROPIC_AUTH_TOKEN="none",
        ANTHROPIC_MODEL="gpt",
        ANTHROPIC_DEFAULT_HAIKU_MODEL="gpt",
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
        DISABLE_AUTOUPDATER="1",
        NO_PROXY="127.0.0.1",
    )


def codex(gateway: Gateway, home: Path) -> str:
    node, folder = node_clients()
    provider = f'{{name="Tollway",base_url="{gateway.url}/v1",wire_api="responses"}}'
    return run(
        *(node, folder / "node_modules" / ".bin" / "codex", "exec", "--skip-git-repo-check"),
        *("--dangerously-bypass-approvals-and-sandbox", "-m", "gpt", "-c", "model_provider=tollway"),
        *("-c", f"model_providers.tollway={provider}", "What is in a.txt?"),
        HOME=str(home),
        CODEX_HOME=str(home),
        NO_PROXY="127.0.0.1",
    )


AGENTS: dict[str, tuple[Callable[[Gateway, Path], str], Callable[[Path], dict[str, Any]]]] = {
    "claude-code": (claude_code, lambda file: {"tool": "Read", "file_path": str(file)}),
    "codex": (codex, lambda file: {"tool": "exec_command", "cmd": f"cat {file}"}),
}


@pytest.mark.parametrize("agent", AGENTS)
def test_an_agent_works_on_a_file(
    gateway: Gateway,
    upstream_of_chat: Upstream,
    agent: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """It gets a call of its tool, sends what the file says, and its requests are one conversation."""
    home, project = tmp_path / "home", tmp_path / "project"
    for folder in (home, project):
        folder.mkdir()
    (project / "a.txt").write_text(f"{WORD}\n")
    monkeypatch.chdir(project)
    start, arguments = AGENTS[agent]
    upstream_of_chat.forget()
    upstream_of_chat.script = partial(obliging.chat, **arguments(project / "a.txt"))
    before = stored.ids(gateway.traces)
    output = start(gateway, home)
    asked = [json.loads(exchange.body) for exchange in upstream_of_chat.requests.queue]

    assert obliging.TEXT in output
    assert "tool" == asked[-1]["messages"][-1]["role"]
    assert WORD in str(asked[-1]["messages"][-1]["content"])
    assert 1 == len(conversations(gateway, before, len(asked)))


def conversations(gateway: Gateway, before: set[str], count: int) -> set[str]:
    """Return the conversations of the calls that came since, once all of them are stored."""
    found = stored.wait_for_ids(gateway.traces, before, count)
    spans = [gateway.trace(trace_id).of_kind(CLIENT) for trace_id in found]
    return {attributes(span)["gen_ai.conversation.id"] for span in spans}
