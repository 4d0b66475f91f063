"""`@trace`: a span for each call of a function, coroutine function, generator or async generator.

A span of a generator starts with its first step and is current during its steps only, so that it never leaks
to who consumes it. It ends once: with the last value, on `close()`, on an exception, or when the generator is
collected.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from typing import Any, TypeVar, cast, overload

from opentelemetry.trace import Span as APISpan
from opentelemetry.trace import SpanKind

from ._runtime import attach, detach, with_current
from ._user import SpanBlock, TracedSpan, kind_and_attributes, note_error, with_words

F = TypeVar("F", bound=Callable[..., Any])

MAX_COLLECTED = 1_000
"""Values of a generator that are kept as its outputs; the rest is counted in `tollway.outputs.omitted`."""

OMITTED = "tollway.outputs.omitted"
"""The attribute that says how many values of a generator were not kept."""


@overload
def trace(function: F, /) -> F: ...
@overload
def trace(
    function: None = None,
    /,
    *,
    name: str | None = None,
    kind: SpanKind | str | None = None,
    attributes: Mapping[str, Any] | None = None,
    capture_inputs: bool = True,
    capture_outputs: bool = True,
    force: bool = False,
    sampling_ratio: float | None = None,
) -> Callable[[F], F]: ...
def trace(
    function: F | None = None,
    /,
    *,
    name: str | None = None,
    kind: SpanKind | str | None = None,
    attributes: Mapping[str, Any] | None = None,
    capture_inputs: bool = True,
    capture_outputs: bool = True,
    force: bool = False,
    sampling_ratio: float | None = None,
) -> F | Callable[[F], F]:
    """Decorate a function: each call is a span with its inputs and outputs; an exception makes it an ERROR.

        @tracing.trace
        def retrieve(query): ...

        @tracing.trace(name="answer", kind="chain", capture_outputs=False)
        async def answer(question): ...

    name: the function's own if not given. Inputs are the arguments by name, without `self` and `cls`; outputs
    are what is returned, of a generator what it yielded (its first thousand values). The rest is as with
    `start_span`.
    """
    if function is None:
        return cast(
            "Callable[[F], F]",
            functools.partial(
                trace,
                name=name,
                kind=kind,
                attributes=attributes,
                capture_inputs=capture_inputs,
                capture_outputs=capture_outputs,
                force=force,
                sampling_ratio=sampling_ratio,
            ),
        )
    if isinstance(function, (classmethod, staticmethod)):
        inner = trace(
            name=name,
            kind=kind,
            attributes=attributes,
            capture_inputs=capture_inputs,
            capture_outputs=capture_outputs,
            force=force,
            sampling_ratio=sampling_ratio,
        )(function.__func__)
        return cast("F", type(function)(inner))
    plan = _Plan(
        function,
        lambda: SpanBlock(
            name or _name_of(function),
            kind_and_attributes(kind, attributes),
            force=force,
            sampling_ratio=sampling_ratio,
        ),
        capture_inputs=capture_inputs,
        capture_outputs=capture_outputs,
    )
    return cast("F", _wrapper_of(function)(function, plan))


def _name_of(function: Callable[..., Any]) -> str:
    name: str = getattr(function, "__qualname__", None) or type(function).__qualname__
    return name.rpartition("<locals>.")[2]


class _Plan:
    """How to trace the calls of one function."""

    def __init__(
        self,
        function: Callable[..., Any],
        block: Callable[[], SpanBlock],
        *,
        capture_inputs: bool,
        capture_outputs: bool,
    ) -> None:
        self.block = block
        self.capture_outputs = capture_outputs
        self._names = _names_of(function) if capture_inputs else None

    def note_inputs(self, span: TracedSpan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Put the arguments on the span, by name."""
        names = self._names
        if names is None or not span.is_recording():
            return
        inputs = dict(zip(names, args, strict=False))
        inputs.pop("", None)
        if len(args) > len(names):
            inputs["args"] = list(args[len(names) :])
        if kwargs:
            inputs.update(kwargs)
        span.set_inputs(inputs)

    def note_outputs(self, span: TracedSpan, outputs: Any) -> None:
        """Put what was returned on the span."""
        if self.capture_outputs and span.is_recording():
            span.set_outputs(outputs)

    def steps(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Steps:
        """Begin a generator's span."""
        steps = _Steps(self, self.block().start())
        self.note_inputs(steps.words, args, kwargs)
        return steps


def _names_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of the positional parameters, "" for `self` and `cls`."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return ()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [parameter.name for parameter in parameters if parameter.kind in positional]
    if names and names[0] in ("self", "cls"):
        names[0] = ""
    return tuple(names)


class _Steps:
    """A generator's span: current during each step, and ended once."""

    def __init__(self, plan: _Plan, span: APISpan) -> None:
        self._plan = plan
        self._span = span
        self._values: list[Any] = []
        self._count = 0
        self.words = with_words(span)

    def __enter__(self) -> None:
        self._token = attach(with_current(self._span))

    def __exit__(self, *_: object) -> None:
        detach(self._token)

    def saw(self, value: Any) -> None:
        """Keep a value for the outputs."""
        self._count += 1
        if self._plan.capture_outputs and len(self._values) < MAX_COLLECTED:
            self._values.append(value)

    def end(self, error: BaseException | None = None) -> None:
        """End the span; only what is an `Exception` makes it an ERROR."""
        if error is not None:
            note_error(self._span, error)
        if self._plan.capture_outputs:
            self._plan.note_outputs(self.words, self._values)
            if self._count > len(self._values):
                self._span.set_attribute(OMITTED, self._count - len(self._values))
        self._span.end()


def _wrap_plain(function: Callable[..., Any], plan: _Plan) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with plan.block() as span:
            plan.note_inputs(span, args, kwargs)
            outputs = function(*args, **kwargs)
            plan.note_outputs(span, outputs)
            return outputs

    return call


def _wrap_coroutine(function: Callable[..., Any], plan: _Plan) -> Callable[..., Any]:
    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        with plan.block() as span:
            plan.note_inputs(span, args, kwargs)
            outputs = await function(*args, **kwargs)
            plan.note_outputs(span, outputs)
            return outputs

    return call


def _wrap_generator(function: Callable[..., Any], plan: _Plan) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        steps = plan.steps(args, kwargs)
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


def _wrap_async_generator(function: Callable[..., Any], plan: _Plan) -> Callable[..., Any]:
    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        steps = plan.steps(args, kwargs)
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


_WRAPPERS: tuple[tuple[Callable[[Any], bool], Callable[..., Callable[..., Any]]], ...] = (
    (inspect.isasyncgenfunction, _wrap_async_generator),
    (inspect.isgeneratorfunction, _wrap_generator),
    (inspect.iscoroutinefunction, _wrap_coroutine),
)
"""Which wrapper goes around which kind of function."""


def _wrapper_of(function: Callable[..., Any]) -> Callable[..., Callable[..., Any]]:
    for fits, wrap in _WRAPPERS:
        if fits(function):
            return wrap
    return _wrap_plain
