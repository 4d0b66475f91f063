"""Tools of coding agents in chat: what the caller declared is what comes back as called."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest

from tollway.provider import Answer, AnswerInfo, Call, PayloadError, Task, sse
from tollway.provider.dialects import ANTHROPIC_MESSAGES, OPENAI_RESPONSES
from tollway.provider.translators import FRONTS, Sources, Translation

SEARCH: dict[str, Any] = {"type": "function", "name": "search", "parameters": {"type": "object"}}
DOCS = {"type": "namespace", "name": "mcp__docs", "description": "Docs.", "tools": [SEARCH]}
WEB = {"type": "web_search", "external_web_access": False}
SHELL = {"type": "local_shell"}
PATCH = {"type": "custom", "name": "apply_patch", "format": {"type": "text"}}
FINDER = {"type": "tool_search", "execution": "client", "description": "Finds tools.", "parameters": {}}


def translated(dialect: str, payload: dict[str, Any]) -> Translation:
    numbers = count(1)
    sources = Sources(lambda: f"{next(numbers)}", lambda: 1)
    call = Call(Task.CHAT, payload, json.dumps(payload).encode(), bool(payload.get("stream")))
    return FRONTS[dialect](call, sources)


def responses(**payload: Any) -> Translation:
    return translated(OPENAI_RESPONSES, {"input": "hi", **payload})


def tool_names(translation: Translation) -> list[str]:
    return [tool["function"]["name"] for tool in translation.call.payload["tools"]]


def answered(translation: Translation, name: str, arguments: str) -> dict[str, Any]:
    """Return the item of a call that a model answers with; a stream says the same as a whole answer."""
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}
    said = {"role": "assistant", "content": None, "tool_calls": [call]}
    choices = [{"index": 0, "message": said, "finish_reason": "tool_calls"}]
    body = json.dumps({"id": "c", "model": "m", "choices": choices}).encode()
    whole = json.loads(translation.answering.whole(Answer(body, AnswerInfo())))["output"][0]
    chunk = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": said, "finish_reason": None}]}
    end = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    events = [sse.event(json.dumps(one).encode()) for one in (chunk, end)]
    written = translation.answering.stream().feed(b"".join([*events, sse.DONE]))
    last = json.loads(sse.Parser().feed(written)[-1].data or b"")["response"]["output"][0]
    assert {**whole, "id": ""} == {**last, "id": ""}
    assert isinstance(whole, dict)
    return whole


def test_a_tool_of_a_namespace_comes_back_in_it():
    """Two tools that differ by their namespace alone are two functions."""
    translation = responses(tools=[SEARCH, DOCS])
    item = answered(translation, "mcp__docs__search", "{}")

    assert ["search", "mcp__docs__search"] == tool_names(translation)
    assert ("function_call", "search", "mcp__docs") == (item["type"], item["name"], item["namespace"])
    assert "namespace" not in answered(translation, "search", "{}")


def test_a_name_fits_into_chat_however_long_its_namespace_is():
    tools = [{**DOCS, "name": f"mcp/{'x' * 70}{end}"} for end in "ab"]
    names = tool_names(responses(tools=tools))

    assert [64, 64] == [len(name) for name in names]
    assert 2 == len(set(names))
    assert tools[1]["name"] == answered(responses(tools=tools), names[1], "{}")["namespace"]


def test_the_history_names_tools_as_they_are_declared():
    item = {"type": "function_call", "call_id": "c1", "arguments": "{}", "name": "search"}
    result = {"type": "function_call_output", "call_id": "c1", "output": "Found."}
    translation = responses(input=[{**item, "namespace": "mcp__docs"}, result], tools=[DOCS])

    said, told = translation.call.payload["messages"]
    assert "mcp__docs__search" == said["tool_calls"][0]["function"]["name"]
    assert ("tool", "c1", "Found.") == (told["role"], told["tool_call_id"], told["content"])


def test_a_shell_is_called_and_answered():
    command = {"command": ["ls", "-l"], "timeout_ms": 9}
    translation = responses(tools=[SHELL], tool_choice=SHELL)
    item = answered(translation, "local_shell", json.dumps(command))
    result = {"type": "local_shell_call_output", "id": "c1", "output": "a.txt"}
    said, told = responses(input=[item, result], tools=[SHELL]).call.payload["messages"]

    assert {"type": "exec", "env": {}, **command} == item["action"]
    assert ("local_shell_call", "c1") == (item["type"], item["call_id"])
    assert command == json.loads(said["tool_calls"][0]["function"]["arguments"])
    assert ("c1", "a.txt") == (told["tool_call_id"], told["content"])


def test_tools_that_a_search_found_can_be_called():
    """The caller searches; what it found is declared from then on, as are tools that an item adds."""
    called = answered(responses(tools=[FINDER]), "tool_search", '{"query": "docs"}')
    found = {"type": "tool_search_output", "call_id": "c1", "execution": "client", "tools": [DOCS]}
    added = {"type": "additional_tools", "role": "developer", "tools": [PATCH]}
    translation = responses(input=[called, found, added], tools=[FINDER])
    patch = answered(translation, "apply_patch", '{"input": "*** Begin Patch"}')

    assert ("tool_search_call", {"query": "docs"}) == (called["type"], called["arguments"])
    assert ["mcp__docs__search", "apply_patch", "tool_search"] == tool_names(translation)
    assert ["assistant", "tool"] == [message["role"] for message in translation.call.payload["messages"]]
    assert "mcp__docs" in translation.call.payload["messages"][1]["content"]
    assert ("custom_tool_call", "*** Begin Patch") == (patch["type"], patch["input"])


def test_a_hosted_tool_beside_others_is_left_out_and_named():
    """Codex offers a search of the web in every request; a model without it uses the other tools."""
    translation = responses(tools=[SEARCH, WEB])

    assert ["search"] == tool_names(translation)
    assert ("tools.1",) == translation.dropped


@pytest.mark.parametrize("payload", [{"tools": [WEB]}, {"tools": [WEB, SEARCH], "tool_choice": "required"}])
def test_a_hosted_tool_that_the_answer_needs_is_refused(payload: dict[str, Any]):
    with pytest.raises(PayloadError) as refused:
        responses(**payload)

    assert "tools.0" == refused.value.param


def test_searches_of_claudes_servers_are_left_out_of_the_history():
    """They found tools that are all declared; the calls of what they found stay."""
    searched = [
        {"type": "server_tool_use", "id": "s", "name": "tool_search_tool_regex", "input": {}},
        {"type": "tool_search_tool_result", "tool_use_id": "s", "content": {"tool_references": []}},
        {"type": "tool_use", "id": "t", "name": "read", "input": {}},
    ]
    turns = [
        {"role": "user", "content": "Read it."},
        {"role": "assistant", "content": searched},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]},
    ]
    said = translated(ANTHROPIC_MESSAGES, {"messages": turns}).call.payload["messages"]

    assert ["user", "assistant", "tool"] == [message["role"] for message in said]
    assert ["read"] == [call["function"]["name"] for call in said[1]["tool_calls"]]


def test_a_compaction_stands_for_what_was_before_it():
    compaction = {"type": "compaction", "content": "They talked of roads."}
    turns = [
        {"role": "user", "content": "Long."},
        {"role": "assistant", "content": [compaction, {"type": "text", "text": " Go on."}]},
        {"role": "user", "content": "And?"},
    ]
    edits = {"edits": [{"type": "compact_20260112"}]}
    payload = {"system": "Be short.", "messages": turns, "context_management": edits}
    said = translated(ANTHROPIC_MESSAGES, payload).call.payload["messages"]

    assert ["Be short.", "They talked of roads. Go on.", "And?"] == [one["content"] for one in said]
