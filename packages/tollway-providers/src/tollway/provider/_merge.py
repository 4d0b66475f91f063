"""A whole answer out of a stream, and back: `predict` may give the one where the other was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from . import sse
from ._answers import answer_from, raise_for_error
from ._chunks import ChunkEncoder
from ._openai_info import choice_index, choices_of
from ._values import Answer, Call, Target, Task
from .errors import PredictionError

_MAX_CALLS_AHEAD = 128
"""By how much the index of a tool call may exceed the number of calls before it."""


def collect(
    pieces: Iterable[str | dict[str, Any]],
    call: Call,
    target: Target,
    *,
    new_id: Callable[[], str],
    now_s: Callable[[], int],
) -> Answer:
    """Put what a `predict` yielded together to a whole answer.

    Raises:
        PredictionError: a piece is unusable.
    """
    # The encoder is the one that understands pieces: what it makes of them is merged.
    encoder = ChunkEncoder(call, target, new_id=new_id, now_s=now_s)
    whole: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    usage = None
    for piece in pieces:
        if isinstance(piece, dict):
            raise_for_error(piece)
            usage = piece.get("usage") or usage
        for event in sse.Parser().feed(encoder.feed(piece)):
            chunk = orjson.loads(event.data or b"{}")
            whole = {key: value for key, value in chunk.items() if key not in ("choices", "object")}
            for choice in choices_of(chunk):
                merge_choice(choices.setdefault(choice_index(choice), {}), choice)
    whole["choices"] = [choices[index] for index in sorted(choices)] or [""]
    return answer_from({**whole, "usage": usage}, call, target, new_id=new_id, now_s=now_s)


def stream_of(answer: Answer, call: Call) -> bytes:
    """Say a whole answer as a stream of one chunk a choice and its close."""
    body = orjson.loads(answer.body)
    created = body.get("created")
    encoder = ChunkEncoder(
        call,
        Target("", call.task, str(body.get("model") or "")),
        new_id=str,
        now_s=lambda: created if isinstance(created, int) else 0,
    )
    said = {key: value for key, value in body.items() if key not in ("object", "choices")}
    events = [encoder.feed({**said, "choices": [_as_chunk(choice, call.task)]}) for choice in body["choices"]]
    return b"".join(events) + encoder.end()


def merge_choice(into: dict[str, Any], choice: dict[str, Any]) -> None:
    """Join a part of a choice to what came of it before."""
    for key, value in choice.items():
        if key == "delta":
            _merge_delta(into.setdefault("message", {}), value)
        elif key == "text":
            into["text"] = into.get("text", "") + value
        elif key == "logprobs" and isinstance(value, dict) and isinstance(into.get("logprobs"), dict):
            _merge_lists(into["logprobs"], value)
        elif value is not None:
            into[key] = value


def _merge_delta(message: dict[str, Any], delta: dict[str, Any]) -> None:
    for key, value in delta.items():
        if key == "tool_calls" and isinstance(value, list):
            _merge_tool_calls(message.setdefault("tool_calls", []), value)
        elif isinstance(value, list) and isinstance(message.get(key), list):
            message[key] = message[key] + value
        elif key != "role" and isinstance(value, str) and isinstance(message.get(key), str):
            message[key] += value
        elif value is not None:
            message[key] = value


def _merge_tool_calls(calls: list[dict[str, Any]], deltas: list[Any]) -> None:
    """Join the parts of tool calls: a part belongs to the call of its `index`, its arguments follow on."""
    for position, delta in enumerate(deltas):
        if not isinstance(delta, dict):
            raise PredictionError(f"predict yielded a tool call of type {type(delta).__name__}")
        index = delta.get("index", position)
        if not isinstance(index, int) or not 0 <= index < len(calls) + _MAX_CALLS_AHEAD:
            raise PredictionError(f"a tool call has the index {index!r}")
        while len(calls) <= index:
            calls.append({"type": "function", "function": {"name": "", "arguments": ""}})
        call = calls[index]
        for key, value in (delta.get("function") or {}).items():
            call["function"][key] = call["function"].get(key, "") + (value or "")
        call.update({k: v for k, v in delta.items() if k not in ("index", "function") and v is not None})


def _merge_lists(into: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        into[key] = (
            into[key] + value if isinstance(into.get(key), list) and isinstance(value, list) else value
        )


def _as_chunk(choice: dict[str, Any], task: Task) -> dict[str, Any]:
    if task is not Task.CHAT:
        return choice
    message = dict(choice["message"])
    if message.get("tool_calls"):
        message["tool_calls"] = [{"index": i, **call} for i, call in enumerate(message["tool_calls"])]
    return {**{key: value for key, value in choice.items() if key != "message"}, "delta": message}
