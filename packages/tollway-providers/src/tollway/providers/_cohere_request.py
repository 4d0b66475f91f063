"""A chat request of OpenAI's dialect as the body of Cohere's v2 chat; pure functions.

https://docs.cohere.com/reference/chat. Fields that only steer and have no counterpart (`logit_bias`, `user`,
`store`, `parallel_tool_calls`) are left out.
"""

from __future__ import annotations

from typing import Any

from tollway.provider import PayloadError
from tollway.provider.json_text import dumps

from . import _chat_request as chat

_SAMPLING = {
    **{"temperature": "temperature", "top_p": "p", "top_k": "k", "seed": "seed"},
    **{"presence_penalty": "presence_penalty", "frequency_penalty": "frequency_penalty"},
}
_OWN = ("documents", "citation_options", "safety_mode", "strict_tools", "priority")
"""Fields of Cohere's own, which pass as they are."""


def body_of(payload: dict[str, Any], model: str, *, stream: bool) -> dict[str, Any]:
    """Return the body that asks what the caller asks.

    Raises:
        PayloadError: the API has no way to say it.
    """
    chat.refuse_unsayable(payload)
    chat.refuse_modalities(payload)
    body: dict[str, Any] = {
        "model": model,
        "messages": _messages(payload),
        **chat.said(payload, _SAMPLING),
        **_tools(payload),
        **_thinking(payload),
        **chat.said(payload, {name: name for name in _OWN}),
    }
    if (limit := chat.max_tokens_of(payload)) is not None:
        body["max_tokens"] = limit
    if stops := chat.stops_of(payload):
        body["stop_sequences"] = stops
    if wanted := chat.schema_of(payload):
        schema = {} if wanted.schema is None else {"json_schema": wanted.schema}
        body["response_format"] = {"type": "json_object", **schema}
    if stream:
        body["stream"] = True
    return body


def _messages(payload: dict[str, Any]) -> list[dict[str, Any]]:
    said = []
    for role, message, where in chat.messages_of(payload):
        if role == "assistant":
            said.append(_answer(message, where))
        elif role == "tool":
            called = chat.called_id(message, where)
            said.append({"role": "tool", "tool_call_id": called, "content": _text(message, where)})
        elif role == "user":
            said.append({"role": "user", "content": _content(message, where)})
        else:
            said.append({"role": "system", "content": _text(message, where)})
    if all(message["role"] == "system" for message in said):
        raise PayloadError("messages hold nothing that a model could answer", param="messages")
    return said


def _answer(message: dict[str, Any], where: str) -> dict[str, Any]:
    """Return what the model said before; what it thought before its calls is their plan."""
    said: dict[str, Any] = {"role": "assistant"}
    refusal = message.get("refusal")
    text = _text(message, where) or (refusal if isinstance(refusal, str) else "")
    calls = chat.tool_calls_of(message, where)
    if text or not calls:
        said["content"] = text
    if calls:
        said["tool_calls"] = [_call(call) for call in calls]
        if isinstance(message.get("reasoning_content"), str) and message["reasoning_content"]:
            said["tool_plan"] = message["reasoning_content"]
    return said


def _call(call: chat.ToolCall) -> dict[str, Any]:
    broken = call.arguments is None
    text = dumps({"INVALID_JSON": call.text}).decode() if broken else call.text
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": text}}


def _text(message: dict[str, Any], where: str) -> str:
    return "".join(chat.text_of(part) for part in chat.parts_of(message, where, ("text", "refusal")))


def _content(message: dict[str, Any], where: str) -> str | list[dict[str, Any]]:
    """Return a user's text, or his parts if there are images among them."""
    parts = list(chat.parts_of(message, where, ("text", "image_url")))
    if all(part.kind == "text" for part in parts):
        return "".join(map(chat.text_of, parts))
    return [
        {"type": "text", "text": chat.text_of(part)}
        if part.kind == "text"
        else {"type": "image_url", "image_url": {"url": chat.image_url_of(part), **_detail(part)}}
        for part in parts
    ]


def _detail(part: chat.Part) -> dict[str, Any]:
    holder = part.said.get("image_url")
    return chat.said(holder, {"detail": "detail"}) if isinstance(holder, dict) else {}


def _tools(payload: dict[str, Any]) -> dict[str, Any]:
    """Return the tools; a function that is named is the only one, and required."""
    tools = chat.tools_of(payload)
    choice, name = chat.tool_choice_of(payload)
    if name:
        tools = [tool for tool in tools if tool.name == name]
        if not tools:
            raise PayloadError(
                "tool_choice names a function that is not among the tools", param="tool_choice"
            )
    if not tools:
        return {}
    said: dict[str, Any] = {"tools": [{"type": "function", "function": _function(tool)} for tool in tools]}
    if choice in ("required", "function", "none"):
        said["tool_choice"] = "NONE" if choice == "none" else "REQUIRED"
    if any(tool.said.get("strict") is True for tool in tools):
        said["strict_tools"] = True
    return said


def _function(tool: chat.Tool) -> dict[str, Any]:
    described = {"description": tool.description} if tool.description else {}
    return {"name": tool.name, **described, "parameters": {"type": "object", **tool.parameters}}


def _thinking(payload: dict[str, Any]) -> dict[str, Any]:
    """Return whether to think: https://docs.cohere.com/docs/reasoning. There are budgets, and no efforts."""
    budget, effort = chat.thinking_budget(payload), chat.effort_of(payload)
    if budget == 0 or (budget is None and effort == "none"):
        return {"thinking": {"type": "disabled"}}
    if budget is not None:
        return {"thinking": {"type": "enabled", "token_budget": budget}}
    return {"thinking": {"type": "enabled"}} if effort or payload.get("thinking") else {}
