"""A request of OpenAI's Responses API as one of OpenAI's chat; pure functions.

https://platform.openai.com/docs/api-reference/responses/create. What only steers is left out; what the answer
would lack is refused by its name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tollway.provider import Call, PayloadError

from ._fields import chat_call, objects, refuse_others, texts, unsayable
from .contract import Sources, Translation
from .responses_answers import ResponsesAnswering
from .responses_items import messages_of

_STEERING = frozenset(
    {
        *("store", "metadata", "include", "truncation", "service_tier", "prompt_cache_key"),
        *("prompt_cache_retention", "stream_options", "client_metadata", "max_tool_calls"),
        *("safety_identifier", "context_management"),
    }
)
_KNOWN = _STEERING | {
    *("model", "input", "instructions", "max_output_tokens", "stream", "temperature", "top_p", "user"),
    *("top_logprobs", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text"),
    *("previous_response_id", "background", "conversation", "prompt"),
}
_LOGPROBS = "message.output_text.logprobs"

_FREEFORM = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}
"""The input of a custom tool, whose text has no form: a function takes it as its one argument."""


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
    tools, custom = _tools(payload)
    chat: dict[str, Any] = {
        "model": payload.get("model"),
        "messages": messages_of(payload, history),
        "max_completion_tokens": payload.get("max_output_tokens"),
        "temperature": payload.get("temperature"),
        "top_p": payload.get("top_p"),
        "user": payload.get("user"),
        "response_format": _format(payload),
        "reasoning_effort": _effort(payload),
        **_logprobs(payload),
        **tools,
    }
    return Translation(chat_call(call, chat), ResponsesAnswering(payload, custom, sources))


def _refuse(payload: dict[str, Any]) -> None:
    refuse_others(payload, _KNOWN)
    for key in ("background", "conversation", "prompt"):
        if payload.get(key):
            raise unsayable(key)


def _effort(payload: dict[str, Any]) -> Any:
    reasoning = payload.get("reasoning")
    return reasoning.get("effort") if isinstance(reasoning, dict) else None


def _logprobs(payload: dict[str, Any]) -> dict[str, Any]:
    include = payload.get("include")
    if not isinstance(include, list) or _LOGPROBS not in include:
        return {}
    top = payload.get("top_logprobs")
    return {"logprobs": True, **({"top_logprobs": top} if top else {})}


def _format(payload: dict[str, Any]) -> dict[str, Any] | None:
    text = payload.get("text")
    wanted = text.get("format") if isinstance(text, dict) else None
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if wanted is None or kind == "text":
        return None
    if kind == "json_object":
        return {"type": "json_object"}
    if kind != "json_schema":
        raise unsayable("text.format", "a format other than text, json_object and json_schema")
    keys = ("name", "description", "schema", "strict")
    return {"type": kind, "json_schema": {key: wanted[key] for key in keys if wanted.get(key) is not None}}


def _tools(payload: dict[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
    """Return what chat says of the tools, and the names of those that are custom."""
    tools, custom = [], set()
    for index, tool in enumerate(objects(payload.get("tools"), "tools")):
        where = f"tools.{index}"
        kind = tool.get("type")
        if kind not in ("function", "custom"):
            raise unsayable(where, f"the tool {kind!r}")
        function = {
            key: tool[key] for key in ("description", "parameters", "strict") if tool.get(key) is not None
        }
        function["name"] = name = texts(tool.get("name"), f"{where}.name")
        if kind == "custom":
            custom.add(name)
            function |= {"parameters": _FREEFORM, "description": _described(tool)}
        tools.append({"type": "function", "function": function})
    if not tools:
        return {}, frozenset()
    said: dict[str, Any] = {"tools": tools, "parallel_tool_calls": payload.get("parallel_tool_calls")}
    if payload.get("tool_choice") is not None:
        said["tool_choice"] = _choice(payload["tool_choice"])
    return said, frozenset(custom)


def _described(tool: dict[str, Any]) -> str:
    """Return the description of a custom tool, with the grammar that its input must follow."""
    said, form = str(tool.get("description") or ""), tool.get("format")
    grammar = form.get("definition") if isinstance(form, dict) else None
    if isinstance(form, dict) and isinstance(grammar, str):
        said += f"\n\nThe input follows this {form.get('syntax') or 'lark'} grammar:\n{grammar}"
    return said


def _choice(choice: Any) -> Any:
    if isinstance(choice, str):
        return choice
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind in ("function", "custom") and isinstance(choice.get("name"), str):
        return {"type": "function", "function": {"name": choice["name"]}}
    raise PayloadError("tool_choice must be none, auto, required, or name a function", param="tool_choice")
