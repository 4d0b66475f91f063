"""How a stream reaches its caller, and what becomes of one that fails on the way (`stream_recovery`).

error      events pass as they come; a failure ends the stream with an error event
continue   the same, but a model that can goes on from the text so far, where the API allows it
buffer     the caller sees only finished answers; a failure is followed by the next attempt
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from tollway.gateway.apis import API, APICall, Continuation
from tollway.provider import ResponseError

from .attempt_record import AttemptRecord
from .deadline import Deadline, TimeLimits
from .endpoint import Events
from .reply import Reply

_KEEP_ALIVE_S = 5.0
_KEEP_ALIVE = b": keep-alive\n\n"

_MAX_BUFFERED_BYTES = 64 * 1024 * 1024


class Relay(Protocol):
    """Passes one call's events on to its caller, over all of its attempts."""

    has_shown: bool
    """Whether the caller has seen anything of an answer."""

    async def pass_on(
        self, data: bytes, events: Events, attempt: AttemptRecord, deadline: Deadline, limits: TimeLimits
    ) -> None:
        """Pass on `data`, then what follows; closes `events`."""

    def resumed(self, call: APICall) -> APICall | None:
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

    def resumed(self, call: APICall) -> APICall | None:
        """See `Relay.resumed`."""
        return None if self.has_shown else call

    async def end(self) -> None:
        """See `Relay.end`."""
        await self._reply.end()


class ContinueRelay(ErrorRelay):
    """Remembers what was passed on, for a model that can go on from there; see `Relay`."""

    __slots__ = ("_continuation",)

    def __init__(self, reply: Reply, continuation: Continuation) -> None:
        super().__init__(reply)
        self._continuation = continuation

    def note(self, data: bytes) -> None:
        """Remember events."""
        self._continuation.note(data)

    def resumed(self, call: APICall) -> APICall | None:
        """See `Relay.resumed`."""
        return self._continuation.resumed(call) if self.has_shown else call


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

    def resumed(self, call: APICall) -> APICall | None:
        """See `Relay.resumed`: nobody saw what failed."""
        return call

    async def end(self) -> None:
        """See `Relay.end`."""
        if self._reply.status is None:
            await self._reply.begin_stream()
        await self._reply.events(bytes(self._held))
        await self._reply.end()


def relay_of(stream_recovery: str, reply: Reply, api: API) -> Relay:
    """Return the relay of a stream that is recovered in this way, as far as its API allows."""
    if stream_recovery == "buffer":
        return BufferRelay(reply)
    continuation = api.continuation() if stream_recovery == "continue" else None
    return ErrorRelay(reply) if continuation is None else ContinueRelay(reply, continuation)
