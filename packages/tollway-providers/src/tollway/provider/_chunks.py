"""What a `predict` yields, as a stream of chunks in OpenAI's dialect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import sse
from ._answers import ID_PREFIX, dump
from ._openai_info import (
    carries_token,
    choice_index,
    choices_of,
    finish_reason,
    reasons_of,
    wants_usage,
)
from ._prediction_errors import raise_for_error
from ._values import AnswerInfo, Call, Target, Task
from .errors import PredictionError
from .usages import openai_usage

_OBJECT = {Task.CHAT: "chat.completion.chunk", Task.COMPLETIONS: "text_completion"}
_OF_THE_CHOICE = ("index", "finish_reason", "logprobs")


class ChunkEncoder:
    """Encodes one stream: `feed` it what `predict` yields, then say `end`.

    A piece is text, a chunk of OpenAI's, or a part of one (`{"content": …}`, `{"finish_reason": …}`). What is
    missing is filled in: id, model, the role, each choice's finish, the usage chunk if asked for, `[DONE]`.
    """

    def __init__(
        self, call: Call, target: Target, *, new_id: Callable[[], str], now_s: Callable[[], int]
    ) -> None:
        self.info = AnswerInfo(id=ID_PREFIX[call.task] + new_id(), model=target.model, token_seen=False)
        self._target = target
        self._chat = call.task is Task.CHAT
        self._head = {
            "id": self.info.id,
            "object": _OBJECT[call.task],
            "created": now_s(),
            "model": target.model,
        }
        self._wants_usage = wants_usage(call.payload)
        self._usage: dict[str, Any] | None = None
        self._finishes: dict[int, str | None] = {}

    def feed(self, piece: str | dict[str, Any]) -> bytes:
        """Return the events that say this piece.

        Raises:
            PredictionError: the piece is no chunk, or reports an error without a status.
            UpstreamError: it reports an error with a status.
        """
        if isinstance(piece, str):
            return self._event([self._choice({"content" if self._chat else "text": piece})])
        if not isinstance(piece, dict):
            raise PredictionError(f"predict yielded a value of type {type(piece).__name__}")
        raise_for_error(piece, self._target)
        self._learn(piece)
        choices = choices_of(piece)
        if not choices and any(
            key in piece for key in ("delta", "content", "text", "tool_calls", "finish_reason")
        ):
            choices = [{key: value for key, value in piece.items() if key not in (*self._head, "usage")}]
        return self._event([self._choice(choice) for choice in choices]) if choices else b""

    def end(self) -> bytes:
        """Return what closes the stream."""
        open_choices = [i for i, reason in (self._finishes or {0: None}).items() if reason is None]
        last = [self._choice({"index": index, "finish_reason": "stop"}) for index in open_choices]
        closing = self._event(last) if last else b""
        if self._wants_usage and self._usage is not None:
            closing += sse.event(dump({**self._head, "choices": [], "usage": self._usage}))
        return closing + sse.DONE

    def _learn(self, piece: dict[str, Any]) -> None:
        if not self._finishes:  # the first piece may say what the answer is called
            self._head.update({key: piece[key] for key in self._head if piece.get(key) is not None})
            self.info.id, self.info.model = str(self._head["id"]), str(self._head["model"])
        usage = piece.get("usage")
        if isinstance(usage, dict):
            self._usage = usage
            self.info.usage = openai_usage(usage)

    def _event(self, choices: list[dict[str, Any]]) -> bytes:
        if not self.info.token_seen:
            self.info.token_seen = any(carries_token(choice) for choice in choices)
        return sse.event(dump({**self._head, "choices": choices}))

    def _choice(self, given: Any) -> dict[str, Any]:
        if not isinstance(given, dict):
            raise PredictionError(f"predict yielded a choice of type {type(given).__name__}")
        index = choice_index(given)
        first = index not in self._finishes
        reason = finish_reason(given)
        self._finishes[index] = reason or self._finishes.get(index)
        if reason:
            self.info.finish_reasons = reasons_of(self._finishes)
        outer = {key: given[key] for key in _OF_THE_CHOICE if key in given}
        head = {"index": index, "finish_reason": None, **outer}
        if not self._chat:
            return {**head, "logprobs": outer.get("logprobs"), "text": _text_of(given)}
        delta = _delta_of(given)
        if first:  # clients add up what follows: they start from text, not from null
            delta = {"role": "assistant", "content": "", **{k: v for k, v in delta.items() if v is not None}}
        return {**head, "delta": delta}


def _delta_of(choice: dict[str, Any]) -> dict[str, Any]:
    delta = choice.get("delta")
    if isinstance(delta, dict):
        return delta
    if isinstance(choice.get("text"), str):
        return {"content": choice["text"]}
    return {key: value for key, value in choice.items() if key not in (*_OF_THE_CHOICE, "delta", "text")}


def _text_of(choice: dict[str, Any]) -> str:
    delta = choice.get("delta")
    for text in (choice.get("text"), choice.get("content"), isinstance(delta, dict) and delta.get("content")):
        if isinstance(text, str):
            return text
    return ""
