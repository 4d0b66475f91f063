"""A stream in OpenAI's dialect: events pass as they came, and are only looked at on their way."""

from __future__ import annotations

from typing import Any

from . import sse
from ._error_signs import broken_choice, is_error
from ._error_words import load, text_of
from ._framing import Opening, is_body, last_events, stray_text
from ._openai_dialect import answer_of
from ._openai_errors import error_in_answer
from ._openai_info import (
    carries_token,
    choice_index,
    choices_of,
    finish_reason,
    info_of,
    reasons_of,
    usage_in,
    wants_usage,
)
from ._openai_refrain import Refrain
from ._secrets import Redactor
from ._swapped import stream_of_answer
from ._values import AnswerInfo, Call, UpstreamResponse
from .errors import ProviderError, StreamError

_DONE = b"[DONE]"

_USAGE_KEYS = frozenset(
    {"id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier"}
)
"""A chunk that says more than this of its answer is not hidden for its usage: timings, citations, cost."""

_SHORT = 16 * 1024
"""Bytes of an event under way that are looked at again with what comes; a longer one stays in the parser."""

_MORE_CHOICES = 128
"""Choices beyond those that were asked for: each is remembered, however long the stream."""

_NO_OBJECT = "the model's stream carried something that is not a JSON object"
_REPORTED = "the model's service reported an error in mid-answer"
_CUT = "the model's stream ended before the answer was finished"


class OpenAIStream:
    """A decoder of one stream; see `StreamDecoder`.

    The answer is complete with `[DONE]`, or when every choice has said why it finished; then `[DONE]` is
    added. A body of JSON in the stream's place is read as a whole answer, and streamed.
    """

    __slots__ = (
        "_begun",
        "_call",
        "_finishes",
        "_hide_usage",
        "_opening",
        "_parser",
        "_redact",
        "_refrain",
        "_stray",
        "_wanted",
        "complete",
        "error",
        "info",
    )

    def __init__(self, call: Call, redact: Redactor) -> None:
        self.info = AnswerInfo(token_seen=False)
        self.complete = False
        self.error: ProviderError | None = None
        self._call = call
        self._parser = sse.Parser()
        self._redact = redact
        self._hide_usage = not wants_usage(call.payload)
        self._wanted = _answers_wanted(call.payload)
        self._finishes: dict[int, str | None] = {}
        self._refrain = Refrain()
        self._begun = False
        self._opening: Opening | None = None
        self._stray = b""

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came, return the events that are now whole (perhaps none)."""
        if self.complete or self.error is not None:
            return b""
        if not self._begun:
            data = self._begin(data)
        held = self._parser.held
        if not held:
            return self._read(data)
        # Each byte is taken back once at most: with the end of its event.
        if held <= _SHORT and self._parser.ends_with(data):
            return self._read(self._parser.take_back() + data)
        return self._parse(data)

    def _parse(self, data: bytes) -> bytes:
        """Read bytes by the parser alone."""
        try:
            return self._pass_on(self._parser.feed(data))
        except sse.EventTooLargeError as error:
            self.error = StreamError(f"the model's stream carried {error}")
            return b""

    def _read(self, data: bytes) -> bytes:
        """Read bytes that begin with an event."""
        passed = []
        at = 0
        while at < len(data) and not self.complete and self.error is None:
            if (known := self._refrain.follow(data, at)) > at:
                passed.append(data[at:known])
                at = known
                continue
            # One event at a time, so that those which follow can be known by it.
            end = data.find(b"\n\n", at) + 2
            piece = data[at:end] if end > 1 else data[at:]
            passed.append(self._parse(piece))
            at += len(piece)
        return b"".join(passed)

    def end(self) -> bytes:
        """Take the end of the upstream's bytes; sets `error` unless the answer is complete."""
        if self.complete or self.error is not None:
            return b""
        if self._opening is not None and self._opening.body.strip():
            return self._end_body(bytes(self._opening.body))
        rest = self._pass_on(last_events(self._parser))
        if self.complete or self.error is not None:
            return rest
        if len(self._finishes) >= self._wanted and None not in self._finishes.values():
            self.complete = True
            return rest + sse.DONE
        said = self._redact(text_of(self._stray))
        self.error = StreamError(f"{_CUT}: {said}" if said else _CUT)
        return rest

    def _begin(self, data: bytes) -> bytes:
        """Return the bytes that are events, none as long as they may be a body."""
        if self._opening is None:
            if data.startswith((b"data:", b":")):
                self._begun = True
                return data
            self._opening = Opening()
        opening = self._opening
        events = opening.feed(data)
        if events:
            self._begun, self._opening = True, None
        elif len(opening.body) > sse.MAX_EVENT_BYTES:
            self.error = StreamError(f"the model's answer has more than {sse.MAX_EVENT_BYTES} bytes")
        return events

    def _end_body(self, body: bytes) -> bytes:
        """Read the body that came in the stream's place."""
        try:
            answer = answer_of(self._call, UpstreamResponse(200, {}, body), self._redact, None)
            events = stream_of_answer(answer, self._call)
        except ProviderError as error:
            self.error = error
            return b""
        self.info.take_over(answer.info)
        self.complete = True
        return events

    def _pass_on(self, events: list[sse.Event]) -> bytes:
        passed = []
        for event in events:
            if self.complete or self.error is not None:
                break
            if self._look_at(event):
                passed.append(event.raw)
        return b"".join(passed)

    def _look_at(self, event: sse.Event) -> bool:
        """Learn what an event says, and whether the caller is to see it."""
        data = event.data
        if data is None:
            return event.raw.startswith(b":") or self._look_at_stray(event.raw)
        if data.strip() == _DONE:
            return self._on_done()
        chunk = load(data)
        if not isinstance(chunk, dict):
            self.error = self._error_of(data)
            return False
        if event.name == b"error" or ((chunk.get("error") or not chunk.get("choices")) and is_error(chunk)):
            self.error = error_in_answer(chunk, self._redact, StreamError, _REPORTED)
            return False
        self._learn(chunk)
        if self.error is not None:
            return False
        self._refrain.learn(event.raw, chunk)
        usage_only = isinstance(chunk.get("usage"), dict) and not choices_of(chunk)
        return not (usage_only and self._hide_usage and chunk.keys() <= _USAGE_KEYS)

    def _look_at_stray(self, text: bytes) -> bool:
        """Look at lines without data: JSON and HTML are an error, and other text is kept."""
        if is_body(text):
            self.error = self._error_of(text)
            return False
        stray = stray_text(text)
        self._stray = stray or self._stray
        return not stray

    def _on_done(self) -> bool:
        """Note `[DONE]`, which ends an answer of which something has come."""
        if self._finishes:
            self.complete = True
        else:
            self.error = StreamError("the model's stream ended without an answer")
        return self.complete

    def _error_of(self, data: bytes) -> ProviderError:
        """Return the error that data is which is no chunk."""
        body = load(data)
        if isinstance(body, str) or is_error(body):
            return error_in_answer(body, self._redact, StreamError, _REPORTED)
        said = self._redact(text_of(data)) if body is None else ""
        return StreamError(f"{_NO_OBJECT}: {said}" if said else _NO_OBJECT)

    def _learn(self, chunk: dict[str, Any]) -> None:
        info = self.info
        if info.id is None or info.model is None:
            first = info_of(chunk)
            info.id, info.model = info.id or first.id, info.model or first.model
        if chunk.get("usage"):
            info.usage = usage_in(chunk) or info.usage
        for choice in choices_of(chunk):
            reason = finish_reason(choice)
            index = choice_index(choice)
            self._finishes[index] = reason or self._finishes.get(index)
            if len(self._finishes) > self._wanted + _MORE_CHOICES:
                self.error = StreamError("the model's stream has more choices than were asked for")
                return
            if not info.token_seen:
                info.token_seen = carries_token(choice)
            if reason:
                info.finish_reasons = reasons_of(self._finishes)
                if broken_choice(choice):
                    self.error = error_in_answer(chunk, self._redact, StreamError, _REPORTED)


def _answers_wanted(payload: dict[str, Any]) -> int:
    """Return how many choices an answer must have to be whole: `n` for every prompt."""
    n = payload.get("n")
    prompt = payload.get("prompt")
    prompts = len(prompt) if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int) else 1
    return (n if isinstance(n, int) and n > 1 else 1) * prompts
