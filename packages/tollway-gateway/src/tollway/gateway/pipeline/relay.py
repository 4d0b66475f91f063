"""How a stream reaches its caller, and what becomes of one that fails on the way (`stream_recovery`).

error      events pass as they come; a failure ends the stream with an error event
continue   the same, but a model that can goes on from the text so far
buffer     the caller sees only finished answers; a failure is followed by the next attempt
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import orjson

from tollway.provider import Call, ResponseError, Task, sse

from .attempt_record import AttemptRecord
from .deadline import Deadline, TimeLimits
from .endpoint import Events
from .reply import Reply

_KEEP_ALIVE_S = 5.0
_KEEP_ALIVE = b": keep-alive\n\n"

_MAX_BUFFERED_BYTES = 64 * 1024 * 1024
_MAX_TEXT_CHARACTERS = 4 * 1024 * 1024


class Relay(Protocol):
    """Passes one call's events on to its caller, over all of its attempts."""

    has_shown: bool
    """Whether the caller has seen anything of an answer."""

    async def pass_on(
        self, data: bytes, events: Events, attempt: AttemptRecord, deadline: Deadline, limits: TimeLimits
    ) -> None:
        """Pass on `data`, then what follows; closes `events`."""

    def resumed(self, call: Call) -> Call | None:
        """Return what to ask next after a failure; None when it has to be told."""

    async def end(self) -> None:
        """End a stream whose last event was passed on."""


class ErrorRelay:
    """Passes events on as they come; see `Relay`."""

    __slots__ = ("_reply", "has_shown")

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self.has_shown = False

    async def pass_on(
        self, data: bytes, events: Events, attempt: AttemptRecord, deadline: Deadline, limits: TimeLimits
    ) -> None:
        """See `Relay.pass_on`: the next events are asked for when the caller took those before."""
        reply = self._reply
        try:
            if not self.has_shown:
                self.has_shown = True
                await reply.begin_stream()
            while data:
                attempt.saw(data)
                self.note(data)
                deadline.expect_caller()
                await reply.events(data)
                deadline.expect(limits.idle)
                data = await events.next()
        finally:
            await events.close()

    def note(self, data: bytes) -> None:
        """Look at events that are passed on."""

    def resumed(self, call: Call) -> Call | None:
        """See `Relay.resumed`."""
        return None if self.has_shown else call

    async def end(self) -> None:
        """See `Relay.end`."""
        await self._reply.end()


class ContinueRelay(ErrorRelay):
    """Remembers the text that was passed on, for a model that can go on from there; see `Relay`.

    What is more than one choice of text (tool calls, several choices, log probabilities) is not continued.
    """

    __slots__ = ("_length", "_parser", "_text", "_whole")

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self._parser = sse.Parser()
        self._text: list[str] = []
        self._length = 0
        self._whole = True
        """Whether the text is all that was passed on."""

    def note(self, data: bytes) -> None:
        """Remember the text."""
        for event in self._parser.feed(data):
            if event.data is None or event.data.strip() == b"[DONE]":
                continue
            for choice in orjson.loads(event.data).get("choices") or ():
                self._note_choice(choice)

    def _note_choice(self, choice: dict[str, Any]) -> None:
        delta = choice.get("delta") or {}
        text = delta.get("content")
        others = {key for key, value in delta.items() if value} - {"role", "content"}
        if others or choice.get("index") or choice.get("logprobs") or choice.get("finish_reason"):
            self._whole = False
        elif isinstance(text, str):
            self._text.append(text)
            self._length += len(text)
            self._whole = self._whole and self._length <= _MAX_TEXT_CHARACTERS

    def resumed(self, call: Call) -> Call | None:
        """See `Relay.resumed`."""
        if not self.has_shown:
            return call
        text = "".join(self._text)
        if not self._whole or call.task is not Task.CHAT or not text.strip():
            return None
        self._parser = sse.Parser()  # what was half an event is gone with its stream
        self._text = [text]
        messages = [*call.payload["messages"], {"role": "assistant", "content": text}]
        payload = {**call.payload, "messages": messages}
        return Call(call.task, payload, orjson.dumps(payload), call.stream)


class BufferRelay:
    """Holds a stream until it is complete; comments keep the connection alive meanwhile; see `Relay`."""

    __slots__ = ("_held", "_reply", "has_shown")

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._held = bytearray()
        self.has_shown = False

    async def pass_on(
        self, data: bytes, events: Events, attempt: AttemptRecord, deadline: Deadline, limits: TimeLimits
    ) -> None:
        """See `Relay.pass_on`."""
        self._held.clear()
        try:
            while data:
                attempt.saw(data)
                self._held += data
                if len(self._held) > _MAX_BUFFERED_BYTES:
                    raise ResponseError("the model's answer is too large to be held back")
                deadline.expect(limits.idle)
                data = await self._next(events)
        finally:
            await events.close()

    async def _next(self, events: Events) -> bytes:
        """Wait for the next events; meanwhile the caller gets a comment now and then."""
        waiting = asyncio.ensure_future(events.next())
        try:
            while not (await asyncio.wait({waiting}, timeout=_KEEP_ALIVE_S))[0]:
                if self._reply.status is None:
                    await self._reply.begin_stream()
                await self._reply.events(_KEEP_ALIVE)
            return waiting.result()
        finally:
            if not waiting.done():
                waiting.cancel()
                await asyncio.wait({waiting})

    def resumed(self, call: Call) -> Call | None:
        """See `Relay.resumed`: nobody saw what failed."""
        return call

    async def end(self) -> None:
        """See `Relay.end`."""
        if self._reply.status is None:
            await self._reply.begin_stream()
        await self._reply.events(bytes(self._held))
        await self._reply.end()


_RELAYS: dict[str, type[ErrorRelay] | type[BufferRelay]] = {
    "error": ErrorRelay,
    "continue": ContinueRelay,
    "buffer": BufferRelay,
}


def relay_of(stream_recovery: str, reply: Reply) -> Relay:
    """Return the relay of a stream that is recovered in this way."""
    return _RELAYS[stream_recovery](reply)
