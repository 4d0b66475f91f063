"""A request of OpenAI's Responses API as one of OpenAI's chat; pure functions.

https://platform.openai.com/docs/api-reference/responses/create. What only steers is left out; what the answer
would lack is refused by its name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tollway.provider import Call

from ._fields import chat_call, refuse_others, unsayable
from .contract import Sources, Translation
from .responses_answers import ResponsesAnswering
from .responses_items import items_of, messages_of
from .responses_tools import tools_of

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
    earlier = list(history)
    tools = tools_of(payload, [*earlier, *items_of(payload)])
    chat: dict[str, Any] = {
        "model": payload.get("model"),
        "messages": messages_of(payload, earlier),
        "max_completion_tokens": payload.get("max_output_tokens"),
        "temperature": payload.get("temperature"),
        "top_p": payload.get("top_p"),
        "user": payload.get("user"),
        "response_format": _format(payload),
        "reasoning_effort": _effort(payload),
        **_logprobs(payload),
        **tools.said,
    }
    answering = ResponsesAnswering(payload, tools.declared, sources)
    return Translation(chat_call(call, chat), answering, tools.dropped)


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
