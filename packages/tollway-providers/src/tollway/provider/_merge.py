"""A whole answer out of a stream, and back: `predict` may give the one where the other was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from . import sse
from ._answers import answer_from
from ._chunks import ChunkEncoder
from ._openai_info import choice_index, choices_of
from ._values import Answer, Call, Target, Task
from .errors import PredictionError

_MAX_CALLS_AHEAD = 128
"""By how much the index of a tool call may exceed the number of calls before it."""


class Collector:
    """Puts what a `predict` yields together to a whole answer: `add` each piece, then ask for the `whole`."""

    def __init__(
        self, call: Call, target: Target, *, new_id: Callable[[], str], now_s: Callable[[], int]
    ) -> None:
        self._call, self._target, self._new_id, self._now_s = call, target, new_id, now_s
        # The encoder is the one that understands pieces: what it makes of them is merged.
        self._encoder = ChunkEncoder(call, target, new_id=new_id, now_s=now_s)
        self._head: dict[str, Any] = {}
        self._choices: dict[int, ChoiceParts] = {}
        self._usage: Any = None
        self.size = 0
        """About how many characters the answer has so far, the names of its keys not counted."""

    def add(self, piece: str | dict[str, Any]) -> None:
        """Take the next piece.

        Raises:
            PredictionError: it is unusable, or reports an error without a status.
            UpstreamError: it reports an error with a status.
        """
        if isinstance(piece, dict):
            self._usage = piece.get("usage") or self._usage
        for event in sse.Parser().feed(self._encoder.feed(piece)):
            chunk = orjson.loads(event.data or b"{}")
            self._head = {key: value for key, value in chunk.items() if key not in ("choices", "object")}
            for choice in choices_of(chunk):
                self.size += _size_of(choice)
                self._choices.setdefault(choice_index(choice), ChoiceParts()).add(choice)

    def whole(self) -> Answer:
        """Return the answer.

        Raises:
            PredictionError: the pieces are none.
        """
        choices: list[Any] = [self._choices[index].whole() for index in sorted(self._choices)] or [""]
        body = {**self._head, "choices": choices, "usage": self._usage}
        return answer_from(body, self._call, self._target, new_id=self._new_id, now_s=self._now_s)


def collect(
    pieces: Iterable[str | dict[str, Any]],
    call: Call,
    target: Target,
    *,
    new_id: Callable[[], str],
    now_s: Callable[[], int],
) -> Answer:
    """Put what a `predict` yielded together to a whole answer; see `Collector`."""
    collector = Collector(call, target, new_id=new_id, now_s=now_s)
    for piece in pieces:
        collector.add(piece)
    return collector.whole()


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


class ChoiceParts:
    """One choice, put together of the parts that a stream has of it: linear in their sizes.

    Texts and lists follow on, of everything else the last value stands. A part of a tool call belongs to the
    call of its `index`.
    """

    def __init__(self) -> None:
        self._choice = _Joined()
        self._message = _Joined()
        self._logprobs = _Joined()
        self._calls: dict[int, tuple[_Joined, _Joined]] = {}

    def add(self, choice: dict[str, Any]) -> None:
        """Take the next part. Raises PredictionError when it is none."""
        for key, value in choice.items():
            if key == "delta":
                self._add_delta(value)
            elif key == "logprobs" and isinstance(value, dict):
                self._logprobs.update(value)
            else:
                self._choice.add(key, value, follows_on=key == "text")

    def whole(self) -> dict[str, Any]:
        """Return the choice as far as it has come."""
        choice = self._choice.whole()
        if message := self._message.whole() | self._whole_calls():
            choice["message"] = message
        if logprobs := self._logprobs.whole():
            choice["logprobs"] = logprobs
        return choice

    def _add_delta(self, delta: Any) -> None:
        if not isinstance(delta, dict):
            raise PredictionError(f"a choice has a delta of type {type(delta).__name__}")
        for key, value in delta.items():
            if key == "tool_calls" and isinstance(value, list):
                for position, part in enumerate(value):
                    self._add_call(position, part)
            else:
                self._message.add(key, value, follows_on=key != "role")

    def _add_call(self, position: int, part: Any) -> None:
        if not isinstance(part, dict):
            raise PredictionError(f"a tool call is of type {type(part).__name__}")
        index = part.get("index", position)
        if not isinstance(index, int) or not 0 <= index < len(self._calls) + _MAX_CALLS_AHEAD:
            raise PredictionError(f"a tool call has the index {index!r}")
        call, function = self._calls.setdefault(index, (_Joined(), _Joined()))
        function.update(part.get("function") or {})
        for key, value in part.items():
            if key not in ("index", "function"):
                call.add(key, value, follows_on=False)

    def _whole_calls(self) -> dict[str, Any]:
        calls = [self._calls[index] for index in sorted(self._calls)]
        empty = {"name": "", "arguments": ""}
        return (
            {
                "tool_calls": [
                    {"type": "function", **call.whole(), "function": empty | function.whole()}
                    for call, function in calls
                ]
            }
            if calls
            else {}
        )


class _Joined:
    """An object whose texts and lists come in parts."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._texts: dict[str, list[str]] = {}

    def update(self, more: dict[str, Any]) -> None:
        """Take parts of several values."""
        for key, value in more.items():
            self.add(key, value, follows_on=True)

    def add(self, key: str, value: Any, *, follows_on: bool) -> None:
        """Take a part of a value; None is no part."""
        if value is None:
            return
        if isinstance(value, str) and follows_on:
            if key not in self._texts:
                self._values[key] = None  # its place
                self._texts[key] = []
            self._texts[key].append(value)
            return
        self._texts.pop(key, None)
        before = self._values.get(key)
        if isinstance(value, list) and isinstance(before, list) and follows_on:
            before += value
        else:
            self._values[key] = [*value] if isinstance(value, list) else value

    def whole(self) -> dict[str, Any]:
        """Return the object."""
        return self._values | {key: "".join(parts) for key, parts in self._texts.items()}


def _as_chunk(choice: dict[str, Any], task: Task) -> dict[str, Any]:
    if task is not Task.CHAT:
        return choice
    message = choice.get("message")
    if not isinstance(message, dict):
        raise PredictionError("predict gave a choice without a message")
    if calls := message.get("tool_calls"):
        if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
            raise PredictionError("predict gave tool calls that are none")
        message = {**message, "tool_calls": [{"index": i, **call} for i, call in enumerate(calls)]}
    return {**{key: value for key, value in choice.items() if key != "message"}, "delta": message}


_REPEATED = frozenset({"role", "index", "finish_reason", "type", "id"})
"""Keys that a stream may repeat, and that the whole answer has once."""


def _size_of(value: Any) -> int:
    """Return the characters of all texts in a part of an answer, and one for each other item of a list."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(_size_of(inner) for key, inner in value.items() if key not in _REPEATED)
    return sum(_size_of(item) or 1 for item in value) if isinstance(value, list) else 0
