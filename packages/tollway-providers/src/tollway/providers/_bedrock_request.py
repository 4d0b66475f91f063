"""A chat request of OpenAI's dialect as the body of Bedrock's Converse; pure functions.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html. Fields that only steer and
have no counterpart (`seed`, penalties, `logit_bias`, `user`, `parallel_tool_calls`) are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from tollway.provider import PayloadError

from . import _chat_request as chat
from ._anthropic_schema import closed

_IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_DOCUMENTS = {
    **{"application/pdf": "pdf", "text/csv": "csv", "text/html": "html", "text/plain": "txt"},
    **{"text/markdown": "md", "application/msword": "doc", "application/vnd.ms-excel": "xls"},
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
_ODD_NAME = re.compile(r"[^a-zA-Z0-9\s\-()\[\]]")
_ODD_ID = re.compile(r"[^a-zA-Z0-9_-]")
_MAX_ID = 64

_OWN = ("guardrailConfig", "performanceConfig", "requestMetadata", "serviceTier", "promptVariables")
"""Fields of Converse's own, which pass as they are."""

_NOVA_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium"}
_CLAUDE_EFFORTS = {"minimal": "low"}
_PARTS = ("text", "image_url", "file")
_ANY_INPUT = {"json": {"type": "object"}}
_JSON_WORDS = "Answer with one JSON object and nothing else: no text around it, no code fence."


def body_of(payload: dict[str, Any], model: str) -> dict[str, Any]:
    """Return the body that asks what the caller asks.

    Raises:
        PayloadError: Converse has no way to say it.
    """
    chat.refuse_unsayable(payload)
    chat.refuse_modalities(payload)
    system, messages, called = _conversation(payload)
    wanted = chat.schema_of(payload)
    if wanted is not None and wanted.schema is None:
        system.append({"text": _JSON_WORDS})
    body: dict[str, Any] = {"messages": messages}
    if system:
        body["system"] = system
    if config := _inference(payload):
        body["inferenceConfig"] = config
    if tools := _tools(payload, called):
        body["toolConfig"] = tools
    if wanted is not None and wanted.schema is not None:
        schema = {"schema": orjson.dumps(closed(wanted.schema)).decode(), "name": wanted.name}
        form = {"type": "json_schema", "structure": {"jsonSchema": schema}}
        body["outputConfig"] = {"textFormat": form}
    if more := _additional(payload, model):
        body["additionalModelRequestFields"] = more
        _settle_thinking(body, more, own=payload.get("thinking") is not None)
    return body | chat.said(payload, {name: name for name in _OWN})


def _settle_thinking(body: dict[str, Any], more: dict[str, Any], *, own: bool) -> None:
    """Leave out what Claude refuses beside thinking: sampling, and of a forced tool thinking itself.

    Thinking in Claude's `own` words stays: its refusal is the caller's to read.
    """
    thinking = more.get("thinking")
    forced = not {"any", "tool"}.isdisjoint(body.get("toolConfig", {}).get("toolChoice", {}))
    if forced and not own:
        more.pop("thinking", None)
    elif isinstance(thinking, dict) and thinking.get("type") != "disabled":
        more.pop("top_k", None)
        for name in ("temperature", "topP"):
            body.get("inferenceConfig", {}).pop(name, None)


def _conversation(
    payload: dict[str, Any],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]:
    """Return the system's blocks, the turns, and the names of functions that were called in them."""
    system: list[dict[str, Any]] = []
    turns: list[dict[str, Any]] = []
    called: list[str] = []
    for role, message, where in chat.messages_of(payload):
        if role in ("system", "developer"):
            system += _blocks(message, where, ("text",))
            continue
        if role == "assistant":
            calls = chat.tool_calls_of(message, where)
            called += [call.name for call in calls]
            speaker, blocks = role, _answer(message, where, calls)
        elif role == "tool":
            speaker, blocks = "user", _result(message, where)
        else:
            speaker, blocks = "user", list(_blocks(message, where, _PARTS))
        if turns and turns[-1]["role"] == speaker:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": speaker, "content": blocks})
    if not turns:
        raise PayloadError("messages hold nothing that a model could answer", param="messages")
    return system, turns, called


def _answer(message: dict[str, Any], where: str, calls: list[chat.ToolCall]) -> list[dict[str, Any]]:
    blocks = [*_thinking(message), *_blocks(message, where, ("text", "refusal"))]
    if isinstance(message.get("refusal"), str) and message["refusal"].strip():
        blocks.append({"text": message["refusal"]})
    for call in calls:
        given = {"INVALID_JSON": call.text} if call.arguments is None else call.arguments
        blocks.append({"toolUse": {"toolUseId": _id(call.id), "name": call.name, "input": given}})
    return blocks


def _thinking(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the signed thinking of an earlier answer, in the form that Claude's answers have here."""
    given = message.get("thinking_blocks")
    found: list[dict[str, Any]] = []
    for block in given if isinstance(given, list) else ():
        if not isinstance(block, dict):
            continue
        if block.get("type") == "redacted_thinking" and block.get("data"):
            found.append({"reasoningContent": {"redactedContent": block["data"]}})
        elif block.get("signature"):
            text = {"text": block.get("thinking", ""), "signature": block["signature"]}
            found.append({"reasoningContent": {"reasoningText": text}})
    return found


def _result(message: dict[str, Any], where: str) -> list[dict[str, Any]]:
    """Return the result of a tool; a mark for the cache stands behind it, as none can be in it."""
    blocks = list(_blocks(message, where, _PARTS))
    content = [block for block in blocks if "cachePoint" not in block]
    marks = _cache_point(message) or [block for block in blocks if "cachePoint" in block][-1:]
    called = _id(chat.called_id(message, where))
    return [{"toolResult": {"toolUseId": called, "content": content or [{"text": "(empty)"}]}}, *marks]


def _cache_point(said: Any) -> list[dict[str, Any]]:
    """Return the mark for the cache that stands behind what has a `cache_control`; none behind others."""
    mark = said.get("cache_control") if isinstance(said, dict) else None
    if not isinstance(mark, dict):
        return []
    ttl = {"ttl": mark["ttl"]} if mark.get("ttl") else {}
    return [{"cachePoint": {"type": "default", **ttl}}]


def _id(given: str) -> str:
    return _ODD_ID.sub("_", given)[:_MAX_ID]


def _blocks(message: dict[str, Any], where: str, allowed: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yield the blocks of a message; blank text is left out, for the API refuses it."""
    for part in chat.parts_of(message, where, allowed):
        if part.kind in ("text", "refusal"):
            text = chat.text_of(part)
            if text.strip():
                yield {"text": text}
        elif part.kind == "image_url":
            yield {"image": _image(chat.image_url_of(part), f"{part.where}.image_url.url")}
        else:
            yield {"document": _document(part)}
        yield from _cache_point(part.said)


def _image(url: str, where: str) -> dict[str, Any]:
    if url.startswith("s3://"):
        kind = url.rpartition(".")[2].lower()
        return {"format": {"jpg": "jpeg"}.get(kind, kind), "source": {"s3Location": {"uri": url}}}
    if not url.startswith("data:"):
        raise PayloadError("this model takes images as data: URLs or s3: ones", param=where)
    media_type, data = chat.data_of(url, where)
    if media_type not in _IMAGES:
        raise PayloadError(f"an image must be one of {', '.join(_IMAGES)}", param=where)
    return {"format": _IMAGES[media_type], "source": {"bytes": data}}


def _document(part: chat.Part) -> dict[str, Any]:
    media_type, data, name = chat.file_of(part)
    kind = _DOCUMENTS.get(media_type)
    if kind is None:
        raise PayloadError(
            f"a file must be one of {', '.join(_DOCUMENTS)}", param=f"{part.where}.file.file_data"
        )
    plain = " ".join(_ODD_NAME.sub(" ", name.rpartition(".")[0] or name).split())
    return {"format": kind, "name": plain or "document", "source": {"bytes": data}}


def _inference(payload: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if (limit := chat.max_tokens_of(payload)) is not None:
        config["maxTokens"] = limit
    temperature = payload.get("temperature")
    if temperature is not None:
        if (
            not isinstance(temperature, int | float)
            or isinstance(temperature, bool)
            or not 0 <= temperature <= 2
        ):
            raise PayloadError("temperature must be a number from 0 to 2", param="temperature")
        config["temperature"] = temperature / 2  # its range is 0 to 1 there
    if payload.get("top_p") is not None:
        config["topP"] = payload["top_p"]
    if stops := [stop for stop in chat.stops_of(payload) if stop.strip()]:
        config["stopSequences"] = stops
    return config


def _tools(payload: dict[str, Any], called: list[str]) -> dict[str, Any]:
    """Return the tools; where the history calls some and there are none, those are named: else a 400."""
    tools = chat.tools_of(payload)
    choice, name = chat.tool_choice_of(payload)
    if choice == "none":
        if called:
            raise PayloadError(
                "after calls of tools this model cannot be kept from calling", param="tool_choice"
            )
        return {}
    specs = [
        one
        for tool, given in zip(tools, payload.get("tools") or (), strict=True)
        for one in (_spec(tool), *_cache_point(given))
    ]
    if not specs:
        return (
            {"tools": [{"toolSpec": {"name": one, "inputSchema": _ANY_INPUT}} for one in _once(called)]}
            if called
            else {}
        )
    said: dict[str, Any] = {"tools": specs}
    if choice:
        said["toolChoice"] = {"auto": {"auto": {}}, "required": {"any": {}}}.get(
            choice, {"tool": {"name": name}}
        )
    return said


def _spec(tool: chat.Tool) -> dict[str, Any]:
    described = {"description": tool.description} if tool.description else {}
    schema = {"type": "object", **tool.parameters}
    strict = {"strict": True} if tool.said.get("strict") is True else {}
    schema = closed(schema) if strict else schema
    return {"toolSpec": {"name": tool.name, **described, "inputSchema": {"json": schema}, **strict}}


def _once(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _additional(payload: dict[str, Any], model: str) -> dict[str, Any]:
    """Return what each family of models takes in words of its own."""
    given = payload.get("additionalModelRequestFields")
    more = dict(given) if isinstance(given, dict) else {}
    effort, thinking = chat.effort_of(payload), payload.get("thinking")
    if "nova" in model:
        if payload.get("top_k") is not None:
            more["inferenceConfig"] = {"topK": payload["top_k"]}
        if effort and effort != "none":
            level = _NOVA_EFFORTS.get(effort, "high")
            more["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": level}
        return more
    if payload.get("top_k") is not None:
        more["top_k"] = payload["top_k"]
    if "anthropic" not in model:
        return more | ({"reasoning_effort": effort} if effort else {})
    if thinking is not None:
        more["thinking"] = thinking
    elif effort:
        more["thinking"] = {"type": "disabled" if effort == "none" else "adaptive"}
        if effort != "none":
            more["output_config"] = {"effort": _CLAUDE_EFFORTS.get(effort, effort)}
    return more
