"""Answers of OpenAI's chat as those of its Responses API, whole and streamed.

https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tollway.provider import Answer, Usage, sse
from tollway.provider.json_text import dumps

from ._reading import ChatEvents, Delta, ToolDelta, whole_delta
from .contract import Sources
from .responses_tools import Declared, call_fields, names_of

ID_PREFIX = "resp_tw_"
"""How ids of answers begin that were translated: the model's service does not know them."""

_ECHOED = (
    *("instructions", "max_output_tokens", "metadata", "parallel_tool_calls", "previous_response_id"),
    *("reasoning", "store", "temperature", "text", "tool_choice", "tools", "top_p", "truncation", "user"),
)
_DEFAULTS: dict[str, Any] = {
    "metadata": {},
    "parallel_tool_calls": True,
    "store": True,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "truncation": "disabled",
}
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


class ResponsesAnswering:
    """See `Answering`; `declared` says what tools are by their names in chat."""

    def __init__(self, payload: dict[str, Any], declared: Mapping[str, Declared], sources: Sources) -> None:
        self._payload = payload
        self._declared = declared
        self._sources = sources
        self.id = ID_PREFIX + sources.new_id()
        self._kept: dict[str, Any] | None = None

    def whole(self, answer: Answer) -> bytes:
        """Return a response."""
        _, model, said, usage = whole_delta(answer.body)
        output: list[dict[str, Any]] = []
        if said.thoughts:
            output.append(self.item("reasoning", said.thoughts))
        if said.text or said.refusal or not said.tools:
            output.append(self.item("message", said.text, said))
        output += [self.call_item(tool, tool.arguments) for tool in said.tools]
        return dumps(self.response(model, output, said.finish or "stop", usage))

    def stream(self) -> ResponsesWriter:
        """Return what writes a stream."""
        return ResponsesWriter(self)

    def response(
        self, model: str, output: list[dict[str, Any]], finish: str | None, usage: Usage | None
    ) -> dict[str, Any]:
        """Return the object of a response; one without a `finish` is in progress."""
        reason = _INCOMPLETE.get(finish or "")
        status = "in_progress" if finish is None else "incomplete" if reason else "completed"
        echoed = {key: self._payload.get(key) for key in _ECHOED}
        defaults = {key: value for key, value in _DEFAULTS.items() if echoed[key] is None}
        response = {
            "id": self.id,
            "object": "response",
            "created_at": self._sources.now_s(),
            "status": status,
            "error": None,
            "incomplete_details": {"reason": reason} if reason else None,
            "model": model,
            "output": output,
            **echoed,
            **defaults,
            "usage": None if finish is None else _usage(usage),
        }
        if finish is not None and response["store"] is not False:
            self._kept = response
        return response

    def kept(self) -> dict[str, Any] | None:
        """See `Answering.kept`."""
        return self._kept

    def item(self, kind: str, text: str, said: Delta | None = None) -> dict[str, Any]:
        """Return an item of thoughts or of text."""
        if kind == "reasoning":
            summary = [{"type": "summary_text", "text": text}]
            return {"id": self.new_id("rs"), "type": kind, "summary": summary}
        parts: list[dict[str, Any]] = []
        if said is None or text or not said.refusal:
            logprobs = [] if said is None else list(said.logprobs)
            parts.append(_text_part(text, logprobs))
        if said is not None and said.refusal:
            parts.append({"type": "refusal", "refusal": said.refusal})
        return {
            "id": self.new_id("msg"),
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": parts,
        }

    def call_item(self, tool: ToolDelta, arguments: str, status: str = "completed") -> dict[str, Any]:
        """Return an item of a tool's call."""
        declared = self.declared(tool)
        prefix, fields = call_fields(declared, arguments)
        called = {"call_id": tool.id or self.new_id("call"), **names_of(declared), "status": status}
        return {"id": self.new_id(prefix), "type": fields["type"], **called, **fields}

    def declared(self, tool: ToolDelta) -> Declared:
        """Return what the caller declared a called tool as; one that nobody declared is a function."""
        return self._declared.get(tool.name) or Declared("function", tool.name)

    def new_id(self, kind: str) -> str:
        """Return the id of a new item."""
        return f"{kind}_{self._sources.new_id()}"


class ResponsesWriter:
    """Writes one stream; see `StreamWriter`. Items come one after another, calls of tools last."""

    def __init__(self, answering: ResponsesAnswering) -> None:
        self._answering = answering
        self._chat = ChatEvents()
        self._number = -1
        self._begun = False
        self._ended = False
        self._output: list[dict[str, Any]] = []
        self._kind = ""
        """Of the item of text under way."""
        self._texts: list[str] = []
        self._logprobs: list[dict[str, Any]] = []
        self._calls: dict[int, tuple[int, ToolDelta, list[str]]] = {}
        """By the index of a call: its place in the output, how it began, its arguments."""
        self._finish = ""

    def feed(self, events: bytes) -> bytes:
        """See `StreamWriter.feed`."""
        said: list[bytes] = []
        for delta in self._chat.feed(events):
            if not self._begun:
                self._begun = True
                said += self._begin()
            said += self._write(delta)
        if self._chat.done and not self._ended:
            self._ended = True
            said += self._end()
        if not said and not events.startswith(b"data:"):
            return events  # a comment keeps a connection alive
        return b"".join(said)

    def _begin(self) -> Iterator[bytes]:
        response = self._answering.response(self._chat.model, [], None, None)
        yield self._event("response.created", response=response)
        yield self._event("response.in_progress", response=response)

    def _write(self, delta: Delta) -> Iterator[bytes]:
        self._finish = delta.finish or self._finish
        if delta.thoughts:
            yield from self._open("reasoning")
            yield from self._grow("response.reasoning_summary_text", delta.thoughts)
        if delta.text:
            yield from self._open("message")
            self._logprobs += delta.logprobs
            yield from self._grow("response.output_text", delta.text, logprobs=list(delta.logprobs))
        if delta.refusal:
            yield from self._open("refusal")
            yield from self._grow("response.refusal", delta.refusal)
        for tool in delta.tools:
            yield from self._on_tool(tool)

    def _open(self, kind: str) -> Iterator[bytes]:
        """Begin an item of text, unless it is the one under way."""
        if self._kind == kind:
            return
        yield from self._close()
        self._kind = kind
        self._texts, self._logprobs = [], []
        item = self._answering.item("reasoning" if kind == "reasoning" else "message", "")
        if kind == "reasoning":
            item |= {"summary": []}
        else:
            item |= {"status": "in_progress", "content": []}
        self._output.append(item)
        yield self._event("response.output_item.added", output_index=len(self._output) - 1, item=item)
        yield self._part_event("added", self._part(""))

    def _grow(self, name: str, text: str, **more: Any) -> Iterator[bytes]:
        self._texts.append(text)
        yield self._event(f"{name}.delta", **self._place(), delta=text, **more)

    def _place(self) -> dict[str, Any]:
        key = "summary_index" if self._kind == "reasoning" else "content_index"
        return {"item_id": self._output[-1]["id"], "output_index": len(self._output) - 1, key: 0}

    def _part(self, text: str) -> dict[str, Any]:
        if self._kind == "reasoning":
            return {"type": "summary_text", "text": text}
        return (
            {"type": "refusal", "refusal": text}
            if self._kind == "refusal"
            else _text_part(text, self._logprobs)
        )

    def _part_event(self, what: str, part: dict[str, Any]) -> bytes:
        kind = "reasoning_summary_part" if self._kind == "reasoning" else "content_part"
        return self._event(f"response.{kind}.{what}", **self._place(), part=part)

    def _close(self) -> Iterator[bytes]:
        """End the item of text under way."""
        if not self._kind:
            return
        text = "".join(self._texts)
        part, item = self._part(text), self._output[-1]
        if self._kind == "reasoning":
            yield self._event("response.reasoning_summary_text.done", **self._place(), text=text)
            item = item | {"summary": [part]}
        elif self._kind == "refusal":
            yield self._event("response.refusal.done", **self._place(), refusal=text)
            item = item | {"status": "completed", "content": [part]}
        else:
            logprobs = list(self._logprobs)
            yield self._event("response.output_text.done", **self._place(), text=text, logprobs=logprobs)
            item = item | {"status": "completed", "content": [part]}
        yield self._part_event("done", part)
        self._output[-1] = item
        yield self._event("response.output_item.done", output_index=len(self._output) - 1, item=item)
        self._kind = ""

    def _on_tool(self, tool: ToolDelta) -> Iterator[bytes]:
        if tool.place not in self._calls:
            yield from self._close()
            item = self._answering.call_item(tool, "", "in_progress")
            self._calls[tool.place] = len(self._output), tool, []
            self._output.append(item)
            yield self._event("response.output_item.added", output_index=len(self._output) - 1, item=item)
        place, _, arguments = self._calls[tool.place]
        if not tool.arguments:
            return
        arguments.append(tool.arguments)
        item = self._output[place]
        if item["type"] == "function_call":  # the text of a custom tool is inside of its arguments
            yield self._event(
                "response.function_call_arguments.delta",
                item_id=item["id"],
                output_index=place,
                delta=tool.arguments,
            )

    def _end_calls(self) -> Iterator[bytes]:
        for place, tool, texts in self._calls.values():
            item, arguments = self._output[place], "".join(texts)
            _, fields = call_fields(self._answering.declared(tool), arguments)
            where = {"item_id": item["id"], "output_index": place}
            if item["type"] == "function_call":
                done = {"name": item["name"], "arguments": arguments}
                yield self._event("response.function_call_arguments.done", **where, **done)
            elif item["type"] == "custom_tool_call":
                given = fields["input"]
                yield self._event("response.custom_tool_call_input.delta", **where, delta=given)
                yield self._event("response.custom_tool_call_input.done", **where, input=given)
            self._output[place] = item = item | fields | {"status": "completed"}
            yield self._event("response.output_item.done", output_index=place, item=item)

    def _end(self) -> Iterator[bytes]:
        yield from self._close()
        yield from self._end_calls()
        finish = self._finish or "stop"
        response = self._answering.response(self._chat.model, self._output, finish, self._chat.usage)
        yield self._event(f"response.{response['status']}", response=response)

    def _event(self, kind: str, **fields: Any) -> bytes:
        self._number += 1
        return sse.event(dumps({"type": kind, "sequence_number": self._number, **fields}), kind.encode())


def _text_part(text: str, logprobs: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": list(logprobs)}


def _usage(usage: Usage | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    inputs, outputs = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        "input_tokens": inputs,
        "input_tokens_details": {"cached_tokens": usage.cache_read_input_tokens or 0},
        "output_tokens": outputs,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_output_tokens or 0},
        "total_tokens": inputs + outputs,
    }
