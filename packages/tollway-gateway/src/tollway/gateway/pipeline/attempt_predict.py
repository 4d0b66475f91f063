"""Attempts in this process: `predict`, whatever it is (sync, async, a generator), whatever it gives back.

A plain `predict` runs in a thread, and so does every `next` of what it yields: it may block. One `next` is
asked for when the caller has taken the piece before, so a slow caller holds a fast model back. All of them
run in the attempt's own context: spans started inside nest under the attempt's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypedDict

import orjson

from tollway.gateway.guard.calls import CallSlots
from tollway.gateway.upstream import too_large
from tollway.provider import Answer, BaseProvider, Call, ProviderError
from tollway.provider.predictions import ChunkEncoder, Collector, answer_from, stream_of

from .endpoint import Attempt
from .prediction import END, Prediction, TaskPieces, ThreadPieces, is_async, pieces_of
from .runtime import Runtime

_RETRY_AFTER_S = 1.0


class _Sources(TypedDict):
    """What makes an answer's id and time, as `tollway.provider.predictions` takes them."""

    new_id: Callable[[], str]
    now_s: Callable[[], int]


class PredictRunner:
    """Asks one `BaseProvider`. What it answers is bounded as the answer of a service over HTTP is."""

    def __init__(
        self, provider: BaseProvider, runtime: Runtime, slots: CallSlots, max_answer_bytes: int
    ) -> None:
        self._provider = provider
        self._slots = slots
        self._threads = runtime.threads
        self._max_bytes = max_answer_bytes
        self._sources = _Sources(new_id=runtime.new_id, now_s=runtime.now_s)
        self._is_async = is_async(provider.predict)

    async def answer(self, call: Call, attempt: Attempt) -> Answer:
        """See `Runner.answer`."""
        prediction = self._begin(attempt)
        try:
            value = await self._predict(call, prediction)
            pieces = pieces_of(prediction, value)
            if pieces is None:
                return self._whole(value, call)
            return await self._collected(pieces, call)
        finally:
            prediction.end()

    async def open(self, call: Call, attempt: Attempt) -> PredictEvents | WholeEvents:
        """See `Runner.open`."""
        prediction = self._begin(attempt)
        pieces = None
        try:
            value = await self._predict(call, prediction)
            pieces = pieces_of(prediction, value)
            if pieces is None:
                answer = self._whole(value, call)
                return WholeEvents(answer, stream_of(answer, call))
        finally:
            if pieces is None:
                prediction.end()
        encoder = ChunkEncoder(call, self._provider.target, **self._sources)
        return PredictEvents(prediction, pieces, encoder, self._max_bytes)

    def _whole(self, value: Any, call: Call) -> Answer:
        if isinstance(value, str) and len(value) > self._max_bytes:  # else it would be copied twice before
            raise too_large(self._max_bytes)
        return self._bounded(answer_from(value, call, self._provider.target, **self._sources))

    async def _collected(self, pieces: ThreadPieces | TaskPieces, call: Call) -> Answer:
        """Put an answer together that comes in pieces; one that is too large is not waited for."""
        collector = Collector(call, self._provider.target, **self._sources)
        try:
            while (piece := await pieces.next()) is not END:
                collector.add(piece)
                if collector.size > self._max_bytes:
                    raise too_large(self._max_bytes)
        finally:
            await pieces.close()
        return self._bounded(collector.whole())

    def _bounded(self, answer: Answer) -> Answer:
        if len(answer.body) > self._max_bytes:
            raise too_large(self._max_bytes)
        return answer

    def _begin(self, attempt: Attempt) -> Prediction:
        slot = self._slots.take()
        if slot is None:
            raise ProviderError(
                f"{self._slots.count} calls of {self._provider.target.endpoint!r} run already; ask again",
                status=503,
                code="endpoint_overloaded",
                retry_after_s=_RETRY_AFTER_S,
            )
        return Prediction(slot, self._threads, attempt)

    async def _predict(self, call: Call, prediction: Prediction) -> Any:
        payload = orjson.loads(call.body)  # its own copy: what it changes, a retry must not see
        if self._is_async:
            value: Any = self._provider.predict(payload)
        else:
            value = await prediction.in_thread(self._provider.predict, payload)
        return await prediction.in_task(value) if inspect.isawaitable(value) else value


class PredictEvents:
    """Pieces, encoded as events one by one, each of at most `max_bytes`; see `Events`."""

    def __init__(
        self,
        prediction: Prediction,
        pieces: ThreadPieces | TaskPieces,
        encoder: ChunkEncoder,
        max_bytes: int,
    ) -> None:
        self._max_bytes = max_bytes
        self._prediction = prediction
        self._pieces = pieces
        self._encoder = encoder
        self._ended = False
        self.info = encoder.info

    async def next(self) -> bytes:
        """See `Events.next`."""
        while not self._ended:
            piece = await self._pieces.next()
            self._ended = piece is END
            events = self._encoder.end() if self._ended else self._encoder.feed(piece)
            if len(events) > self._max_bytes:
                raise too_large(self._max_bytes)
            if events:
                return events
        return b""

    async def close(self) -> None:
        """See `Events.close`."""
        try:
            await self._pieces.close()
        finally:
            self._prediction.end()


class WholeEvents:
    """An answer that was whole before its stream began; see `Events`."""

    def __init__(self, answer: Answer, events: bytes) -> None:
        self._events = events
        self.info = answer.info

    async def next(self) -> bytes:
        """See `Events.next`."""
        events, self._events = self._events, b""
        return events

    async def close(self) -> None:
        """See `Events.close`."""
