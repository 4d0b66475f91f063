"""A message of Anthropic's Messages API as an answer in OpenAI's dialect; pure functions."""

from __future__ import annotations

from typing import Any

from tollway.provider import Answer, AnswerInfo, ResponseError
from tollway.provider.json_text import dumps
from tollway.provider.usages import anthropic_usage

from ._anthropic_format import JSON_TOOL
from ._chunk_stream import whole_answer

_FINISHES = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}


_COUNTS = (
    *("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "cache_creation"),
    *("output_tokens", "output_tokens_details", "server_tool_use", "service_tier"),
)
"""The counts of a `usage` that are read."""


def answer_of(message: Any, now_s: int, *, by_tool: bool = False) -> Answer:
    """Read a whole message; `now_s` is the Unix time in seconds, which a message does not tell.

    `by_tool` says that the input of `JSON_TOOL` is the answer's text.

    Raises:
        ResponseError: it is no message.
    """
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list):
        raise ResponseError("the model's service answered without content")
    if by_tool and any(map(_is_answer, content)):
        content = [_as_text(block) for block in content]
    finish = finish_of(message.get("stop_reason"), by_tool=by_tool)
    if finish is None:
        raise ResponseError("the model's service answered without saying why it stopped")
    counts = counts_of(message.get("usage"))
    info = AnswerInfo(
        text_of(message, "id") or None,
        text_of(message, "model") or None,
        anthropic_usage(counts),
        (finish,),
    )
    said = {"role": "assistant", **_said(content), "refusal": refusal_of(message)}
    return whole_answer(info, now_s, [{"message": said, "finish_reason": finish}])


def finish_of(stop_reason: Any, *, by_tool: bool = False) -> str | None:
    """Return OpenAI's word for why it stopped; None when it does not say. A word not known is a stop.

    `by_tool` says that the only tool is the answer itself, whose use is the end of it.
    """
    if by_tool and stop_reason == "tool_use":
        return "stop"
    return _FINISHES.get(stop_reason, "stop") if isinstance(stop_reason, str) and stop_reason else None


def refusal_of(holder: dict[str, Any]) -> str | None:
    """Return how a refusal is explained, if it is one and is explained."""
    details = holder.get("stop_details")
    return text_of(details, "explanation") or None if isinstance(details, dict) else None


def text_of(holder: dict[str, Any], key: str) -> str:
    """Return a text of an object, empty when it has none."""
    value = holder.get(key)
    return value if isinstance(value, str) else ""


def counts_of(usage: Any) -> dict[str, Any]:
    """Return the counts of a `usage` that are told; those of a stream add to the ones before."""
    if not isinstance(usage, dict):
        return {}
    return {key: usage[key] for key in _COUNTS if usage.get(key) is not None}


def _said(content: list[Any]) -> dict[str, Any]:
    """Return what the blocks say: text, thinking, calls. A kind of block not known is left out."""
    blocks = [block for block in content if isinstance(block, dict)]
    kinds: dict[str, list[dict[str, Any]]] = {}
    for block in blocks:
        kinds.setdefault(text_of(block, "type"), []).append(block)
    said: dict[str, Any] = {"content": "".join(text_of(b, "text") for b in kinds.get("text", [])) or None}
    thoughts = "".join(text_of(block, "thinking") for block in kinds.get("thinking", []))
    if thoughts:
        said["reasoning_content"] = thoughts
    thinking = [block for block in blocks if block.get("type") in ("thinking", "redacted_thinking")]
    if thinking:
        said["thinking_blocks"] = thinking
    if "tool_use" in kinds:
        said["tool_calls"] = [_tool_call(block) for block in kinds["tool_use"]]
    elif said["content"] is None:
        said["content"] = ""
    return said


def _is_answer(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") == "tool_use" and block.get("name") == JSON_TOOL


def _as_text(block: Any) -> Any:
    """Return the answer's tool as a block of text; other text, which may stand before it, is left out."""
    if _is_answer(block):
        return {"type": "text", "text": dumps(block.get("input") or {}).decode()}
    return {} if isinstance(block, dict) and block.get("type") == "text" else block


def _tool_call(block: dict[str, Any]) -> dict[str, Any]:
    arguments = dumps(block.get("input") or {}).decode()
    function = {"name": text_of(block, "name"), "arguments": arguments}
    return {"id": text_of(block, "id"), "type": "function", "function": function}
