"""Messages of OpenAI's dialect as turns of Anthropic's Messages API.

https://platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from tollway.provider import PayloadError
from tollway.provider.json_text import loads

Block: TypeAlias = dict[str, Any]
"""A content block of the Messages API."""

_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_ALIASES = {"image/jpg": "image/jpeg"}  # registered nowhere, and much written
_PDF = "application/pdf"
_INVALID_JSON = "INVALID_JSON"
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_ODD = re.compile(r"[^a-zA-Z0-9_-]")
_MAX_ID = 64
"""Characters that are kept of an id that has to be changed."""


def turns_of(messages: Any) -> tuple[list[Block], list[dict[str, Any]]]:
    """Return the system prompt's blocks, and the turns.

    System and developer messages may stand anywhere, and all go into the system prompt, in their order.
    Neighbours of one role become one turn: the results of one turn's tools have to be together.

    Raises:
        PayloadError: a message cannot be said in this dialect.
    """
    if not isinstance(messages, list):
        raise PayloadError("messages must be a list of messages", param="messages")
    system: list[Block] = []
    turns: list[dict[str, Any]] = []
    for index, message in enumerate(messages):
        where = f"messages.{index}"
        role, blocks = _turn(message, where)
        if role == "system":
            system += blocks
        elif blocks and turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    if not turns:
        raise PayloadError("messages hold nothing that a model could answer", param="messages")
    return system, turns


def _turn(message: Any, where: str) -> tuple[str, list[Block]]:
    role = message.get("role") if isinstance(message, dict) else None
    if not isinstance(role, str) or role not in _ROLES:
        raise PayloadError(f"the role must be one of {', '.join(_ROLES)}", param=f"{where}.role")
    speaker = {"developer": "system", "tool": "user"}.get(role, role)
    return speaker, _ROLES[role](message, where)


def _text_alone(message: dict[str, Any], where: str) -> list[Block]:
    return list(_content(message.get("content"), f"{where}.content", ("text",)))


def _user(message: dict[str, Any], where: str) -> list[Block]:
    return list(_content(message.get("content"), f"{where}.content", ("text", "image_url", "file")))


def _tool_result(message: dict[str, Any], where: str) -> list[Block]:
    called = message.get("tool_call_id")
    if not isinstance(called, str) or not called:
        raise PayloadError("a tool's message needs the id of its call", param=f"{where}.tool_call_id")
    content = list(_content(message.get("content"), f"{where}.content", ("text", "image_url", "file")))
    result: Block = {"type": "tool_result", "tool_use_id": _id(called)}
    if content:
        result["content"] = content
    if message.get("cache_control"):
        result["cache_control"] = message["cache_control"]
    return [result]


def _assistant(message: dict[str, Any], where: str) -> list[Block]:
    if message.get("function_call"):
        raise PayloadError("function_call is not supported: use tool_calls", param=f"{where}.function_call")
    content = message.get("content")
    blocks = [
        *(_thinking(message.get("thinking_blocks"), f"{where}.thinking_blocks") or _details(message)),
        *_content(content if content is not None else "", f"{where}.content", _ASSISTANT_PARTS),
    ]
    if isinstance(message.get("refusal"), str):
        blocks += _text({"text": message["refusal"]}, f"{where}.refusal")
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise PayloadError("tool_calls must be a list", param=f"{where}.tool_calls")
    return blocks + [_tool_use(call, f"{where}.tool_calls.{index}") for index, call in enumerate(calls)]


_ROLES: dict[str, Callable[[dict[str, Any], str], list[Block]]] = {
    "system": _text_alone,
    "developer": _text_alone,
    "user": _user,
    "assistant": _assistant,
    "tool": _tool_result,
}


def _thinking(blocks: Any, where: str) -> list[Block]:
    """Return the thinking of an earlier answer as it was given: the API checks its signature."""
    if blocks is None:
        return []
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise PayloadError("thinking_blocks must be the list that an answer held", param=where)
    return [{key: value for key, value in block.items() if key != "index"} for block in blocks]


def _details(message: dict[str, Any]) -> list[Block]:
    """Return the thinking of OpenRouter's `reasoning_details`, as clients made for it keep it:
    https://openrouter.ai/docs/use-cases/reasoning-tokens#preserving-reasoning-blocks.
    """
    details = message.get("reasoning_details")
    found = []
    for detail in details if isinstance(details, list) else ():
        if not isinstance(detail, dict):
            continue
        if detail.get("type") == "reasoning.text":
            found += _signed(detail.get("text"), detail.get("signature"))
        elif detail.get("type") == "reasoning.encrypted" and isinstance(detail.get("data"), str):
            found.append({"type": "redacted_thinking", "data": detail["data"]})
    return found


def _signed(text: Any, signature: Any) -> list[Block]:
    """Return a block of thinking; without its signature the API would refuse it, and it is left out."""
    if not isinstance(text, str) or not isinstance(signature, str) or not signature:
        return []
    return [{"type": "thinking", "thinking": text, "signature": signature}]


def _tool_use(call: Any, where: str) -> Block:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(call.get("id"), str):
        raise PayloadError("a tool call needs an id and a function", param=where)
    if not isinstance(function.get("name"), str):
        raise PayloadError("a tool call needs the function's name", param=f"{where}.function.name")
    return {
        "type": "tool_use",
        "id": _id(call["id"]),
        "name": function["name"],
        "input": _arguments(function.get("arguments"), f"{where}.function.arguments"),
    }


def _id(given: str) -> str:
    """Return the id of a call as the API takes it: other models' ids may hold dots and colons."""
    if _ID.fullmatch(given):
        return given
    digest = hashlib.sha256(given.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{_ODD.sub('_', given)[:_MAX_ID]}_{digest}"


def _arguments(text: Any, where: str) -> dict[str, Any]:
    """Return a call's arguments; those that are no JSON object, as a call that was cut off has, are wrapped.

    OpenAI takes any text in the history, and the API an object alone. It documents this form for such texts:
    https://platform.claude.com/docs/en/agents-and-tools/tool-use/fine-grained-tool-streaming
    """
    if isinstance(text, dict):
        return text
    if text is not None and not isinstance(text, str):
        raise PayloadError("arguments must be text", param=where)
    try:
        arguments = loads((text or "{}").encode("utf-8", "surrogatepass"))
    except ValueError:
        arguments = None
    return arguments if isinstance(arguments, dict) else {_INVALID_JSON: text}


def _content(content: Any, where: str, allowed: tuple[str, ...]) -> Iterator[Block]:
    """Yield the blocks of a message; blank text is left out, for the API refuses it."""
    if isinstance(content, str):
        yield from _text({"text": content}, where)
        return
    if not isinstance(content, list):
        raise PayloadError("content must be text or a list of parts", param=where)
    for index, part in enumerate(content):
        place = f"{where}.{index}"
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(kind, str) or kind not in allowed:
            raise PayloadError(f"a part here must be one of {', '.join(allowed)}", param=f"{place}.type")
        for block in _PARTS[kind](part, place):
            marked = part.get("cache_control")
            yield {**block, "cache_control": marked} if marked else block


def _text(part: dict[str, Any], where: str) -> list[Block]:
    text = part.get("text")
    if not isinstance(text, str):
        raise PayloadError("a part of text needs its text", param=f"{where}.text")
    return [{"type": "text", "text": text}] if text.strip() else []


def _refusal(part: dict[str, Any], where: str) -> list[Block]:
    return _text({"text": part.get("refusal")}, where)


def _image(part: dict[str, Any], where: str) -> list[Block]:
    holder = part.get("image_url")
    url = holder.get("url") if isinstance(holder, dict) else holder
    place = f"{where}.image_url.url"
    if isinstance(url, str) and url.startswith(("https://", "http://")):
        return [{"type": "image", "source": {"type": "url", "url": url}}]
    media_type, data = _data_of(url, place)
    media_type = _ALIASES.get(media_type, media_type)
    if media_type not in _IMAGES:
        raise PayloadError(f"an image must be one of {', '.join(_IMAGES)}", param=place)
    return [{"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}]


def _file(part: dict[str, Any], where: str) -> list[Block]:
    file = part.get("file")
    place = f"{where}.file.file_data"
    if not isinstance(file, dict):
        raise PayloadError("a part that is a file needs its data", param=place)
    media_type, data = _data_of(file.get("file_data"), place)
    if media_type != _PDF:
        raise PayloadError(f"a file must be {_PDF}", param=place)
    named = {"title": file["filename"]} if isinstance(file.get("filename"), str) else {}
    return [{"type": "document", "source": {"type": "base64", "media_type": _PDF, "data": data}, **named}]


def _thinking_part(part: dict[str, Any], where: str) -> list[Block]:
    return _signed(part.get("thinking"), part.get("signature"))


def _redacted_part(part: dict[str, Any], where: str) -> list[Block]:
    data = part.get("data")
    return [{"type": "redacted_thinking", "data": data}] if isinstance(data, str) else []


def _reasoning_part(part: dict[str, Any], where: str) -> list[Block]:
    """Return a standard content block of LangChain's, whose signature is among the extras."""
    extras = part.get("extras")
    return _signed(part.get("reasoning"), extras.get("signature") if isinstance(extras, dict) else None)


_ASSISTANT_PARTS = ("text", "refusal", "thinking", "redacted_thinking", "reasoning")

_PARTS: dict[str, Callable[[dict[str, Any], str], list[Block]]] = {
    "text": _text,
    "refusal": _refusal,
    "image_url": _image,
    "file": _file,
    "thinking": _thinking_part,
    "redacted_thinking": _redacted_part,
    "reasoning": _reasoning_part,
}


def _data_of(url: Any, where: str) -> tuple[str, str]:
    """Return media type and base64 of a `data:` URL (RFC 2397)."""
    if isinstance(url, str) and url.startswith("data:"):
        head, comma, data = url[5:].partition(",")
        media_type, *parameters = head.split(";")
        if comma and parameters and parameters[-1] == "base64":
            return media_type.strip().lower(), data
    raise PayloadError("this must be a data: URL in base64, or of an image an https: one", param=where)
