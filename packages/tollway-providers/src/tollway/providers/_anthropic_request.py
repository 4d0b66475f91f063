"""A chat request of OpenAI's dialect as the body of Anthropic's Messages API; pure functions.

Settings that only steer (`seed`, penalties, `logit_bias`) have no counterpart and are left out. What would
make the answer another than the one asked for is refused.
"""

from __future__ import annotations

from typing import Any

from tollway.provider import Call, PayloadError

from ._anthropic_format import format_of
from ._anthropic_messages import turns_of
from ._anthropic_schema import closed

_ANSWER_TOKENS = 8192
"""Tokens that are left for the answer when the caller sets a budget for thinking, but no maximum."""

_NO_SAMPLING_SINCE = "2026-10-21"
"""The version of the API that refuses `temperature`, `top_p` and `top_k`, whatever their values:
https://platform.claude.com/docs/en/api/versioning."""

_EFFORTS = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}

_TOOL_CHOICES = {"auto": "auto", "required": "any", "none": "none"}

_FORCED = ("any", "tool")
"""Choices that leave the model none but to call."""


def message_of(call: Call, model: str, version: str, default_max_tokens: int) -> dict[str, Any]:
    """Return the body that asks what the caller asks, in a version of the API.

    Raises:
        PayloadError: the Messages API has no way to say it.
    """
    payload = call.payload
    _refuse(payload)
    system, turns = turns_of(payload.get("messages"))
    wanted = format_of(payload)
    tools = _tools(payload) or wanted.tools
    thinking = _thinking(payload, forced=tools.get("tool_choice", {}).get("type") in _FORCED)
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": _max_tokens(payload, default_max_tokens),
        "messages": turns,
        **_stops(payload),
        **(_sampling(payload, thinks=_is_on(thinking)) if version < _NO_SAMPLING_SINCE else {}),
        **tools,
        **thinking,
    }
    if wanted.words:
        system = [*system, {"type": "text", "text": wanted.words}]
    if system:
        body["system"] = system
    output = {**_effort(payload), **wanted.output}
    if output:
        body["output_config"] = output
    if user := _user(payload):
        body["metadata"] = {"user_id": user}
    if payload.get("cache_control"):
        body["cache_control"] = payload["cache_control"]
    if call.stream:
        body["stream"] = True
    return body


def _refuse(payload: dict[str, Any]) -> None:
    """Refuse what the answer would lack."""
    if payload.get("n") not in (None, 1):
        raise PayloadError("this model gives one answer at a time: n must be 1", param="n")
    if payload.get("logprobs"):
        raise PayloadError("this model tells no log probabilities", param="logprobs")
    if payload.get("audio") or payload.get("modalities") not in (None, ["text"]):
        raise PayloadError("this model answers in text alone", param="modalities")
    for old, new in (("functions", "tools"), ("function_call", "tool_choice")):
        if payload.get(old):
            raise PayloadError(f"{old} is not supported: use {new}", param=old)


def _max_tokens(payload: dict[str, Any], default: int) -> Any:
    for key in ("max_completion_tokens", "max_tokens"):
        if payload.get(key) is not None:
            return payload[key]
    thinking = payload.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    # The budget is a part of the maximum, and has to be smaller.
    return budget + _ANSWER_TOKENS if isinstance(budget, int) and budget >= default else default


def _sampling(payload: dict[str, Any], *, thinks: bool) -> dict[str, Any]:
    """Return how to sample; a model that thinks takes no say in it:
    https://platform.claude.com/docs/en/build-with-claude/extended-thinking.
    """
    said = {key: payload[key] for key in ("top_p", "top_k") if payload.get(key) is not None}
    temperature = payload.get("temperature")
    if temperature is not None:
        number = isinstance(temperature, int | float) and not isinstance(temperature, bool)
        if not number or not 0 <= temperature <= 2:
            raise PayloadError("temperature must be a number from 0 to 2", param="temperature")
        said["temperature"] = temperature / 2  # its range is 0 to 1 there
    return {} if thinks else said


def _stops(payload: dict[str, Any]) -> dict[str, Any]:
    """Return where to stop; the API refuses sequences of white space alone, so these are left out."""
    stop = payload.get("stop")
    if not stop:
        return {}
    if not isinstance(stop, str | list):
        raise PayloadError("stop must be text or a list of texts", param="stop")
    sequences = [stop] if isinstance(stop, str) else stop
    kept = [one for one in sequences if not isinstance(one, str) or one.strip()]
    return {"stop_sequences": kept} if kept else {}


def _user(payload: dict[str, Any]) -> Any:
    """Return who asks: OpenAI's fields for it, or Anthropic's own `metadata.user_id`."""
    metadata = payload.get("metadata")
    named = metadata.get("user_id") if isinstance(metadata, dict) else None
    return payload.get("user") or payload.get("safety_identifier") or named


def _thinking(payload: dict[str, Any], *, forced: bool) -> dict[str, Any]:
    """Return how to think: in Anthropic's own words, or as OpenAI's `reasoning_effort` wants it.

    Where a tool is `forced`, the API refuses thinking. An effort only steers, and then says how hard to try.
    """
    if payload.get("thinking") is not None:
        return {"thinking": payload["thinking"]}
    effort = payload.get("reasoning_effort")
    if effort is None or forced:
        return {}
    return {"thinking": {"type": "disabled" if effort == "none" else "adaptive"}}


def _is_on(thinking: dict[str, Any]) -> bool:
    said = thinking.get("thinking")
    return isinstance(said, dict) and said.get("type") != "disabled"


def _effort(payload: dict[str, Any]) -> dict[str, Any]:
    effort = payload.get("reasoning_effort")
    if effort in (None, "none"):
        return {}
    if not isinstance(effort, str) or effort not in _EFFORTS:
        allowed = ", ".join(["none", *_EFFORTS])
        raise PayloadError(f"reasoning_effort must be one of {allowed}", param="reasoning_effort")
    return {"effort": _EFFORTS[effort]}


def _tools(payload: dict[str, Any]) -> dict[str, Any]:
    tools = payload.get("tools")
    if not tools:
        return {}
    if not isinstance(tools, list):
        raise PayloadError("tools must be a list of tools", param="tools")
    said: dict[str, Any] = {"tools": [_tool(tool, f"tools.{index}") for index, tool in enumerate(tools)]}
    choice = _tool_choice(payload.get("tool_choice"))
    if payload.get("parallel_tool_calls") is False and (choice or {}).get("type") != "none":
        choice = {"type": "auto", **(choice or {}), "disable_parallel_tool_use": True}
    if choice:
        said["tool_choice"] = choice
    return said


def _tool(tool: Any, where: str) -> dict[str, Any]:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict) or tool.get("type", "function") != "function":
        raise PayloadError("a tool must be a function", param=where)
    if not isinstance(function.get("name"), str):
        raise PayloadError("a function needs a name", param=f"{where}.function.name")
    parameters = function.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise PayloadError("parameters must be a JSON schema", param=f"{where}.function.parameters")
    said: dict[str, Any] = {"name": function["name"], "input_schema": {"type": "object", **parameters}}
    if function.get("description"):
        said["description"] = function["description"]
    if function.get("strict") is True:
        said |= {"strict": True, "input_schema": closed({"type": "object", **parameters})}
    marked = tool.get("cache_control") or function.get("cache_control")
    return {**said, "cache_control": marked} if marked else said


def _tool_choice(choice: Any) -> dict[str, Any] | None:
    if choice is None:
        return None
    if isinstance(choice, str) and choice in _TOOL_CHOICES:
        return {"type": _TOOL_CHOICES[choice]}
    function = choice.get("function") if isinstance(choice, dict) else None
    if isinstance(function, dict) and isinstance(function.get("name"), str):
        return {"type": "tool", "name": function["name"]}
    raise PayloadError(
        "tool_choice must be one of none, auto, required, or name a function", param="tool_choice"
    )
