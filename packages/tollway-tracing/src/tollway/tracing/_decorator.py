"""`@trace`: a span for each call of a function, coroutine function, generator or async generator.

A span of a generator starts with its first step and is current during its steps only, so that it never leaks
to who consumes it. It ends once: with the last value, on `close()`, on an exception, or when the generator is
collected.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Mapping
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, TypedDict, TypeVar, Unpack, cast, overload

from opentelemetry.trace import Span as APISpan
from opentelemetry.trace import SpanKind

from ._runtime import attach, detach, with_current
from ._steps import finish, stepping, stepping_async
from ._user import SpanBlock, TracedSpan, described, note_error, with_words

_logger = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])

MAX_COLLECTED = 1_000
"""Values of a generator that are kept as its outputs; the rest is counted in `tollway.outputs.omitted`."""

OMITTED = "tollway.outputs.omitted"
"""The attribute that says how many values of a generator were not kept."""


class TraceOptions(TypedDict, total=False):
    """The arguments of `trace`."""

    name: str | None
    """Of the span: the function's own if not given."""
    kind: SpanKind | str | None
    """As with `start_span`, like the attributes and the last two."""
    attributes: Mapping[str, Any] | None
    capture_inputs: bool
    """Keep the arguments by name, without `self` and `cls` (True)."""
    capture_outputs: bool
    """Keep what is returned; of a generator what it yielded, its first thousand values (True)."""
    output_reducer: Callable[[list[Any]], Any] | None
    """Makes the outputs of a generator from what it yielded."""
    force: bool
    sampling_ratio: float | None


@overload
def trace(function: F, /, **options: Unpack[TraceOptions]) -> F: ...
@overload
def trace(function: None = None, /, **options: Unpack[TraceOptions]) -> Callable[[F], F]: ...
def trace(function: F | None = None, /, **options: Unpack[TraceOptions]) -> F | Callable[[F], F]:
    """Decorate a function: each call is a span with its inputs and outputs; an exception makes it an ERROR.

        @tracing.trace
        def retrieve(query): ...

        @tracing.trace(name="answer", kind="chain", capture_outputs=False)
        async def answer(question): ...

    Takes what a class body holds as well: methods of any kind, and properties. A function that returns a
    coroutine or a generator is traced until that has ended. What cannot be traced, such as a class, stays as
    it is, with a warning. See `TraceOptions` for the arguments.
    """
    if function is None:
        return cast("Callable[[F], F]", functools.partial(trace, **options))
    return cast("F", decorated(function, lambda inner: Plan(inner, options)))


def decorated(function: Any, plan: Callable[[Any], Plan]) -> Any:
    """Return what `trace` makes of a function, by a plan for it."""
    for kind, rebuild in _DESCRIPTORS:
        if isinstance(function, kind):
            return rebuild(function, lambda inner: decorated(inner, plan))
    if isinstance(function, type) or not callable(function):
        _logger.warning("trace decorates functions and methods: %.100r stays as it is", function)
        return function
    return _wrapper_of(function)(function, plan(function))


Decorate = Callable[[Any], Any]

_DESCRIPTORS: tuple[tuple[type, Callable[[Any, Decorate], Any]], ...] = (
    (classmethod, lambda found, traced: classmethod(traced(found.__func__))),
    (staticmethod, lambda found, traced: staticmethod(traced(found.__func__))),
    (property, lambda found, traced: found if found.fget is None else found.getter(traced(found.fget))),
    (functools.cached_property, lambda found, traced: functools.cached_property(traced(found.func))),
    (
        functools.partialmethod,
        lambda found, traced: functools.partialmethod(traced(found.func), *found.args, **found.keywords),
    ),
)
"""What a class body holds around a function, and how it is made again around another."""


def _name_of(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    name: str = getattr(function, "__qualname__", None) or type(function).__qualname__
    return name.rpartition("<locals>.")[2]


class Plan:
    """How to trace the calls of one function."""

    def __init__(self, function: Callable[..., Any], options: TraceOptions) -> None:
        name = options.get("name") or _name_of(function)
        self._name, self._rest = described(name, options.get("kind"), options.get("attributes"))
        self._force = options.get("force", False)
        self._ratio = options.get("sampling_ratio")
        self.capture_outputs = options.get("capture_outputs", True)
        self._reduce = options.get("output_reducer")
        self._names = _names_of(function) if options.get("capture_inputs", True) else None

    def block(self) -> SpanBlock:
        """Return the block of a call's span."""
        return SpanBlock(self._name, self._rest, force=self._force, sampling_ratio=self._ratio)

    def note_inputs(self, span: TracedSpan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Put the arguments on the span, by name."""
        names = self._names
        if names is None or not span.is_recording():
            return
        inputs = dict(zip(names, args, strict=False))
        inputs.pop("", None)
        if len(args) > len(names):
            inputs["*args" if "args" in kwargs else "args"] = list(args[len(names) :])
        if kwargs:
            if inputs.keys().isdisjoint(kwargs):
                inputs.update(kwargs)
            else:  # of `def f(question, /, **rest)` both may be named so
                inputs["**kwargs"] = kwargs
        span.set_inputs(inputs)

    def note_outputs(self, span: TracedSpan, outputs: Any) -> None:
        """Put what was returned on the span."""
        if self.capture_outputs and span.is_recording():
            span.set_outputs(outputs)

    def note_values(self, span: TracedSpan, values: list[Any]) -> None:
        """Put what a generator yielded on the span."""
        outputs: Any = values
        if self._reduce is not None and span.is_recording():
            try:
                outputs = self._reduce(values)
            except Exception:
                _logger.exception(
                    "the output_reducer of %s raised: its values are kept as they are", self._name
                )
        self.note_outputs(span, outputs)

    def steps(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _ManySteps:
        """Begin a generator's span."""
        steps = _ManySteps(self, self.block().start())
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


class _OneStep:
    """The span of a coroutine: current while that runs, and ended with it."""

    def __init__(self, plan: Plan, span: APISpan) -> None:
        self._plan = plan
        self._span = span
        self.words = with_words(span)

    def __enter__(self) -> None:
        self._token = attach(with_current(self._span))

    def __exit__(self, *_: object) -> None:
        detach(self._token)

    def saw(self, value: Any) -> None:
        """Keep what was returned."""
        self._plan.note_outputs(self.words, value)

    def end(self, error: BaseException | None = None) -> None:
        """End the span; only what is an `Exception` makes it an ERROR."""
        if error is not None:
            note_error(self._span, error)
        self._span.end()


class _ManySteps(_OneStep):
    """A generator's span: current during each step, and ended once."""

    def __init__(self, plan: Plan, span: APISpan) -> None:
        super().__init__(plan, span)
        self._values: list[Any] = []
        self._count = 0

    def saw(self, value: Any) -> None:
        """Keep a value for the outputs."""
        self._count += 1
        if self._plan.capture_outputs and len(self._values) < MAX_COLLECTED:
            self._values.append(value)

    def end(self, error: BaseException | None = None) -> None:
        """Put the values on the span, and end it."""
        if self._plan.capture_outputs:
            self._plan.note_values(self.words, self._values)
            if self._count > len(self._values):
                self._span.set_attribute(OMITTED, self._count - len(self._values))
        super().end(error)


_LATER: dict[type, Callable[[Plan, APISpan, Any], Any]] = {
    CoroutineType: lambda plan, span, found: finish(_OneStep(plan, span), found),
    GeneratorType: lambda plan, span, found: stepping(lambda: found, lambda *_: _ManySteps(plan, span))(),
    AsyncGeneratorType: lambda plan, span, found: stepping_async(
        lambda: found, lambda *_: _ManySteps(plan, span)
    )(),
}
"""What a plain function may return whose work is yet to come."""


def _wrap_plain(function: Callable[..., Any], plan: Plan) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        block = plan.block()
        with block as span:
            plan.note_inputs(span, args, kwargs)
            outputs = function(*args, **kwargs)
            if (goes_on := _LATER.get(type(outputs))) is not None:
                return goes_on(plan, block.release(), outputs)
            plan.note_outputs(span, outputs)
            return outputs

    return call


def _wrap_coroutine(function: Callable[..., Any], plan: Plan) -> Callable[..., Any]:
    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        with plan.block() as span:
            plan.note_inputs(span, args, kwargs)
            outputs = await function(*args, **kwargs)
            plan.note_outputs(span, outputs)
            return outputs

    return call


def _wrap_generator(function: Callable[..., Any], plan: Plan) -> Callable[..., Any]:
    return functools.wraps(function)(stepping(function, plan.steps))


def _wrap_async_generator(function: Callable[..., Any], plan: Plan) -> Callable[..., Any]:
    return functools.wraps(function)(stepping_async(function, plan.steps))


_WRAPPERS: tuple[tuple[Callable[[Any], bool], Callable[..., Callable[..., Any]]], ...] = (
    (inspect.isasyncgenfunction, _wrap_async_generator),
    (inspect.isgeneratorfunction, _wrap_generator),
    (inspect.iscoroutinefunction, _wrap_coroutine),
)
"""Which wrapper goes around which kind of function."""


def _wrapper_of(function: Callable[..., Any]) -> Callable[..., Callable[..., Any]]:
    is_object = not (inspect.isroutine(function) or isinstance(function, functools.partial))
    called = type(function).__call__ if is_object else function
    for fits, wrap in _WRAPPERS:
        if fits(called):
            return wrap
    return _wrap_plain
