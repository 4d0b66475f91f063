"""Prompts and answers of Anthropic's dialect in the JSON of the GenAI conventions; pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tollway.provider import sse
from tollway.provider.json_text import loads


def turns_as_messages(payload: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the turns of a request; the system prompt stands beside them (`API.instructions`)."""
    for message in payload["messages"]:
        yield {"role": str(message.get("role", "user")), "parts": list(_parts(message.get("content")))}


def message_as_messages(body: bytes) -> list[dict[str, Any]]:
    """Return a whole answer as the conventions have it. Raises ValueError: it is not JSON."""
    answer = loads(body)
    return [_output(answer)] if isinstance(answer, dict) and "content" in answer else []


def events_as_messages(events: Iterable[bytes]) -> list[dict[str, Any]]:
    """Return a streamed answer as the conventions have it."""
    blocks: dict[int, dict[str, Any]] = {}
    whole: dict[str, Any] = {}
    for event in sse.Parser().feed(b"".join(events)):
        try:
            said = loads(event.data or b"null")
        except ValueError:
            continue
        if isinstance(said, dict):
            _learn(said, blocks, whole)
    return [_output({**whole, "content": [_joined(block) for block in blocks.values()]})] if blocks else []


def _learn(said: dict[str, Any], blocks: dict[int, dict[str, Any]], whole: dict[str, Any]) -> None:
    index, delta = said.get("index"), said.get("delta")
    if isinstance(index, int) and isinstance(said.get("content_block"), dict):
        blocks[index] = {**said["content_block"], "pieces": []}
    elif isinstance(delta, dict) and isinstance(index, int) and index in blocks:
        keys = ("text", "thinking", "partial_json")
        blocks[index]["pieces"] += [delta[key] for key in keys if isinstance(delta.get(key), str)]
    elif isinstance(delta, dict) and delta.get("stop_reason"):
        whole["stop_reason"] = delta["stop_reason"]


def _joined(block: dict[str, Any]) -> dict[str, Any]:
    text = "".join(block["pieces"])
    kind = block.get("type")
    if kind == "tool_use":
        return {**block, "input": text or block.get("input")}
    return {**block, str(kind): f"{block.get(str(kind)) or ''}{text}"}


def _output(answer: Mapping[str, Any]) -> dict[str, Any]:
    parts = list(_parts(answer.get("content")))
    return {"role": "assistant", "parts": parts, "finish_reason": answer.get("stop_reason")}


def _parts(content: Any) -> Iterator[dict[str, Any]]:
    if isinstance(content, str):
        yield {"type": "text", "content": content}
    for block in content if isinstance(content, list) else ():
        if isinstance(block, dict):
            yield _part(block)


def _part(block: Mapping[str, Any]) -> dict[str, Any]:
    kind = block.get("type")
    if kind == "text":
        return {"type": "text", "content": block.get("text")}
    if kind == "thinking":
        return {"type": "reasoning", "content": block.get("thinking")}
    if kind == "tool_use":
        called = {"id": block.get("id"), "name": block.get("name"), "arguments": block.get("input")}
        return {"type": "tool_call", **called}
    if kind == "tool_result":
        response = block.get("content")
        return {"type": "tool_call_response", "id": block.get("tool_use_id"), "response": response}
    return {"type": str(kind)}  # a file's bytes are not for a span
