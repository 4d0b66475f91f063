"""Items of OpenAI's Responses API as messages of its chat; pure functions.

https://platform.openai.com/docs/api-reference/responses/create#responses_create-input. Reasoning of earlier
answers is left out: it is of use only to the model that wrote it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tollway.provider import PayloadError
from tollway.provider.json_text import dumps

from ._fields import texts, unsayable

Message = dict[str, Any]

_ROLES = ("user", "assistant", "system", "developer")


def items_of(payload: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the input of a request as items: a text is one of the user's."""
    given = payload.get("input")
    if given is None:
        return []
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": given}]
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise PayloadError("input must be text or a list of items", param="input")
    return given


def messages_of(payload: dict[str, Any], history: Iterable[dict[str, Any]]) -> list[Message]:
    """Return the messages of a request: its instructions, what the conversation holds, its input.

    Raises:
        PayloadError: an item has no form in chat.
    """
    messages: list[Message] = []
    if payload.get("instructions"):
        content = texts(payload["instructions"], "instructions")
        messages.append({"role": "system", "content": content})
    for item in history:
        _add(messages, item, "previous_response_id")
    for index, item in enumerate(items_of(payload)):
        _add(messages, item, f"input.{index}")
    return messages


def _add(messages: list[Message], item: dict[str, Any], where: str) -> None:
    kind = item.get("type") or "message"
    if not isinstance(kind, str) or kind not in _ITEMS:
        raise unsayable(f"{where}.type", f"an item of the type {kind!r}")
    _ITEMS[kind](messages, item, where)


def _message(messages: list[Message], item: dict[str, Any], where: str) -> None:
    role, content = item.get("role"), item.get("content")
    if role not in _ROLES:
        raise PayloadError(f"the role must be one of {', '.join(_ROLES)}", param=f"{where}.role")
    messages.append(
        {
            "role": "system" if role == "developer" else role,
            "content": _content(content, f"{where}.content", text_alone=role != "user"),
        }
    )


def _content(content: Any, where: str, *, text_alone: bool) -> Any:
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise PayloadError("content must be text or a list of parts", param=where)
    parts = [_part(part, f"{where}.{index}") for index, part in enumerate(content)]
    if all(part["type"] == "text" for part in parts):
        return "".join(part["text"] for part in parts)
    if text_alone:
        raise unsayable(where, "anything but text of this role")
    return parts


def _part(part: dict[str, Any], where: str) -> dict[str, Any]:
    kind = part.get("type")
    if kind in ("input_text", "output_text", "text", "summary_text"):
        return {"type": "text", "text": texts(part.get("text"), f"{where}.text")}
    if kind == "refusal":
        return {"type": "text", "text": texts(part.get("refusal"), f"{where}.refusal")}
    if kind == "input_image":
        url = texts(part.get("image_url"), f"{where}.image_url")
        detail = {"detail": part["detail"]} if part.get("detail") else {}
        return {"type": "image_url", "image_url": {"url": url, **detail}}
    if kind == "input_file":
        data = texts(part.get("file_data"), f"{where}.file_data")
        name = part.get("filename")
        return {"type": "file", "file": {"file_data": data, **({"filename": name} if name else {})}}
    if kind == "input_audio" and isinstance(part.get("input_audio"), dict):
        return {"type": "input_audio", "input_audio": part["input_audio"]}
    raise unsayable(f"{where}.type", f"a part of the type {kind!r}")


def _function_call(messages: list[Message], item: dict[str, Any], where: str) -> None:
    _called(messages, item, where, texts(item.get("arguments"), f"{where}.arguments"))


def _custom_call(messages: list[Message], item: dict[str, Any], where: str) -> None:
    given = texts(item.get("input"), f"{where}.input")
    _called(messages, item, where, dumps({"input": given}).decode())


def _called(messages: list[Message], item: dict[str, Any], where: str, arguments: str) -> None:
    """Add a call to the answer that it is a part of, or as one of its own."""
    call = {
        "id": texts(item.get("call_id"), f"{where}.call_id"),
        "type": "function",
        "function": {"name": texts(item.get("name"), f"{where}.name"), "arguments": arguments},
    }
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": None})
    messages[-1].setdefault("tool_calls", []).append(call)


def _output(messages: list[Message], item: dict[str, Any], where: str) -> None:
    output = item.get("output")
    called = texts(item.get("call_id"), f"{where}.call_id")
    content = _content(output if output is not None else "", f"{where}.output", text_alone=False)
    shown = [part for part in content if part["type"] != "text"] if isinstance(content, list) else []
    if isinstance(content, list):
        content = "".join(part["text"] for part in content if part["type"] == "text")
    messages.append({"role": "tool", "tool_call_id": called, "content": content})
    if shown:
        messages.append({"role": "user", "content": shown})


def _nothing(messages: list[Message], item: dict[str, Any], where: str) -> None:
    """Leave an item out."""


_ITEMS: dict[str, Callable[[list[Message], dict[str, Any], str], None]] = {
    "message": _message,
    "function_call": _function_call,
    "function_call_output": _output,
    "custom_tool_call": _custom_call,
    "custom_tool_call_output": _output,
    "reasoning": _nothing,
}
