"""Generators and coroutines whose work happens later: something is entered for each of their steps."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextvars import Token
from types import TracebackType
from typing import Any, Protocol

from opentelemetry.context import Context

from ._runtime import attach, detach


class Steps(Protocol):
    """What surrounds the steps: entered and left for each of them, and told of values and the end."""

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_back: TracebackType | None
    ) -> None: ...

    def saw(self, value: Any) -> None:
        """Take note of a value that was yielded."""

    def end(self, error: BaseException | None = None) -> None:
        """Take note of the end."""


class ContextSteps:
    """Steps that run in a context of OpenTelemetry's."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._token: Token[Context]

    def __enter__(self) -> None:
        self._token = attach(self._context)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_back: TracebackType | None
    ) -> None:
        detach(self._token)

    def saw(self, value: Any) -> None:
        """Nothing."""

    def end(self, error: BaseException | None = None) -> None:
        """Nothing."""


Begin = Callable[[tuple[Any, ...], dict[str, Any]], Steps]
"""Begins the steps of a call with these arguments."""


def stepping(function: Callable[..., Generator[Any, Any, Any]], begin: Begin) -> Callable[..., Any]:
    """Return a generator function that runs another's generators within steps."""

    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        steps = begin(args, kwargs)
        error: BaseException | None = None
        try:
            generator = function(*args, **kwargs)  # raises where the arguments do not fit
            step, given = generator.send, None
            while True:
                with steps:
                    value = step(given)
                steps.saw(value)
                try:
                    given = yield value
                    step = generator.send
                except GeneratorExit:
                    with steps:
                        generator.close()
                    raise
                except BaseException as thrown:
                    step, given = generator.throw, thrown
        except StopIteration as stop:
            return stop.value
        except BaseException as raised:
            error = raised
            raise
        finally:
            steps.end(error)

    return call


def stepping_async(function: Callable[..., AsyncGenerator[Any, Any]], begin: Begin) -> Callable[..., Any]:
    """Return an async generator function that runs another's generators within steps."""

    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        steps = begin(args, kwargs)
        error: BaseException | None = None
        try:
            generator = function(*args, **kwargs)  # raises where the arguments do not fit
            step, given = generator.asend, None
            while True:
                with steps:
                    value = await step(given)
                steps.saw(value)
                try:
                    given = yield value
                    step = generator.asend
                except GeneratorExit:
                    with steps:
                        await generator.aclose()
                    raise
                except BaseException as thrown:
                    step, given = generator.athrow, thrown
        except StopAsyncIteration:
            return
        except BaseException as raised:
            error = raised
            raise
        finally:
            steps.end(error)

    return call


async def finish(steps: Steps, coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Await a coroutine within steps: it is one."""
    error: BaseException | None = None
    try:
        with steps:
            outputs = await coroutine
        steps.saw(outputs)
        return outputs
    except BaseException as raised:
        error = raised
        raise
    finally:
        steps.end(error)
