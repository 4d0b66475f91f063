"""Prompts and answers in the JSON of the GenAI conventions: recorded only where the config says so.

`gen_ai.input.messages` and `gen_ai.output.messages`:
https://github.com/open-telemetry/semantic-conventions-genai
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import orjson

from tollway.provider import Call, Task

_MAX_STREAM_BYTES = 4 * 1024 * 1024
"""Bytes of one stream that are kept for its span."""


class Content(Protocol):
    """What a span keeps of the content of one call."""

    def asked(self, call: Call) -> dict[str, str]:
        """Return the attributes of the request."""

    def saw(self, events: bytes) -> None:
        """Look at events of a stream in passing."""

    def answered(self, body: bytes | None) -> dict[str, str]:
        """Return the attributes of the answer: of a whole one, or (None) of the stream seen."""


class NoContent:
    """Keeps nothing."""

    def asked(self, call: Call) -> dict[str, str]:
        """Return nothing."""
        return {}

    def saw(self, events: bytes) -> None:
        """Look away."""

    def answered(self, body: bytes | None) -> dict[str, str]:
        """Return nothing."""
        return {}


class CapturedContent:
    """Keeps prompts and answers; of a stream, at most its first four megabytes."""

    def __init__(self) -> None:
        self._events: list[bytes] = []
        self._room = _MAX_STREAM_BYTES

    def asked(self, call: Call) -> dict[str, str]:
        """Return `gen_ai.input.messages`."""
        return {"gen_ai.input.messages": _json(list(_input_messages(call)))}

    def saw(self, events: bytes) -> None:
        """Keep the events for later: nothing is parsed while the stream goes."""
        if self._room > 0:
            self._room -= len(events)
            self._events.append(events)

    def answered(self, body: bytes | None) -> dict[str, str]:
        """Return `gen_ai.output.messages`."""
        try:
            choices = _streamed_choices(b"".join(self._events)) if body is None else _choices(body)
        except ValueError:
            return {}
        messages = [_output_message(choice) for choice in choices]
        return {"gen_ai.output.messages": _json(messages)} if messages else {}


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _input_messages(call: Call) -> Iterator[dict[str, Any]]:
    if call.task is Task.CHAT:
        for message in call.payload["messages"]:
            yield {"role": str(message.get("role", "user")), "parts": list(_parts(message))}
        return
    asked = call.payload["prompt" if call.task is Task.COMPLETIONS else "input"]
    texts = asked if isinstance(asked, list) else [asked]
    for text in texts:
        yield {"role": "user", "parts": [{"type": "text", "content": text}]}


def _parts(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    content = message.get("content")
    if message.get("role") == "tool":
        yield {"type": "tool_call_response", "id": message.get("tool_call_id"), "response": content}
        return
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
        "name": function.get("name"),
        "arguments": function.get("arguments"),
    }


def _choices(body: bytes) -> list[dict[str, Any]]:
    answer = orjson.loads(body)
    choices = answer.get("choices") if isinstance(answer, dict) else None
    return [c for c in choices if isinstance(c, dict)] if isinstance(choices, list) else []


def _output_message(choice: Mapping[str, Any]) -> dict[str, Any]:
    message = choice.get("message")
    if not isinstance(message, dict):
        message = {"content": choice.get("text")}
    return {
        "role": "assistant",
        "parts": list(_parts(message)),
        "finish_reason": choice.get("finish_reason"),
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
        for key in ("content", "refusal"):
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
