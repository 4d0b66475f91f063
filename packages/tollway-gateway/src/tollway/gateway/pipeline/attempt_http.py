"""Attempts over HTTP: the provider says what to send and what came back, the client carries it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tollway.gateway.guard.answer_size import SMALL_EVENT_BYTES, AnswerSize
from tollway.gateway.guard.json_size import is_too_deep
from tollway.gateway.telemetry.propagation import inject
from tollway.gateway.upstream import MAX_ERROR_BYTES, UpstreamClient, UpstreamStream
from tollway.provider import (
    Answer,
    Call,
    HTTPProvider,
    ProviderError,
    ResponseError,
    StreamDecoder,
    StreamError,
    UpstreamConnectionError,
    UpstreamRequest,
    UpstreamResponse,
)
from tollway.provider.dialects import Speaker
from tollway.provider.errors import too_deep
from tollway.provider.scanned import payload_of

from .endpoint import Attempt

_END_S = 0.5
"""How long an upstream may keep a finished stream open."""

_TURN_BYTES = 64 * 1024
"""What is decoded of a stream before everybody else has had a turn."""

_ANSWER_TOO_DEEP = "the model's service answered with JSON that is nested too deep"


class HTTPRunner:
    """Asks the model of one `HTTPProvider`, in a dialect that it speaks."""

    def __init__(self, provider: Speaker, client: UpstreamClient, connect_s: float, size: AnswerSize) -> None:
        self._size = size
        self._provider = provider
        self._client = client
        self._connect_s = connect_s
        self._takes_scanned = getattr(provider, "takes_scanned", False) or (
            isinstance(provider, HTTPProvider) and type(provider).request is HTTPProvider.request
        )

    async def answer(self, call: Call, attempt: Attempt) -> Answer:
        """See `Runner.answer`."""
        if type(call.payload) is not dict and not self._takes_scanned:
            call = replace(call, payload=payload_of(call.payload))
        request = self._request(call)
        lines = inject(attempt.raw_context())
        response = await self._client.send(request, self._connect_s, lines, attempt.waited)
        attempt.upstream_headers = response.headers
        if not 200 <= response.status < 300:
            raise self._provider.error(response)
        if len(response.body) > self._size.max_nodes:
            self._size.check(response.body)
        try:
            return self._provider.response(call, response)
        except (RecursionError, TypeError) as error:
            if not is_too_deep(error):
                raise
            raise ResponseError(_ANSWER_TOO_DEEP) from error

    async def open(self, call: Call, attempt: Attempt) -> HTTPEvents:
        """See `Runner.open`."""
        if type(call.payload) is not dict and not self._takes_scanned:
            call = replace(call, payload=payload_of(call.payload))
        request = self._request(call)
        lines = inject(attempt.raw_context())
        stream = await self._client.open(request, self._connect_s, lines, attempt.waited)
        attempt.upstream_headers = stream.headers
        if 200 <= stream.status < 300:
            return HTTPEvents(stream, self._provider.stream(call), attempt, self._size)
        try:
            response = await whole_error(stream)
        finally:
            attempt.waited(stream.waited_s)
        if response.status in (400, 422) and self._forgoes_usage(call, response):
            return await self.open(call, attempt)
        raise self._provider.error(response)

    def _forgoes_usage(self, call: Call, response: UpstreamResponse) -> bool:
        forgo = getattr(self._provider, "forgo_usage", None)  # only what asks in OpenAI's chat adds anything
        return forgo is not None and bool(forgo(call, response))

    def _request(self, call: Call) -> UpstreamRequest:
        try:
            return self._provider.request(call)
        except (RecursionError, TypeError) as error:
            if not is_too_deep(error):
                raise
            raise too_deep() from error


class HTTPEvents:
    """The events of one upstream stream, decoded on their way; see `Events`."""

    def __init__(
        self, stream: UpstreamStream, decoder: StreamDecoder, attempt: Attempt, size: AnswerSize
    ) -> None:
        self._attempt = attempt
        self._size = size.of_events()
        self._told_s = 0.0
        self._waiting: list[bytes] = []
        """What came, but has to wait for its turn; the last one is the next."""
        self._stream = stream
        self._decoder = decoder
        self._ended = False
        self._broken: UpstreamConnectionError | None = None
        self.info = decoder.info

    async def next(self) -> bytes:
        """See `Events.next`."""
        decoder = self._decoder
        while not self._ended:
            if decoder.error is not None:
                raise decoder.error
            events = self._decode(await self._read())
            if events:
                return events
        if decoder.error is None:
            return b""
        if self._broken is not None and type(decoder.error) is StreamError:
            raise StreamError("the model's service hung up in mid-answer") from self._broken
        raise decoder.error

    async def close(self) -> None:
        """See `Events.close`."""
        self._tell_waited()
        self._stream.close()

    def _tell_waited(self) -> None:
        waited_s = self._stream.waited_s
        self._attempt.waited(waited_s - self._told_s)
        self._told_s = waited_s

    async def _read(self) -> bytes:
        """Read on; what happens to the connection after the answer's end is no fault of the answer."""
        if self._waiting:
            await asyncio.sleep(0)
            return self._waiting.pop()
        if self._decoder.complete:
            return await self._read_end()
        try:
            data = await self._stream.read()
            return data if len(data) <= _TURN_BYTES else self._first_of(data)
        except UpstreamConnectionError as error:
            self._broken = error
            return b""  # the decoder knows whether the answer lacks anything

    def _first_of(self, data: bytes) -> bytes:
        """Return as much as is decoded in one turn, and keep the rest."""
        self._waiting = [data[at : at + _TURN_BYTES] for at in range(0, len(data), _TURN_BYTES)]
        self._waiting.reverse()
        return self._waiting.pop()

    async def _read_end(self) -> bytes:
        """Wait a moment for the end of what is finished, so that the connection can be kept."""
        try:
            async with asyncio.timeout(_END_S):
                return await self._stream.read()
        except (TimeoutError, UpstreamConnectionError):
            return b""

    def _decode(self, data: bytes) -> bytes:
        try:
            if data:
                size = self._size
                size.so_far_bytes += len(data)
                if size.so_far_bytes > SMALL_EVENT_BYTES:
                    size.check(data)
                return self._decoder.feed(data)
            self._ended = True
            return self._decoder.end()
        except (RecursionError, TypeError) as error:
            if not is_too_deep(error):
                raise
            raise StreamError(_ANSWER_TOO_DEEP) from error


async def whole_error(stream: UpstreamStream) -> UpstreamResponse:
    """Read the bounded body of an answer that reports an error, and release its connection."""
    body = bytearray()
    try:
        while len(body) < MAX_ERROR_BYTES and (data := await stream.read()):
            body += data
    except ProviderError:  # a status and half a message say more than "hung up"
        pass
    finally:
        stream.close()
    return UpstreamResponse(stream.status, stream.headers, bytes(body[:MAX_ERROR_BYTES]))
