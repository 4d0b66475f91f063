"""How a JSON answer is asked of Claude: by a schema, by a tool whose input is the answer, or in words.

https://platform.claude.com/docs/en/build-with-claude/structured-outputs enforces schemas of closed objects.
Any other object is the input of a tool that the model has to use:
https://platform.claude.com/docs/en/agents-and-tools/tool-use/implement-tool-use#json-output. Where the caller
has tools of its own, or asked for thinking, which the API refuses beside a forced tool, words have to do:
https://platform.claude.com/docs/en/test-and-evaluate/strengthen-guardrails/increase-consistency.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from tollway.provider import PayloadError

from ._anthropic_schema import closed, is_open

JSON_TOOL = "answer_in_json"
"""The tool whose input is the answer; the caller never sees it."""

_DESCRIPTION = "Gives the answer. The input is the whole answer: one JSON object, as the user asked for it."
_WORDS = "Answer with one JSON object and nothing else: no text around it, no code fence."


class Format(NamedTuple):
    """What a request says to get JSON: a part of `output_config`, tools, or words for the system prompt."""

    output: dict[str, Any]
    tools: dict[str, Any]
    words: str


_PLAIN = Format({}, {}, "")


def format_of(payload: dict[str, Any]) -> Format:
    """Return how the answer that `response_format` wants is asked for.

    Raises:
        PayloadError: it wants a form that there is no way to ask for.
    """
    wanted = payload.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if wanted is None or kind == "text":
        return _PLAIN
    if kind == "json_object":
        return _by_tool_or_words(payload, {"type": "object"}, _WORDS)
    schema = _schema(wanted)
    if kind != "json_schema" or schema is None:
        raise PayloadError(
            "response_format must be text, json_object, or json_schema with a schema", param="response_format"
        )
    if is_open(schema):
        words = f"{_WORDS} It must be valid against this JSON schema: {orjson.dumps(schema).decode()}"
        return _by_tool_or_words(payload, schema, words)
    return Format({"format": {"type": "json_schema", "schema": closed(schema)}}, {}, "")


def answers_by_tool(payload: dict[str, Any]) -> bool:
    """Whether the answer to this request is the input of `JSON_TOOL`."""
    wanted = payload.get("response_format")
    if not isinstance(wanted, dict) or wanted.get("type") not in ("json_object", "json_schema"):
        return False
    return bool(format_of(payload).tools)


def _schema(wanted: Any) -> dict[str, Any] | None:
    described = wanted.get("json_schema") if isinstance(wanted, dict) else None
    schema = described.get("schema") if isinstance(described, dict) else None
    return schema if isinstance(schema, dict) else None


def _by_tool_or_words(payload: dict[str, Any], schema: dict[str, Any], words: str) -> Format:
    thinking = payload.get("thinking")
    thinks = isinstance(thinking, dict) and thinking.get("type") != "disabled"
    if payload.get("tools") or thinks or schema.get("type") != "object":
        return Format({}, {}, words)
    tool = {"name": JSON_TOOL, "description": _DESCRIPTION, "input_schema": schema}
    choice = {"type": "tool", "name": JSON_TOOL, "disable_parallel_tool_use": True}
    return Format({}, {"tools": [tool], "tool_choice": choice}, "")
