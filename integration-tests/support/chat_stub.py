"""What a service of OpenAI's chat answers: thoughts, text and a tool's call, whole and streamed."""

from __future__ import annotations

import json
from typing import Any

from support.upstream import Exchange, chunk

USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 2,
    "total_tokens": 11,
    "prompt_tokens_details": {"cached_tokens": 4},
}


def script(exchange: Exchange) -> None:
    """Answer as OpenAI does: call the first tool there is, else say hello, and think if asked to."""
    asked = json.loads(exchange.body)
    tools = asked.get("tools")
    call = {"name": "weather", "arguments": '{"city": "Linz"}'}
    if not asked.get("stream"):
        message: dict[str, Any] = {"role": "assistant", "content": "Hello."}
        if tools:
            message["tool_calls"] = [{"id": "call_1", "type": "function", "function": call}]
        if asked.get("reasoning_effort"):
            message["reasoning_content"] = "Hm."
        finish = "tool_calls" if tools else "stop"
        choice = {"index": 0, "message": message, "finish_reason": finish}
        exchange.answer({"id": "c", "model": "recorded", "choices": [choice], "usage": USAGE})
        return
    exchange.begin_stream()
    if asked.get("reasoning_effort"):
        exchange.event(_delta(reasoning_content="Hm."))
    exchange.event(chunk("Hel"))
    exchange.event(chunk("lo."))
    if tools:
        function = {"name": "weather", "arguments": ""}
        exchange.event(_delta(tool_calls=[{"index": 0, "id": "call_1", "function": function}]))
        for part in ('{"city":', ' "Linz"}'):
            exchange.event(_delta(tool_calls=[{"index": 0, "function": {"arguments": part}}]))
    exchange.event(chunk("", "tool_calls" if tools else "stop"))
    exchange.event({"id": "c", "model": "recorded", "choices": [], "usage": USAGE})
    exchange.end_stream()


def _delta(**delta: Any) -> dict[str, Any]:
    choices = [{"index": 0, "delta": delta, "finish_reason": None}]
    return {"id": "c", "model": "recorded", "choices": choices}
