"""Attempts in this process: `predict`, whatever it is (sync, async, a generator), whatever it gives back.

A plain `predict` runs in a thread, and so does every `next` of what it yields: it may block. One `next` is
asked for when the caller has taken the piece before, so a slow caller holds a fast model back. All of them
run in the attempt's own context: spans started inside nest under the attempt's.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor, Future
from time import perf_counter
from typing import Any, TypedDict, TypeVar

import orjson
from opentelemetry import context as otel_context

from tollway.provider import Answer, BaseProvider, Call, PredictionError, ProviderError
from tollway.provider.predictions import ChunkEncoder, answer_from, collect, stream_of

from .plan import Attempt
from .runtime import Runtime

_log = logging.getLogger(__name__)

_T = TypeVar("_T")

_END: Any = object()

_FAILED = "the provider's predict failed; the trace of this request says how"


class _Sources(TypedDict):
    """What makes an answer's id and time, as `tollway.provider.predictions` takes them."""

    new_id: Callable[[], str]
    now_s: Callable[[], int]


class PredictRunner:
    """Asks one `BaseProvider`."""

    def __init__(self, provider: BaseProvider, runtime: Runtime) -> None:
        self._provider = provider
        self._threads = runtime.threads
        self._sources = _Sources(new_id=runtime.new_id, now_s=runtime.now_s)
        predict = provider.predict
        self._is_async = inspect.iscoroutinefunction(predict) or inspect.isasyncgenfunction(predict)

    async def answer(self, call: Call, attempt: Attempt) -> Answer:
        """See `Runner.answer`."""
        work = _Work(self._threads, attempt)
        prediction = await self._predict(call, work)
        pieces = work.pieces(prediction)
        if pieces is None:
            return answer_from(prediction, call, self._provider.target, **self._sources)
        collected: list[Any] = []
        try:
            while (piece := await pieces.next()) is not _END:
                collected.append(piece)
        finally:
            await pieces.close()
        return collect(collected, call, self._provider.target, **self._sources)

    async def open(self, call: Call, attempt: Attempt) -> PredictEvents | WholeEvents:
        """See `Runner.open`."""
        work = _Work(self._threads, attempt)
        prediction = await self._predict(call, work)
        pieces = work.pieces(prediction)
        if pieces is None:
            answer = answer_from(prediction, call, self._provider.target, **self._sources)
            return WholeEvents(answer, stream_of(answer, call))
        return PredictEvents(pieces, ChunkEncoder(call, self._provider.target, **self._sources))

    async def _predict(self, call: Call, work: _Work) -> Any:
        payload = orjson.loads(call.body)  # its own copy: what it changes, a retry must not see
        if self._is_async:
            prediction: Any = self._provider.predict(payload)
        else:
            prediction = await work.in_thread(self._provider.predict, payload)
        return await work.awaited(prediction) if inspect.isawaitable(prediction) else prediction


class _Work:
    """One prediction's context, and the ways to run something in it; what it raises is translated here."""

    def __init__(self, threads: Executor, attempt: Attempt) -> None:
        self._threads = threads
        self._waited = attempt.waited
        self._otel_context = attempt.context
        self._context = contextvars.copy_context()
        self._context.run(otel_context.attach, attempt.context)

    def submit(self, function: Callable[..., _T], *arguments: Any) -> Future[_T]:
        """Start a function in a thread."""
        return self._threads.submit(self._context.run, _contained, function, *arguments)

    async def in_thread(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Run a function in a thread."""
        return await self.result_of(self.submit(function, *arguments))

    async def result_of(self, future: Future[_T]) -> _T:
        """Wait for a thread."""
        began_s = perf_counter()
        try:
            return await asyncio.wrap_future(future)
        finally:
            self._waited(perf_counter() - began_s)

    async def awaited(self, awaitable: Any) -> Any:
        """Await something of the provider's."""
        token = otel_context.attach(self._otel_context)
        began_s = perf_counter()
        try:
            return await awaitable
        except (ProviderError, asyncio.CancelledError):
            raise
        except Exception as error:
            raise PredictionError(_FAILED) from error
        finally:
            otel_context.detach(token)
            self._waited(perf_counter() - began_s)

    def pieces(self, prediction: Any) -> _ThreadPieces | _AsyncPieces | None:
        """Return what a prediction yields, or None when it is an answer as it stands."""
        if isinstance(prediction, AsyncIterator):
            return _AsyncPieces(prediction, self)
        if isinstance(prediction, Iterator):
            return _ThreadPieces(prediction, self)
        return None


def _contained(function: Callable[..., _T], *arguments: Any) -> _T:
    """Call it; nothing that a thread raises may stop the server, `sys.exit()` included."""
    try:
        return function(*arguments)
    except ProviderError:
        raise
    except BaseException as error:
        raise PredictionError(_FAILED) from error


class _ThreadPieces:
    """A plain iterator, pulled one piece at a time in a thread."""

    def __init__(self, iterator: Iterator[Any], work: _Work) -> None:
        self._iterator = iterator
        self._work = work
        self._pulling: Future[Any] | None = None

    async def next(self) -> Any:
        """Wait for the next piece, or `_END`."""
        self._pulling = self._work.submit(next, self._iterator, _END)
        return await self._work.result_of(self._pulling)

    async def close(self) -> None:
        """Close the iterator, so that a generator's `finally` runs and its span ends.

        A piece may still be in the making when the caller has gone: then closing waits for it, and we do not.
        """
        if self._pulling is not None and not self._pulling.done():
            self._pulling.add_done_callback(self._close_later)
            return
        try:
            await self._work.in_thread(self._close)
        except ProviderError:
            _log.warning("a provider's iterator could not be closed", exc_info=True)

    def _close(self) -> None:
        close = getattr(self._iterator, "close", None)
        if close is not None:
            close()

    def _close_later(self, _: object) -> None:
        try:
            self._work.submit(self._close)
        except RuntimeError:  # the threads are shut down: the iterator goes with the process
            _log.debug("an iterator was left open at shutdown")


class _AsyncPieces:
    """An async iterator."""

    def __init__(self, iterator: AsyncIterator[Any], work: _Work) -> None:
        self._iterator = iterator
        self._work = work

    async def next(self) -> Any:
        """Wait for the next piece, or `_END`."""
        return await self._work.awaited(anext(self._iterator, _END))

    async def close(self) -> None:
        """Close the iterator, so that a generator's `finally` runs and its span ends."""
        close = getattr(self._iterator, "aclose", None)
        if close is None:
            return
        try:
            await self._work.awaited(close())
        except ProviderError:
            _log.warning("a provider's iterator could not be closed", exc_info=True)


class PredictEvents:
    """Pieces, encoded as events one by one; see `Events`."""

    def __init__(self, pieces: _ThreadPieces | _AsyncPieces, encoder: ChunkEncoder) -> None:
        self._pieces = pieces
        self._encoder = encoder
        self._ended = False
        self.info = encoder.info

    async def next(self) -> bytes:
        """See `Events.next`."""
        while not self._ended:
            piece = await self._pieces.next()
            self._ended = piece is _END
            events = self._encoder.end() if self._ended else self._encoder.feed(piece)
            if events:
                return events
        return b""

    async def close(self) -> None:
        """See `Events.close`."""
        await self._pieces.close()


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
