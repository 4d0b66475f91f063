"""Reads answers of OpenAI's chat, whole and streamed, for writers of other dialects; total functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from tollway.provider import Usage, sse
from tollway.provider.json_text import loads
from tollway.provider.usages import openai_usage


class ToolDelta(NamedTuple):
    """A part of a tool call: which one, and what came of it."""

    place: int
    id: str
    name: str
    arguments: str


class Delta(NamedTuple):
    """A part of an answer."""

    text: str = ""
    thoughts: str = ""
    refusal: str = ""
    tools: tuple[ToolDelta, ...] = ()
    blocks: tuple[dict[str, Any], ...] = ()
    """Blocks of thinking that are whole, in Anthropic's form."""
    finish: str = ""
    logprobs: tuple[dict[str, Any], ...] = ()


class ChatEvents:
    """Reads one stream of chat; `id`, `model` and `usage` fill as it goes, `done` turns true at its end."""

    def __init__(self) -> None:
        self._parser = sse.Parser()
        self.id = ""
        self.model = ""
        self.usage: Usage | None = None
        self.done = False

    def feed(self, events: bytes) -> Iterator[Delta]:
        """Yield what whole events say."""
        for event in self._parser.feed(events):
            if event.data is None:
                continue
            if event.data.strip() == b"[DONE]":
                self.done = True
                return
            try:
                chunk = loads(event.data)
            except ValueError:
                continue
            if isinstance(chunk, dict):
                yield from self._deltas(chunk)

    def _deltas(self, chunk: dict[str, Any]) -> Iterator[Delta]:
        self.id, self.model = self.id or text(chunk, "id"), self.model or text(chunk, "model")
        if isinstance(chunk.get("usage"), dict):
            self.usage = openai_usage(chunk["usage"])
        for choice in dicts(chunk.get("choices")):
            if choice.get("index") in (0, None):
                delta = choice.get("delta")
                yield delta_of(delta if isinstance(delta, dict) else {}, choice)


def delta_of(said: dict[str, Any], choice: dict[str, Any]) -> Delta:
    """Read the delta of a chunk, or the message of a whole answer."""
    logprobs = choice.get("logprobs")
    return Delta(
        _content(said.get("content")),
        text(said, "reasoning_content") or text(said, "reasoning"),
        text(said, "refusal"),
        tuple(_tool(tool, place) for place, tool in enumerate(dicts(said.get("tool_calls")))),
        tuple(_plain(block) for block in dicts(said.get("thinking_blocks"))),
        text(choice, "finish_reason"),
        tuple(dicts(logprobs.get("content"))) if isinstance(logprobs, dict) else (),
    )


def whole_delta(body: bytes) -> tuple[str, str, Delta, Usage | None]:
    """Read a whole answer of chat: id, model, its first choice, usage."""
    answer = loads(body)
    answer = answer if isinstance(answer, dict) else {}
    choice = next(dicts(answer.get("choices")), {})
    message = choice.get("message")
    delta = delta_of(message if isinstance(message, dict) else {}, choice)
    return text(answer, "id"), text(answer, "model"), delta, openai_usage(answer.get("usage"))


def text(holder: dict[str, Any], key: str) -> str:
    """Return a text of an object, empty when it has none."""
    value = holder.get(key)
    return value if isinstance(value, str) else ""


def dicts(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects of a list."""
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def _content(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(text(part, "text") for part in dicts(content) if part.get("type") in ("text", None))


def _tool(tool: dict[str, Any], place: int) -> ToolDelta:
    function, index = tool.get("function"), tool.get("index")
    function = function if isinstance(function, dict) else {}
    return ToolDelta(
        index if isinstance(index, int) else place,
        text(tool, "id"),
        text(function, "name"),
        text(function, "arguments"),
    )


def _plain(block: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if key != "index"}
