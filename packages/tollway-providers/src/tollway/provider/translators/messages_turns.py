"""Turns of Anthropic's Messages API as messages of OpenAI's chat; pure functions.

A turn of the user that answers tools becomes a message of each tool, and one of the user for the rest. Images
in a tool's result go into the user's message that follows: chat has only text there. Searches of tools by
Anthropic's servers are left out, for all tools are said; a compaction stands for what was before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tollway.provider import PayloadError
from tollway.provider.json_text import dumps

from ._fields import texts, unsayable

Part = dict[str, Any]

_SPEAKERS = ("user", "assistant", "system")


def messages_of(payload: dict[str, Any], extensions: frozenset[str]) -> list[dict[str, Any]]:
    """Return the messages of a request, its system prompt first.

    Raises:
        PayloadError: a block has no form in chat.
    """
    messages: list[dict[str, Any]] = []
    marks = "cache_control" in extensions
    if payload.get("system"):
        messages.append(_system(payload["system"], "system", marks))
    turns = payload.get("messages")
    turns = turns if isinstance(turns, list) else []
    compacted = max((index for index, turn in enumerate(turns) if _is_compaction(turn)), default=0)
    for index, turn in enumerate(turns[compacted:], compacted):
        where = f"messages.{index}"
        role = turn.get("role") if isinstance(turn, dict) else None
        if role not in _SPEAKERS:
            raise PayloadError(f"the role must be one of {', '.join(_SPEAKERS)}", param=f"{where}.role")
        content, place = turn.get("content"), f"{where}.content"
        if role == "system":
            messages.append(_system(content, place, marks))
        elif role == "assistant":
            messages.append(_assistant(content, place, "thinking" in extensions))
        else:
            messages += _user(content, place, marks)
    return messages


def _is_compaction(turn: Any) -> bool:
    content = turn.get("content") if isinstance(turn, dict) else None
    blocks = content if isinstance(content, list) else ()
    return any(isinstance(block, dict) and block.get("type") == "compaction" for block in blocks)


def plain_text(content: Any) -> str:
    """Return the text of a content, its tools' inputs and results among it."""
    if isinstance(content, str):
        return content
    said = []
    for block in content if isinstance(content, list) else ():
        if isinstance(block, dict):
            said += [value for key, value in block.items() if key in ("text", "thinking") and value]
            said.append(plain_text(block.get("content")))
            if block.get("input"):
                said.append(dumps(block["input"]).decode())
    return "\n".join(one for one in said if isinstance(one, str) and one)


def _blocks(content: Any, where: str) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list) or not all(isinstance(block, dict) for block in content):
        raise PayloadError("content must be text or a list of blocks", param=where)
    return content


def _system(content: Any, where: str, marks: bool) -> dict[str, Any]:
    parts = [_part(block, f"{where}.{index}", marks) for index, block in enumerate(_blocks(content, where))]
    return {"role": "system", "content": _content(parts)}


def _user(content: Any, where: str, marks: bool) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    parts: list[Part] = []
    for index, block in enumerate(_blocks(content, where)):
        place = f"{where}.{index}"
        if block.get("type") != "tool_result":
            parts.append(_part(block, place, marks))
            continue
        called = texts(block.get("tool_use_id"), f"{place}.tool_use_id")
        said = [
            _part(inner, f"{place}.content.{number}", marks)
            for number, inner in enumerate(_blocks(block.get("content") or "", f"{place}.content"))
        ]
        shown = [part for part in said if part["type"] != "text"]
        said = [part for part in said if part["type"] == "text"]
        result = {"role": "tool", "tool_call_id": called, "content": _content(said)}
        if marks and block.get("cache_control"):
            result["cache_control"] = block["cache_control"]
        results.append(result)
        parts += shown
    return [*results, {"role": "user", "content": _content(parts)}] if parts else results


def _assistant(content: Any, where: str, keeps_thinking: bool) -> dict[str, Any]:
    said: list[str] = []
    calls: list[dict[str, Any]] = []
    thinking: list[dict[str, Any]] = []
    for index, block in enumerate(_blocks(content, where)):
        kind, place = block.get("type"), f"{where}.{index}"
        if kind == "text":
            said.append(texts(block.get("text"), f"{place}.text"))
        elif kind == "tool_use":
            calls.append(_call(block, place))
        elif kind in ("thinking", "redacted_thinking"):
            thinking.append(block)
        elif kind == "compaction":
            said, calls, thinking = [texts(block.get("content") or "", f"{place}.content")], [], []
        elif kind == "tool_search_tool_result" or _searches_tools(block):
            continue
        else:
            raise unsayable(f"{place}.type", f"a block of the type {kind!r}")
    message: dict[str, Any] = {"role": "assistant", "content": "".join(said) or (None if calls else "")}
    if calls:
        message["tool_calls"] = calls
    if thinking and keeps_thinking:
        message["thinking_blocks"] = thinking
    return message


def _searches_tools(block: dict[str, Any]) -> bool:
    return block.get("type") == "server_tool_use" and str(block.get("name")).startswith("tool_search_tool")


def _call(block: dict[str, Any], where: str) -> dict[str, Any]:
    function = {
        "name": texts(block.get("name"), f"{where}.name"),
        "arguments": dumps(block.get("input") or {}).decode(),
    }
    return {"id": texts(block.get("id"), f"{where}.id"), "type": "function", "function": function}


def _content(parts: list[Part]) -> Any:
    """Return parts as a content: text alone is a text, so that plain servers understand it."""
    if all(part["type"] == "text" and len(part) == 2 for part in parts):
        return "\n\n".join(part["text"] for part in parts)
    return parts


def _part(block: dict[str, Any], where: str, marks: bool) -> Part:
    kind = block.get("type")
    if not isinstance(kind, str) or kind not in _PARTS:
        raise unsayable(f"{where}.type", f"a block of the type {kind!r}")
    part = _PARTS[kind](block, where)
    if marks and block.get("cache_control"):
        part["cache_control"] = block["cache_control"]
    return part


def _text(block: dict[str, Any], where: str) -> Part:
    return {"type": "text", "text": texts(block.get("text"), f"{where}.text")}


def _url(source: Any, where: str) -> str:
    kind = source.get("type") if isinstance(source, dict) else None
    if kind == "url":
        return texts(source.get("url"), f"{where}.source.url")
    if kind == "base64":
        media_type = texts(source.get("media_type"), f"{where}.source.media_type")
        return f"data:{media_type};base64,{texts(source.get('data'), f'{where}.source.data')}"
    raise unsayable(f"{where}.source", f"a source of the type {kind!r}")


def _image(block: dict[str, Any], where: str) -> Part:
    return {"type": "image_url", "image_url": {"url": _url(block.get("source"), where)}}


def _document(block: dict[str, Any], where: str) -> Part:
    source = block.get("source")
    kind = source.get("type") if isinstance(source, dict) else None
    if isinstance(source, dict) and kind == "text":
        return {"type": "text", "text": texts(source.get("data"), f"{where}.source.data")}
    if kind != "base64":
        raise unsayable(f"{where}.source", f"a document's source of the type {kind!r}")
    name = block.get("title")
    file = {"filename": name if isinstance(name, str) else "document.pdf", "file_data": _url(source, where)}
    return {"type": "file", "file": file}


def _search_result(block: dict[str, Any], where: str) -> Part:
    head = [str(block[key]) for key in ("title", "source") if block.get(key)]
    return {"type": "text", "text": "\n".join([*head, plain_text(block.get("content"))])}


def _tool_reference(block: dict[str, Any], where: str) -> Part:
    return {"type": "text", "text": f"The tool {block.get('tool_name')} is available."}


_PARTS: dict[str, Callable[[dict[str, Any], str], Part]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "tool_reference": _tool_reference,
}
