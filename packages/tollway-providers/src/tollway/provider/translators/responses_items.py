"""Items of OpenAI's Responses API as messages of its chat; pure functions.

https://platform.openai.com/docs/api-reference/responses/create#responses_create-input. Reasoning of earlier
answers is left out: it is of use only to the model that wrote it. So are OpenAI's searches of the web, whose
results are not in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tollway.provider import PayloadError
from tollway.provider.json_text import dumps

from ._fields import objects, texts, unsayable
from .responses_tools import chat_name, shell_arguments

Message = dict[str, Any]


class Messages(list[Message]):
    """The messages so far; `pictures` of tools' results wait for the last of them, which stand together."""

    def __init__(self) -> None:
        super().__init__()
        self.pictures: list[dict[str, Any]] = []

    def show(self) -> None:
        """Add the pictures that wait, as the user's: chat has only text in a tool's result."""
        if self.pictures:
            self.append({"role": "user", "content": self.pictures})
            self.pictures = []


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
    messages = Messages()
    if payload.get("instructions"):
        content = texts(payload["instructions"], "instructions")
        messages.append({"role": "system", "content": content})
    for item in history:
        _add(messages, item, "previous_response_id")
    for index, item in enumerate(items_of(payload)):
        _add(messages, item, f"input.{index}")
    messages.show()
    return messages


def _add(messages: Messages, item: dict[str, Any], where: str) -> None:
    kind = item.get("type") or "message"
    if not isinstance(kind, str) or kind not in _ITEMS:
        raise unsayable(f"{where}.type", f"an item of the type {kind!r}")
    if kind not in _RESULTS:
        messages.show()
    _ITEMS[kind](messages, item, where)


def _message(messages: Messages, item: dict[str, Any], where: str) -> None:
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


def _function_call(messages: Messages, item: dict[str, Any], where: str) -> None:
    _called(messages, item, where, texts(item.get("arguments"), f"{where}.arguments"))


def _custom_call(messages: Messages, item: dict[str, Any], where: str) -> None:
    given = texts(item.get("input"), f"{where}.input")
    _called(messages, item, where, dumps({"input": given}).decode())


def _shell_call(messages: Messages, item: dict[str, Any], where: str) -> None:
    _called(messages, item, where, shell_arguments(item), "local_shell")


def _search_call(messages: Messages, item: dict[str, Any], where: str) -> None:
    _called(messages, item, where, dumps(item.get("arguments") or {}).decode(), "tool_search")


def _called(
    messages: Messages, item: dict[str, Any], where: str, arguments: str, name: str | None = None
) -> None:
    """Add a call to the answer that it is a part of, or as one of its own."""
    if name is None:
        name = chat_name(texts(item.get("name"), f"{where}.name"), item.get("namespace"))
    call = {
        "id": texts(item.get("call_id"), f"{where}.call_id"),
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": None})
    messages[-1].setdefault("tool_calls", []).append(call)


def _output(messages: Messages, item: dict[str, Any], where: str) -> None:
    output = item.get("output")
    called = texts(item.get("call_id") or item.get("id"), f"{where}.call_id")
    content = _content(output if output is not None else "", f"{where}.output", text_alone=False)
    if isinstance(content, list):
        messages.pictures += [part for part in content if part["type"] != "text"]
        content = "".join(part["text"] for part in content if part["type"] == "text")
    messages.append({"role": "tool", "tool_call_id": called, "content": content})


def _found(messages: Messages, item: dict[str, Any], where: str) -> None:
    """Say which tools a search found; `tools_of` declares them."""
    names = [str(tool.get("name")) for tool in objects(item.get("tools"), f"{where}.tools")]
    said = f"These tools are available now: {', '.join(names)}" if names else "No tool was found."
    called = texts(item.get("call_id"), f"{where}.call_id")
    messages.append({"role": "tool", "tool_call_id": called, "content": said})


def _nothing(messages: Messages, item: dict[str, Any], where: str) -> None:
    """Leave an item out."""


_RESULTS = frozenset(
    {"function_call_output", "custom_tool_call_output", "local_shell_call_output", "tool_search_output"}
)

_ITEMS: dict[str, Callable[[Messages, dict[str, Any], str], None]] = {
    "message": _message,
    "function_call": _function_call,
    "function_call_output": _output,
    "custom_tool_call": _custom_call,
    "custom_tool_call_output": _output,
    "local_shell_call": _shell_call,
    "local_shell_call_output": _output,
    "tool_search_call": _search_call,
    "tool_search_output": _found,
    "additional_tools": _nothing,
    "reasoning": _nothing,
    "web_search_call": _nothing,
}
