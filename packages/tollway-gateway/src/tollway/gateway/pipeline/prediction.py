"""One call of a `predict`: its place among those that run, its context, its threads and tasks.

What runs in a thread cannot be interrupted, and a coroutine may ignore its cancellation. Both are left behind
when nobody waits for them any more, and keep their place until they end.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

from opentelemetry import context as otel_context

from tollway.gateway.guard.calls import Slot
from tollway.gateway.guard.threads import DaemonThreads
from tollway.gateway.telemetry.propagation import context_of
from tollway.provider import PredictionError, ProviderError

from .endpoint import Attempt

_log = logging.getLogger(__name__)

_T = TypeVar("_T")

END: Any = object()
"""What comes after the last piece."""

FAILED = "the provider's predict failed; the trace of this request says how"

_CLEAN_UP_S = 0.5
"""How long a request waits for the `finally` of a `predict` that it has done with."""


class Prediction:
    """One call, and the ways to run something in it; what that raises is translated here."""

    def __init__(self, slot: Slot, threads: DaemonThreads, attempt: Attempt) -> None:
        self._slot = slot
        self._threads = threads
        self._loop = asyncio.get_running_loop()
        self._waited = attempt.waited
        self._context = contextvars.copy_context()
        self._context.run(otel_context.attach, context_of(attempt.span))

    def end(self) -> None:
        """Free its place, once what still runs has ended."""
        self._slot.leave()

    def submit(self, function: Callable[..., _T], *arguments: Any) -> Future[_T]:
        """Start a function in a thread."""
        return self._threads.submit(self._context.run, _contained, function, *arguments)

    async def in_thread(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Run a function in a thread."""
        return await self.result_of(self.submit(function, *arguments))

    async def result_of(self, future: Future[_T]) -> _T:
        """Wait for a thread; if nobody waits any more, it keeps its place until it ends."""
        try:
            return await self.waited_for(asyncio.wrap_future(future))
        except asyncio.CancelledError:
            self.when_done(future, self._slot.leave)
            raise

    def when_done(self, future: Future[Any], call: Callable[[], None]) -> None:
        """Keep the place until a thread ends, and have `call`, which frees it, called in the event loop."""
        self._slot.hold()
        future.add_done_callback(partial(_call_in, self._loop, call))

    def close_when_done(self, future: Future[Any], close: Callable[[], None]) -> None:
        """Run `close` in a thread when another thread has ended, and keep the place until then."""

        def begin() -> None:
            self.when_done(self.submit(close), self._slot.leave)
            self._slot.leave()

        self.when_done(future, begin)

    def start(self, coroutine: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Start a coroutine in a task of its own."""
        return self._loop.create_task(coroutine, context=self._context)

    async def in_task(self, awaitable: Awaitable[_T]) -> _T:
        """Await something of the provider's; if nobody waits any more, cancel it, and wait only a moment."""
        task = self.start(_contained_later(awaitable))
        try:
            await self.waited_for(asyncio.wait((task,)))
        except asyncio.CancelledError:
            task.cancel()
            await self.leave_behind(task)
            raise
        if task.cancelled():  # by itself: its caller is still there
            raise PredictionError(FAILED)
        return task.result()

    async def waited_for(self, awaitable: Awaitable[_T]) -> _T:
        """Await something, and count the time as a wait for the model."""
        began_s = perf_counter()
        try:
            return await awaitable
        finally:
            self._waited(perf_counter() - began_s)

    async def leave_behind(self, task: asyncio.Task[Any]) -> None:
        """Wait a moment for a task's end; it keeps its place if it takes longer."""
        try:
            await asyncio.wait((task,), timeout=_CLEAN_UP_S)
        finally:
            self._slot.hold()
            _abandoned.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        _abandoned.discard(task)
        self._slot.leave()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.debug("a predict failed after its caller was gone", exc_info=error)


_abandoned: set[asyncio.Task[Any]] = set()
"""Tasks that nobody waits for: the event loop itself holds them only weakly."""


def is_async(predict: object) -> bool:
    """Say whether a `predict` runs in the event loop."""
    return inspect.iscoroutinefunction(predict) or inspect.isasyncgenfunction(predict)


def pieces_of(prediction: Prediction, value: Any) -> ThreadPieces | TaskPieces | None:
    """Return what a `predict` yields, or None when what it gave is an answer as it stands."""
    if isinstance(value, AsyncIterator):
        return TaskPieces(value, prediction)
    if isinstance(value, Iterator):
        return ThreadPieces(value, prediction)
    return None


class ThreadPieces:
    """A plain iterator, pulled one piece at a time in a thread."""

    def __init__(self, iterator: Iterator[Any], prediction: Prediction) -> None:
        self._iterator = iterator
        self._prediction = prediction
        self._pulling: Future[Any] | None = None

    async def next(self) -> Any:
        """Wait for the next piece, or `END`."""
        self._pulling = self._prediction.submit(next, self._iterator, END)
        return await self._prediction.result_of(self._pulling)

    async def close(self) -> None:
        """Close the iterator, so that a generator's `finally` runs and its span ends.

        A piece may still be in the making when the caller has gone: then closing waits for it, and we do not.
        """
        if self._pulling is not None and not self._pulling.done():
            self._prediction.close_when_done(self._pulling, self._close)
            return
        try:
            async with asyncio.timeout(_CLEAN_UP_S):
                await self._prediction.in_thread(self._close)
        except TimeoutError:
            _log.debug("a provider's iterator takes long to close")
        except ProviderError:
            _log.warning("a provider's iterator could not be closed", exc_info=True)

    def _close(self) -> None:
        close = getattr(self._iterator, "close", None)
        if close is not None:
            close()


class TaskPieces:
    """An async iterator, pulled by one task from its first piece to its close."""

    def __init__(self, iterator: AsyncIterator[Any], prediction: Prediction) -> None:
        self._iterator = iterator
        self._prediction = prediction
        self._asked: asyncio.Queue[asyncio.Future[Any] | None] = asyncio.Queue()
        self._is_pulling = False
        self._task = prediction.start(self._pull())

    async def next(self) -> Any:
        """Wait for the next piece, or `END`."""
        piece = asyncio.get_running_loop().create_future()
        self._asked.put_nowait(piece)
        return await self._prediction.waited_for(piece)

    async def close(self) -> None:
        """Close the iterator, so that a generator's `finally` runs and its span ends."""
        if self._is_pulling:
            self._task.cancel()
        self._asked.put_nowait(None)
        await self._prediction.leave_behind(self._task)

    async def _pull(self) -> None:
        try:
            while (piece := await self._asked.get()) is not None:
                self._is_pulling = True
                await self._pull_one(piece)
                self._is_pulling = False
        finally:
            await self._close()

    async def _pull_one(self, piece: asyncio.Future[Any]) -> None:
        try:
            value = await _contained_later(anext(self._iterator, END))
        except ProviderError as error:
            if not piece.done():
                piece.set_exception(error)
        except asyncio.CancelledError:
            if not piece.done():  # by itself: its caller is still there
                piece.set_exception(PredictionError(FAILED))
            raise
        else:
            if not piece.done():
                piece.set_result(value)

    async def _close(self) -> None:
        close = getattr(self._iterator, "aclose", None)
        if close is None:
            return
        try:
            await _contained_later(close())
        except ProviderError:
            _log.warning("a provider's iterator could not be closed", exc_info=True)


def _contained(function: Callable[..., _T], *arguments: Any) -> _T:
    """Call it; nothing that a thread raises may stop the server, `sys.exit()` included."""
    try:
        return function(*arguments)
    except ProviderError:
        raise
    except BaseException as error:
        raise PredictionError(FAILED) from error


async def _contained_later(awaitable: Awaitable[_T]) -> _T:
    """Await it; nothing that a task raises may stop the server, `sys.exit()` included."""
    try:
        return await awaitable
    except (ProviderError, asyncio.CancelledError):
        raise
    except BaseException as error:
        raise PredictionError(FAILED) from error


def _call_in(loop: asyncio.AbstractEventLoop, call: Callable[[], None], _: object) -> None:
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:  # the loop is closed: the process ends
        _log.debug("a predict ended after the server")
