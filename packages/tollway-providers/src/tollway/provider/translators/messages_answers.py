"""Answers of OpenAI's chat as those of Anthropic's Messages API, whole and streamed.

https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tollway.provider import Answer, Usage, sse
from tollway.provider.json_text import dumps, loads

from ._reading import ChatEvents, Delta, whole_delta
from .contract import Sources

_STOPS = {"length": "max_tokens", "content_filter": "refusal"}

_DELTAS = {"text": ("text_delta", "text"), "thinking": ("thinking_delta", "thinking")}


class MessagesAnswering:
    """See `Answering`."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def whole(self, answer: Answer) -> bytes:
        """Return a message."""
        _, model, said, usage = whole_delta(answer.body)
        content: list[dict[str, Any]] = list(said.blocks)
        if said.thoughts and not content:
            content.append({"type": "thinking", "thinking": said.thoughts, "signature": ""})
        if said.text or said.refusal:
            content.append({"type": "text", "text": said.text or said.refusal})
        for tool in said.tools:
            call_id = tool.id or f"toolu_{self._sources.new_id()}"
            block = {"type": "tool_use", "id": call_id, "name": tool.name, "input": _input(tool.arguments)}
            content.append(block)
        stop = _stop_of(said.finish, called=bool(said.tools))
        return dumps(_message(self._sources, model, content, stop, usage))

    def stream(self) -> MessagesWriter:
        """Return what writes a stream."""
        return MessagesWriter(self._sources)

    def kept(self) -> None:
        """Return None: requests of this API hold their conversation themselves."""


class MessagesWriter:
    """Writes one stream; see `StreamWriter`. Blocks come one after another, each with its index."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._chat = ChatEvents()
        self._begun = False
        self._open: tuple[str, int] | None = None
        """The block under way: its kind, and the index of its tool."""
        self._blocks = -1
        self._places: dict[int, int] = {}
        """The index of every tool's block."""
        self._finish = ""
        self._ended = False

    def feed(self, events: bytes) -> bytes:
        """See `StreamWriter.feed`."""
        said: list[bytes] = []
        for delta in self._chat.feed(events):
            if not self._begun:
                self._begun = True
                message = _message(self._sources, self._chat.model, [], None, None)
                said.append(_event("message_start", message=message))
            said += self._write(delta)
        if self._chat.done and not self._ended:
            self._ended = True
            said += self._end()
        elif not said and events:
            return b"" if events.startswith(b"data:") else events  # a comment keeps a connection alive
        return b"".join(said)

    def _write(self, delta: Delta) -> Iterator[bytes]:
        self._finish = delta.finish or self._finish
        for block in delta.blocks:
            yield from self._whole_block(block)
        if delta.thoughts and not delta.blocks:
            yield from self._grow("thinking", delta.thoughts)
        if delta.text or delta.refusal:
            yield from self._grow("text", delta.text or delta.refusal)
        for tool in delta.tools:
            if tool.place not in self._places:
                call_id = tool.id or f"toolu_{self._sources.new_id()}"
                yield from self._begin(
                    {"type": "tool_use", "id": call_id, "name": tool.name, "input": {}}, tool.place
                )
                self._places[tool.place] = self._blocks
            if tool.arguments:
                part = {"type": "input_json_delta", "partial_json": tool.arguments}
                yield _event("content_block_delta", index=self._places[tool.place], delta=part)

    def _whole_block(self, block: dict[str, Any]) -> Iterator[bytes]:
        """Say a block of thinking that is whole: its text was streamed before, its signature ends it."""
        if block.get("type") == "thinking" and self._open == ("thinking", -1):
            part = {"type": "signature_delta", "signature": block.get("signature") or ""}
            yield _event("content_block_delta", index=self._blocks, delta=part)
            yield from self._close()
        else:
            yield from self._begin(block, -2)
            yield from self._close()

    def _grow(self, kind: str, text: str) -> Iterator[bytes]:
        name, key = _DELTAS[kind]
        if self._open != (kind, -1):
            signed = {"signature": ""} if kind == "thinking" else {}
            yield from self._begin({"type": kind, key: "", **signed}, -1)
        yield _event("content_block_delta", index=self._blocks, delta={"type": name, key: text})

    def _begin(self, block: dict[str, Any], tool: int) -> Iterator[bytes]:
        yield from self._close()
        self._blocks += 1
        self._open = (str(block["type"]), tool)
        yield _event("content_block_start", index=self._blocks, content_block=block)

    def _close(self) -> Iterator[bytes]:
        if self._open is not None:
            self._open = None
            yield _event("content_block_stop", index=self._blocks)

    def _end(self) -> Iterator[bytes]:
        yield from self._close()
        stop = _stop_of(self._finish, called=bool(self._places))
        usage = _usage(self._chat.usage)
        yield _event("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage=usage)
        yield _event("message_stop")


def _message(
    sources: Sources, model: str, content: list[dict[str, Any]], stop: str | None, usage: Usage | None
) -> dict[str, Any]:
    return {
        "id": f"msg_{sources.new_id()}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": _usage(usage),
    }


def _stop_of(finish: str, *, called: bool) -> str:
    return _STOPS.get(finish) or ("tool_use" if called else "end_turn")


def _usage(usage: Usage | None) -> dict[str, int]:
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    read = usage.cache_read_input_tokens or 0
    written = (usage.details.cache_write_input_tokens or 0) if usage.details is not None else 0
    return {
        "input_tokens": max(0, (usage.input_tokens or 0) - read - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": usage.output_tokens or 0,
    }


def _input(arguments: str) -> dict[str, Any]:
    """Return a call's input; text that is no JSON object is wrapped in Anthropic's own form for it."""
    try:
        said = loads(arguments.encode()) if arguments.strip() else {}
    except ValueError:
        said = None
    return said if isinstance(said, dict) else {"INVALID_JSON": arguments}


def _event(kind: str, **fields: Any) -> bytes:
    return sse.event(dumps({"type": kind, **fields}), kind.encode())
