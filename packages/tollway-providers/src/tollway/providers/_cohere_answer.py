"""Answers of Cohere's v2 chat, whole and streamed, in OpenAI's dialect.

https://docs.cohere.com/reference/chat and https://docs.cohere.com/docs/streaming
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tollway.provider import (
    Answer,
    AnswerInfo,
    Call,
    ErrorKind,
    ProviderError,
    ResponseError,
    StreamError,
    UpstreamError,
)
from tollway.provider.usages import cohere_usage

from ._chunk_stream import EventStream, whole_answer

_FINISHES = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR_TOXIC": "content_filter",
    "ERROR_LIMIT": "length",
}
_BROKEN = frozenset({"ERROR", "TIMEOUT", "USER_CANCEL"})
_MAX_CALLS = 1024


def answer_of(body: Any, model: str, now_s: int) -> Answer:
    """Read a whole answer; it tells neither its model nor the time.

    Raises:
        UpstreamError: the model broke off.
        ResponseError: it is no answer.
    """
    message = body.get("message") if isinstance(body, dict) else None
    if not isinstance(message, dict):
        raise ResponseError("the model's service answered without a message")
    finish = _finish(body.get("finish_reason"), body.get("error"))
    if finish is None:
        raise ResponseError("the model's service answered without saying why it stopped")
    info = AnswerInfo(_text(body, "id") or None, model, cohere_usage(body.get("usage")), (finish,))
    return whole_answer(info, now_s, [{"message": _said(message), "finish_reason": finish}])


class CohereStream(EventStream):
    """A decoder of v2 chat's stream; see `StreamDecoder`. It is complete with `message-end`."""

    def __init__(
        self, call: Call, redact: Callable[[str], str], now_s: int, whole: Callable[[bytes], Answer]
    ) -> None:
        super().__init__(call, redact, now_s, whole)
        self._calls: dict[int, int] = {}
        self._citations = 0

    def on(self, event: dict[str, Any], name: str) -> Iterator[bytes]:
        """Yield the chunks that an event means; others, such as `debug`, are passed over."""
        kind = _text(event, "type") or name
        delta = event.get("delta")
        handler = _HANDLERS.get(kind)
        if not kind:
            self.error = StreamError("the model's stream carried something that is not an event")
        if handler is None:
            return
        try:
            yield from handler(self, event, delta if isinstance(delta, dict) else {})
        except ProviderError as error:
            self.error = error

    def _start(self, event: dict[str, Any], delta: dict[str, Any]) -> Iterator[bytes]:
        self.name(_text(event, "id"), self.info.model or "")
        yield self._chunk({"role": "assistant", "content": ""})

    def _content(self, event: dict[str, Any], delta: dict[str, Any]) -> Iterator[bytes]:
        content = _of_message(delta, "content")
        if text := _text(content, "text"):
            yield self._chunk({"content": text})
        if thought := _text(content, "thinking"):
            yield self._chunk({"reasoning_content": thought})

    def _plan(self, event: dict[str, Any], delta: dict[str, Any]) -> Iterator[bytes]:
        message = delta.get("message")
        if plan := _text(message, "tool_plan"):
            yield self._chunk({"reasoning_content": plan})

    def _call_start(self, event: dict[str, Any], delta: dict[str, Any]) -> Iterator[bytes]:
        index = len(self._calls)
        if index >= _MAX_CALLS:
            raise StreamError("the model's stream has too many tool calls")
        self._calls[_index(event)] = index
        call = _of_message(delta, "tool_calls")
        yield self._chunk({"tool_calls": [{"index": index, **_call(call)}]})

    def _call_delta(self, event: dict[str, Any], delta: dict[str, Any]) -> Iterator[bytes]:
        call = _of_message(delta, "tool_calls")
        arguments = _text(call.get("function"), "arguments")
        index = self._calls.get(_index(event))
        if arguments and index is not None:
            yield self._chunk({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]})

    def _citation(self, event: dict[str, Any], delta: dict[str, Any]) -> Iterator[bytes]:
        citation = _of_message(delta, "citations")
        if citation:
            yield self._chunk({"citations": [{"index": self._citations, **citation}]})
            self._citations += 1

    def _end(self, event: dict[str, Any], delta: dict[str, Any]) -> Iterator[bytes]:
        self.info.usage = cohere_usage(delta.get("usage"))
        finish = _finish(delta.get("finish_reason"), delta.get("error"))
        if finish is None:
            raise StreamError("the model's stream ended without saying why")
        yield self._chunk({}, finish)
        yield self._finish()


_HANDLERS: dict[str, Callable[[CohereStream, dict[str, Any], dict[str, Any]], Iterator[bytes]]] = {
    "message-start": CohereStream._start,
    "content-start": CohereStream._content,
    "content-delta": CohereStream._content,
    "tool-plan-delta": CohereStream._plan,
    "tool-call-start": CohereStream._call_start,
    "tool-call-delta": CohereStream._call_delta,
    "citation-start": CohereStream._citation,
    "message-end": CohereStream._end,
}


def _finish(reason: Any, error: Any) -> str | None:
    """Return OpenAI's word for why it stopped; None when it does not say. A word not known is a stop.

    Raises:
        UpstreamError: the model broke off.
    """
    if not isinstance(reason, str) or not reason:
        return None
    if reason in _BROKEN:
        said = error if isinstance(error, str) else _text(error, "message")
        raise UpstreamError(
            f"the model broke the answer off with {reason}{': ' + said if said else ''}",
            upstream_status=502,
            status=502,
            code=reason.lower(),
            kind=ErrorKind.RETRYABLE,
        )
    return _FINISHES.get(reason, "stop")


def _said(message: dict[str, Any]) -> dict[str, Any]:
    """Return what a message says: text, thoughts and plan, calls, citations."""
    content = _dicts(message.get("content"))
    text = "".join(_text(part, "text") for part in content)
    thought = "".join(_text(part, "thinking") for part in content) + _text(message, "tool_plan")
    calls = _dicts(message.get("tool_calls"))
    said: dict[str, Any] = {"role": "assistant", "content": text or (None if calls else ""), "refusal": None}
    if thought:
        said["reasoning_content"] = thought
    if calls:
        said["tool_calls"] = [_call(call) for call in calls]
    if citations := _dicts(message.get("citations")):
        said["citations"] = citations
    return said


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    said = {"name": _text(function, "name"), "arguments": _text(function, "arguments")}
    return {"id": _text(call, "id"), "type": "function", "function": said}


def _of_message(delta: dict[str, Any], key: str) -> dict[str, Any]:
    message = delta.get("message")
    value = message.get(key) if isinstance(message, dict) else None
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(holder: Any, key: str) -> str:
    value = holder.get(key) if isinstance(holder, dict) else None
    return value if isinstance(value, str) else ""


def _index(event: dict[str, Any]) -> int:
    index = event.get("index")
    return index if isinstance(index, int) else 0
