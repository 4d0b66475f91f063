"""Upstreams that do what agents ask of them: call the first tool once, and fill in the schema that is wanted.

One of OpenAI's chat and embeddings, one of Anthropic's Messages; the same answers by both.
"""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

from support import anthropic_stub
from support.anthropic_stub import Failure, Reply
from support.upstream import Exchange, chunk

TEXT = "Hello."
CITY = "Linz"
VECTOR = [0.5, 0.25]
USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}


def filled(schema: dict[str, Any], root: dict[str, Any] | None = None) -> Any:
    """Return the smallest value of a schema; each text is a city."""
    root = schema if root is None else root
    if "$ref" in schema:
        return filled(root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root)
    for choice in ("anyOf", "allOf", "oneOf"):
        if choice in schema:
            return filled(schema[choice][0], root)
    if "enum" in schema:
        return schema["enum"][0]
    if "properties" in schema or schema.get("type") == "object":
        return {key: filled(value, root) for key, value in schema.get("properties", {}).items()}
    simple = {"string": CITY, "integer": 1, "number": 0.5, "boolean": True, "array": [], "null": None}
    return simple.get(schema.get("type", "string"), CITY)


def chat(exchange: Exchange, tool: str = "", **arguments: Any) -> None:
    """Answer as OpenAI does; with a `tool`, by a call of that one with these arguments."""
    asked = json.loads(exchange.body)
    if tool:
        asked["tools"] = [one for one in asked.get("tools", ()) if one["function"]["name"] == tool]
    if exchange.path.endswith("/embeddings"):
        exchange.answer(_embeddings(asked))
        return
    message = _message(asked, arguments)
    finish = "tool_calls" if "tool_calls" in message else "stop"
    if not asked.get("stream"):
        choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
        said = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "recorded"}
        exchange.answer({**said, "choices": [choice], "usage": USAGE})
        return
    exchange.begin_stream()
    text = message.get("content") or ""
    for part in (text[:3], text[3:]):
        exchange.event(chunk(part))
    for index, call in enumerate(message.get("tool_calls", ())):
        exchange.event(_delta({"index": index, **call, "function": {**call["function"], "arguments": ""}}))
        exchange.event(_delta({"index": index, "function": {"arguments": call["function"]["arguments"]}}))
    exchange.event(chunk("", finish))
    exchange.event({**chunk(""), "choices": [], "usage": USAGE})
    exchange.end_stream()


def messages(body: dict[str, Any]) -> Reply | Failure:
    """Answer as Anthropic does."""
    tools = body.get("tools")
    last = body["messages"][-1]["content"]
    answered = isinstance(last, list) and any(block["type"] == "tool_result" for block in last)
    wanted = body.get("output_config", {}).get("format")
    if tools and not answered:
        given = filled(tools[0]["input_schema"])
        call = {"type": "tool_use", "id": "toolu_1", "name": tools[0]["name"], "input": given}
        return Reply([call], "tool_use")
    said = json.dumps(filled(wanted["schema"])) if wanted else TEXT
    return Reply([anthropic_stub.text(said)])


def _message(asked: dict[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": TEXT, "refusal": None}
    tools = asked.get("tools")
    if tools and asked["messages"][-1]["role"] != "tool":
        function = tools[0]["function"]
        given = arguments or filled(function.get("parameters") or {})
        call = {"name": function["name"], "arguments": json.dumps(given)}
        return message | {
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": call}],
        }
    wanted = asked.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        return message | {"content": json.dumps(filled(wanted["json_schema"]["schema"]))}
    return message


def _embeddings(asked: dict[str, Any]) -> dict[str, Any]:
    vector: Any = VECTOR
    if asked.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack("<2f", *VECTOR)).decode()
    count = len(asked["input"]) if isinstance(asked["input"], list) else 1
    data = [{"object": "embedding", "index": n, "embedding": vector} for n in range(count)]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return {"object": "list", "model": "recorded", "data": data, "usage": usage}


def _delta(call: dict[str, Any]) -> dict[str, Any]:
    return {**chunk(""), "choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]}
