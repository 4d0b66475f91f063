"""What Claude Code and Codex send, in the shape of their requests; the words are made up.

Claude Code: https://code.claude.com/docs/en/llm-gateway, and its 2.1.330 as seen on the wire; Codex:
https://developers.openai.com/codex/config-advanced#custom-model-providers, and its 0.171.0.
"""

from __future__ import annotations

import json
from typing import Any

from support.anthropic_stub import thinking

SESSION = "02c7bac2-dd96-4a7b-89ed-17f2d6bf58ce"
USER = json.dumps({"device_id": "e7" * 32, "account_uuid": "", "session_id": SESSION})

CLAUDE_HEADERS = {
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,"
    "advanced-tool-use-2025-11-20,effort-2025-11-24",
    "authorization": "Bearer the-callers-own",
    "user-agent": "claude-cli/2.1.330 (external, sdk-cli)",
    "x-app": "cli",
    "x-claude-code-session-id": SESSION,
    "x-stainless-lang": "js",
}
CODEX_HEADERS = {
    "accept": "text/event-stream",
    "authorization": "Bearer the-callers-own",
    "content-type": "application/json",
    "originator": "codex_exec",
    "session-id": SESSION,
    "thread-id": SESSION,
    "user-agent": "codex_exec/0.171.0 (Debian 12.0.0; x86_64)",
    "x-codex-turn-metadata": json.dumps({"session_id": SESSION, "request_kind": "turn"}),
}

_MARK = {"type": "ephemeral"}
_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "path": {"type": "string", "description": "An absolute path."},
        "limit": {"type": "integer", "exclusiveMinimum": 0},
        "mode": {"enum": ["text", "lines"], "default": "text"},
    },
    "required": ["path"],
    "additionalProperties": False,
}


def claude_code(model: str, **more: Any) -> dict[str, Any]:
    """Return a first request: system blocks with marks, twenty tools, thinking, a session."""
    tools = [{"name": f"Tool{n}", "description": f"Does {n}.", "input_schema": _SCHEMA} for n in range(19)]
    return {
        "model": model,
        "max_tokens": 32000,
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.330.572;"},
            {"type": "text", "text": "You are an agent.", "cache_control": _MARK},
            {"type": "text", "text": "Be brief.\n" * 50, "cache_control": _MARK},
        ],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "<system-reminder>\nToday is Monday.\n</system-reminder>"},
                    {"type": "text", "text": "What is in a.txt?", "cache_control": _MARK},
                ],
            }
        ],
        "tools": [*tools, {"name": "Read", "description": "Reads.", "input_schema": _SCHEMA}],
        "thinking": {"type": "adaptive", "display": "omitted"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "high"},
        "metadata": {"user_id": USER},
        "stream": True,
        **more,
    }


def claude_code_later(model: str) -> dict[str, Any]:
    """Return a later request: thinking between calls, parallel calls and their results, found tools."""
    first = claude_code(model)
    search = {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"}
    found = [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": search["name"], "input": {"query": "Tool"}},
        {
            "type": "tool_search_tool_result",
            "tool_use_id": "srvtoolu_1",
            "content": {
                "type": "tool_search_tool_search_result",
                "tool_references": [{"type": "tool_reference", "tool_name": "Tool18"}],
            },
        },
    ]
    calls = [
        {"type": "tool_use", "id": f"toolu_0{n}", "name": "Read", "input": {"path": f"/{n}"}} for n in "ab"
    ]
    picture = {"type": "base64", "media_type": "image/png", "data": "aGk="}
    results = [
        {"type": "tool_result", "tool_use_id": "toolu_0a", "content": "No such file.", "is_error": True},
        {
            "type": "tool_result",
            "tool_use_id": "toolu_0b",
            "content": [{"type": "text", "text": "1\thello"}, {"type": "image", "source": picture}],
            "cache_control": _MARK,
        },
    ]
    last = {"type": "tool_use", "id": "toolu_0c", "name": "Tool18", "input": {"path": "/c"}}
    answer = {"type": "tool_result", "tool_use_id": "toolu_0c", "content": [{"type": "text", "text": "ok"}]}
    reminder = {"type": "text", "text": "<system-reminder>\nThe plan is empty.\n</system-reminder>"}
    return first | {
        "tools": [
            search,
            *({**tool, "defer_loading": True} for tool in first["tools"][:19]),
            *first["tools"][19:],
        ],
        "messages": [
            *first["messages"],
            {"role": "assistant", "content": [thinking("Hm."), *found, *calls]},
            {"role": "user", "content": [*results, reminder]},
            {"role": "assistant", "content": [thinking("Now the last."), last]},
            {"role": "user", "content": [answer]},
        ],
    }


def claude_code_compacting(model: str) -> dict[str, Any]:
    """Return the request that has a conversation summed up: the same history, one more text."""
    later = claude_code_later(model)
    ask = {
        "role": "user",
        "content": [*later["messages"][-1]["content"], {"type": "text", "text": "Sum up."}],
    }
    return later | {"messages": [*later["messages"][:-1], ask]}


def claude_code_count(model: str) -> dict[str, Any]:
    """Return what is asked of `count_tokens`: no metadata, no stream."""
    asked = claude_code_later(model)
    return {key: asked[key] for key in ("model", "messages", "system", "tools", "thinking")}


def codex(model: str, **more: Any) -> dict[str, Any]:
    """Return a first request: functions, a custom tool, a shell, a namespace, a search; nothing is stored."""
    function = {"type": "function", "strict": False, "parameters": _SCHEMA}
    spawn = {**function, "name": "spawn_agent", "description": "Starts another agent."}
    grammar = {"type": "grammar", "syntax": "lark", "definition": 'start: "*** Begin Patch" LF'}
    return {
        "model": model,
        "instructions": "You are a coding agent.",
        "input": [
            _message("developer", "<permissions>read-only</permissions>"),
            _message("user", "<environment_context>\n  <shell>bash</shell>\n</environment_context>"),
            _message("user", "What is in a.txt?"),
        ],
        "tools": [
            {**function, "name": "exec_command", "description": "Runs a command."},
            {"type": "custom", "name": "apply_patch", "description": "Edits files.", "format": grammar},
            {"type": "local_shell"},
            {"type": "namespace", "name": "multi_agent_v1", "description": "Agents.", "tools": [spawn]},
            {"type": "web_search", "external_web_access": False},
        ],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"effort": "medium", "summary": "auto"},
        "text": {"verbosity": "low"},
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": SESSION,
        "client_metadata": {"x-codex-installation-id": "891fa4b5"},
        **more,
    }


def codex_later(model: str) -> dict[str, Any]:
    """Return a later request: reasoning, parallel calls of every kind of tool, their results."""
    first = codex(model)
    called: list[dict[str, Any]] = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "opaque"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Let me see."}]},
        {"type": "function_call", "call_id": "c1", "name": "exec_command", "arguments": '{"path": "/a"}'},
        {
            "type": "function_call",
            "call_id": "c2",
            "name": "spawn_agent",
            "namespace": "multi_agent_v1",
            "arguments": '{"path": "/b"}',
        },
        {"type": "custom_tool_call", "call_id": "c3", "name": "apply_patch", "input": "*** Begin Patch"},
        {
            "type": "local_shell_call",
            "call_id": "c4",
            "status": "completed",
            "action": {"type": "exec", "command": ["cat", "a.txt"], "env": {}},
        },
    ]
    picture = {"type": "input_image", "image_url": "data:image/png;base64,aGk="}
    results = [
        {"type": "function_call_output", "call_id": "c1", "output": "hello"},
        {"type": "function_call_output", "call_id": "c2", "output": [picture]},
        {"type": "custom_tool_call_output", "call_id": "c3", "output": "Done."},
        {"type": "local_shell_call_output", "id": "c4", "output": "hello"},
    ]
    return first | {"input": [*first["input"], *called, *results]}


def _message(role: str, text: str) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}
