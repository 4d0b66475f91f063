"""Inputs and outputs of OpenAI's Responses API in the JSON of the GenAI conventions; pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tollway.provider import sse
from tollway.provider.json_text import loads

_CALLS = {
    "function_call": "arguments",
    "custom_tool_call": "input",
    "local_shell_call": "action",
    "tool_search_call": "arguments",
}
_RESULTS = {
    "function_call_output": "output",
    "custom_tool_call_output": "output",
    "local_shell_call_output": "output",
    "tool_search_output": "tools",
}
"""Items of calls and of their results, with the field that holds what was said."""

_ENDS = ("response.completed", "response.incomplete", "response.failed")


def items_as_messages(payload: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the items of a request; the instructions stand beside them (`API.instructions`)."""
    given = payload.get("input")
    if isinstance(given, str):
        yield {"role": "user", "parts": [{"type": "text", "content": given}]}
    for item in given if isinstance(given, list) else ():
        role = item.get("role") or ("tool" if item.get("type") in _RESULTS else "assistant")
        yield {"role": str(role), "parts": list(_parts(item))}


def response_as_messages(body: bytes) -> list[dict[str, Any]]:
    """Return a whole response as the conventions have it. Raises ValueError: it is not JSON."""
    response = loads(body)
    return _messages(response) if isinstance(response, dict) else []


def events_as_messages(events: Iterable[bytes]) -> list[dict[str, Any]]:
    """Return a streamed response as the conventions have it: its last event holds all of it."""
    for event in reversed(sse.Parser().feed(b"".join(events))):
        try:
            said = loads(event.data or b"null")
        except ValueError:
            continue
        if isinstance(said, dict) and said.get("type") in _ENDS and isinstance(said.get("response"), dict):
            return _messages(said["response"])
    return []


def _messages(response: Mapping[str, Any]) -> list[dict[str, Any]]:
    output = response.get("output")
    items = [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
    parts = [part for item in items for part in _parts(item)]
    return [{"role": "assistant", "parts": parts, "finish_reason": response.get("status")}] if parts else []


def _parts(item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    kind = item.get("type") or "message"
    if kind in _CALLS:
        arguments = item.get(_CALLS[kind])
        name = item.get("name") or kind.removesuffix("_call")
        yield {"type": "tool_call", "id": item.get("call_id"), "name": name, "arguments": arguments}
    elif kind in _RESULTS:
        response = item.get(_RESULTS[kind])
        yield {"type": "tool_call_response", "id": item.get("call_id"), "response": response}
    elif kind == "reasoning":
        yield from _texts(item.get("summary"), "reasoning")
    else:
        yield from _texts(item.get("content"), "text")


def _texts(content: Any, kind: str) -> Iterator[dict[str, Any]]:
    if isinstance(content, str):
        yield {"type": kind, "content": content}
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict):
            text = part.get("text", part.get("refusal"))
            # A file's bytes are not for a span.
            yield (
                {"type": kind, "content": text} if isinstance(text, str) else {"type": str(part.get("type"))}
            )
