"""Prompts and answers of OpenAI's dialect in the JSON of the GenAI conventions; pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tollway.provider.json_text import loads


def chat_messages(messages: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield messages of a chat as the conventions have them."""
    for message in messages:
        yield {"role": str(message.get("role", "user")), "parts": list(_parts(message))}


def texts_as_messages(asked: Any) -> Iterator[dict[str, Any]]:
    """Yield a text, or each of a list, as a message of the user."""
    texts = asked if isinstance(asked, list) else [asked]
    for text in texts:
        yield {"role": "user", "parts": [{"type": "text", "content": text}]}


def choices_as_messages(body: bytes | None, events: Iterable[bytes]) -> list[dict[str, Any]]:
    """Return the choices of an answer as the conventions have them. Raises ValueError: it is not JSON."""
    choices = _streamed_choices(b"".join(events)) if body is None else _choices(body)
    return [_output_message(choice) for choice in choices]


def _parts(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    content = message.get("content")
    if message.get("role") == "tool":
        yield {"type": "tool_call_response", "id": message.get("tool_call_id"), "response": content}
        return
    for key in ("reasoning_content", "reasoning"):
        if isinstance(reasoning := message.get(key), str) and reasoning:
            yield {"type": "reasoning", "content": reasoning}
            break
    if isinstance(content, str):
        yield {"type": "text", "content": content}
    elif isinstance(content, list):
        yield from (_part(part) for part in content if isinstance(part, dict))
    if isinstance(refusal := message.get("refusal"), str):
        yield {"type": "text", "content": refusal}
    tool_calls = message.get("tool_calls")
    for tool_call in tool_calls if isinstance(tool_calls, list) else ():
        if isinstance(tool_call, dict):
            yield _tool_call(tool_call)


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(part.get("text"), str):
        return {"type": "text", "content": part["text"]}
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else None
    if isinstance(url, str) and not url.startswith("data:"):
        return {"type": "uri", "modality": "image", "uri": url}
    return {"type": str(part.get("type", "unknown"))}  # a file's bytes are not for a span


def _tool_call(tool_call: Mapping[str, Any]) -> dict[str, Any]:
    function = tool_call.get("function")
    function = function if isinstance(function, dict) else {}
    return {
        "type": "tool_call",
        "id": tool_call.get("id"),
        "name": str(function.get("name") or ""),
        "arguments": _parsed(function.get("arguments")),
    }


def _parsed(arguments: Any) -> Any:
    """Return arguments as an object; as their text where they are none, or were cut."""
    try:
        return loads(arguments.encode()) if isinstance(arguments, str) else arguments
    except ValueError:
        return arguments


def tool_definitions(tools: Any) -> list[dict[str, Any]]:
    """Return the tools of a request as `gen_ai.tool.definitions` has them, whichever dialect they are in."""
    found = []
    for tool in tools if isinstance(tools, list) else ():
        if not isinstance(tool, dict):
            continue
        function = tool.get("function")
        said = function if isinstance(function, dict) else tool
        item = {
            "type": str(tool.get("type") or "function"),
            "name": str(said.get("name") or tool.get("type")),
        }
        if "description" in said:
            item["description"] = said["description"]
        if (parameters := said.get("parameters", said.get("input_schema"))) is not None:
            item["parameters"] = parameters
        found.append(item)
    return found


def system_instructions(said: Any) -> list[dict[str, Any]]:
    """Return instructions that stand beside the messages, as `gen_ai.system_instructions` has them."""
    if isinstance(said, str):
        return [{"type": "text", "content": said}]
    return [_part(part) for part in said if isinstance(part, dict)] if isinstance(said, list) else []


_FINISH_REASONS = {"tool_calls": "tool_call", "function_call": "tool_call"}
"""Words of OpenAI's for which the conventions have their own."""


def _choices(body: bytes) -> list[dict[str, Any]]:
    answer = loads(body)
    choices = answer.get("choices") if isinstance(answer, dict) else None
    return [c for c in choices if isinstance(c, dict)] if isinstance(choices, list) else []


def _output_message(choice: Mapping[str, Any]) -> dict[str, Any]:
    message, reason = choice.get("message"), choice.get("finish_reason")
    if not isinstance(message, dict):
        message = {"content": choice.get("text")}
    return {
        "role": "assistant",
        "parts": list(_parts(message)),
        "finish_reason": _FINISH_REASONS.get(reason, reason) if isinstance(reason, str) else "error",
    }


def _streamed_choices(events: bytes) -> list[dict[str, Any]]:
    choices: dict[int, _Streamed] = {}
    for line in events.splitlines():
        if not line.startswith(b"data:") or b"[DONE]" in line:
            continue
        try:
            pieces = _choices(line[5:])
        except ValueError:  # the last event kept was cut short
            continue
        for piece in pieces:
            index = piece.get("index")
            choices.setdefault(index if isinstance(index, int) else 0, _Streamed()).add(piece)
    return [choice.whole() for choice in choices.values()]


class _Streamed:
    """A choice whose parts are put together, in time linear in their sizes."""

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {}
        self._calls: dict[int | None, _StreamedCall] = {}
        self._finish_reason: Any = None

    def add(self, piece: Mapping[str, Any]) -> None:
        """Take the next part."""
        delta = piece.get("delta")
        delta = delta if isinstance(delta, dict) else {"content": piece.get("text")}
        for key in ("reasoning_content", "reasoning", "content", "refusal"):
            if isinstance(delta.get(key), str):
                self._texts.setdefault(key, []).append(delta[key])
        tool_calls = delta.get("tool_calls")
        for part in tool_calls if isinstance(tool_calls, list) else ():
            if isinstance(part, dict):
                index = part.get("index")
                number = index if isinstance(index, int) else None
                self._calls.setdefault(number, _StreamedCall(part.get("id"))).add(part)
        self._finish_reason = piece.get("finish_reason") or self._finish_reason

    def whole(self) -> dict[str, Any]:
        """Return the choice as a whole answer has it."""
        message: dict[str, Any] = {key: "".join(texts) for key, texts in self._texts.items()}
        if self._calls:
            message["tool_calls"] = [call.whole() for call in self._calls.values()]
        return {"message": message, "finish_reason": self._finish_reason}


class _StreamedCall:
    """A tool call whose arguments come in parts."""

    def __init__(self, call_id: Any) -> None:
        self._id = call_id
        self._name: Any = None
        self._arguments: list[str] = []

    def add(self, part: Mapping[str, Any]) -> None:
        """Take the next part."""
        function = part.get("function")
        if isinstance(function, dict):
            self._name = function.get("name") or self._name
            if isinstance(arguments := function.get("arguments"), str):
                self._arguments.append(arguments)

    def whole(self) -> dict[str, Any]:
        """Return the call as a whole answer has it."""
        return {"id": self._id, "function": {"name": self._name, "arguments": "".join(self._arguments)}}
