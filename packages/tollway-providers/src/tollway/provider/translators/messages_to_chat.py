"""A request of Anthropic's Messages API as one of OpenAI's chat; pure functions.

https://platform.claude.com/docs/en/api/messages. What only steers (cache marks, service tiers, signatures of
thinking) is left out where the model does not know it; what the answer would lack is refused by its name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from tollway.provider import Call, PayloadError
from tollway.provider.json_text import dumps

from ._fields import chat_call, objects, refuse_others, texts, unsayable
from .contract import Sources, Translation
from .messages_answers import MessagesAnswering
from .messages_turns import messages_of, plain_text

_STEERING = frozenset(
    {
        *("service_tier", "inference_geo", "speed", "cache_control", "betas", "anthropic_beta"),
        *("anthropic_version", "diagnostics", "user_profile_id"),
    }
)
_KNOWN = _STEERING | {
    *("model", "messages", "system", "max_tokens", "stream", "temperature", "top_p", "top_k", "metadata"),
    *("stop_sequences", "tools", "tool_choice", "thinking", "output_config", "output_format"),
    *("context_management", "mcp_servers", "container"),
}
_EFFORT_OF_BUDGET = ((2048, "low"), (8192, "medium"))
"""Budgets of thinking up to which an effort is meant; a larger one is high."""

_MAX_USER = 64
"""Characters that OpenAI takes as a user."""


def translate(
    call: Call,
    sources: Sources,
    *,
    extensions: frozenset[str] = frozenset(),
    history: Iterable[dict[str, Any]] = (),
) -> Translation:
    """Translate a request; see `Front`."""
    payload = call.payload
    _refuse(payload)
    chat: dict[str, Any] = {
        "model": payload.get("model"),
        "messages": messages_of(payload, extensions),
        "max_completion_tokens": payload.get("max_tokens"),
        "temperature": payload.get("temperature"),
        "top_p": payload.get("top_p"),
        "top_k": payload.get("top_k"),
        "stop": payload.get("stop_sequences") or None,
        "user": _user(payload),
        "response_format": _format(payload),
        **_tools(payload, extensions),
        **_thinking(payload, extensions),
    }
    return Translation(chat_call(call, chat), MessagesAnswering(sources))


def _refuse(payload: dict[str, Any]) -> None:
    refuse_others(payload, _KNOWN)
    for key in ("mcp_servers", "container"):
        if payload.get(key):
            raise unsayable(key)
    management = payload.get("context_management")
    edits = management.get("edits") if isinstance(management, dict) else None
    for edit in edits if isinstance(edits, list) else ():
        kind = edit.get("type") if isinstance(edit, dict) else None
        if not str(kind).startswith(("clear_", "compact_")):  # these only save tokens
            raise unsayable("context_management")


def _user(payload: dict[str, Any]) -> str | None:
    metadata = payload.get("metadata")
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    if not isinstance(user, str) or not user:
        return None
    return user if len(user) <= _MAX_USER else hashlib.sha256(user.encode("utf-8", "replace")).hexdigest()


def _format(payload: dict[str, Any]) -> dict[str, Any] | None:
    config = payload.get("output_config")
    wanted = config.get("format") if isinstance(config, dict) else payload.get("output_format")
    if wanted is None:
        return None
    schema = wanted.get("schema") if isinstance(wanted, dict) else None
    if not isinstance(schema, dict):
        raise unsayable("output_config", "a format other than json_schema")
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


def _thinking(payload: dict[str, Any], extensions: frozenset[str]) -> dict[str, Any]:
    """Return how to think: in Anthropic's words where they are known, else as an effort."""
    thinking, config = payload.get("thinking"), payload.get("output_config")
    effort = config.get("effort") if isinstance(config, dict) else None
    said = {"reasoning_effort": effort} if isinstance(effort, str) else {}
    if not isinstance(thinking, dict):
        return said
    if "thinking" in extensions:
        return {**said, "thinking": thinking}
    budget = thinking.get("budget_tokens")
    if said or thinking.get("type") != "enabled" or not isinstance(budget, int):
        return said
    return {"reasoning_effort": next((e for most, e in _EFFORT_OF_BUDGET if budget <= most), "high")}


def _tools(payload: dict[str, Any], extensions: frozenset[str]) -> dict[str, Any]:
    tools = []
    for index, tool in enumerate(objects(payload.get("tools"), "tools")):
        kind = tool.get("type") or "custom"
        if isinstance(kind, str) and kind.startswith("tool_search_tool_"):
            continue  # it finds tools that are not said yet: here all are
        if kind != "custom":
            raise unsayable(f"tools.{index}", f"the tool {kind!r}")
        tools.append(_tool(tool, f"tools.{index}", extensions))
    if not tools:
        return {}
    return {"tools": tools, **_choice(payload.get("tool_choice"))}


def _tool(tool: dict[str, Any], where: str, extensions: frozenset[str]) -> dict[str, Any]:
    function = {
        "name": texts(tool.get("name"), f"{where}.name"),
        "description": tool.get("description"),
        "parameters": tool.get("input_schema"),
        "strict": tool.get("strict"),
    }
    said = {"type": "function", "function": {key: v for key, v in function.items() if v is not None}}
    if "cache_control" in extensions and tool.get("cache_control"):
        said["cache_control"] = tool["cache_control"]
    return said


_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def _choice(choice: Any) -> dict[str, Any]:
    if choice is None:
        return {}
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind == "tool" and isinstance(choice.get("name"), str):
        said: dict[str, Any] = {"tool_choice": {"type": "function", "function": {"name": choice["name"]}}}
    elif isinstance(kind, str) and kind in _CHOICES:
        said = {"tool_choice": _CHOICES[kind]}
    else:
        raise PayloadError("tool_choice must be auto, any, none, or name a tool", param="tool_choice")
    if choice.get("disable_parallel_tool_use") is True and kind != "none":
        said["parallel_tool_calls"] = False
    return said


def counted_text(payload: dict[str, Any]) -> str:
    """Return all that a model reads of a request, for an estimate of its tokens."""
    said = [plain_text(payload.get("system"))]
    messages = payload.get("messages") or ()
    said += [plain_text(message.get("content")) for message in messages if isinstance(message, dict)]
    if payload.get("tools"):
        said.append(dumps(payload["tools"]).decode())
    return "\n".join(said)
