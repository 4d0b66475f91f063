"""What `trace` makes of a function: Tollway's own decorator, switched by the call."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from tollway.tracing import TracedSpan
from tollway.tracing._decorator import Plan, TraceOptions, decorated

from ._last import note_trace

Begin = Callable[[], bool]
Reducer = Callable[[list[Any]], Any]


class _NotingPlan(Plan):
    """A plan that takes note of the trace which a call is part of."""

    def note_inputs(self, span: TracedSpan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        note_trace(span.get_span_context())
        super().note_inputs(span, args, kwargs)


def traced(
    function: Any,
    name: str | None,
    attributes: Mapping[str, Any],
    reducer: Reducer | None,
    ratio: float | None,
    begin: Begin,
) -> Any:
    """Return a function whose calls are traced where `begin` says so."""
    if isinstance(function, (classmethod, staticmethod)):
        inner = traced(function.__func__, name, attributes, reducer, ratio, begin)
        return type(function)(inner)
    options: TraceOptions = {
        "name": name or getattr(function, "__name__", None),
        "attributes": attributes,
        "sampling_ratio": ratio,
        "output_reducer": reducer,
    }
    inside = decorated(function, lambda inner: _NotingPlan(inner, options))
    if not callable(inside) or inside is function:
        return inside
    return _switched(function, inside, begin)


def _switched(function: Any, inside: Any, begin: Begin) -> Any:
    if inspect.iscoroutinefunction(inside):

        @functools.wraps(inside)
        async def call(*args: Any, **kwargs: Any) -> Any:
            return await (inside if begin() else function)(*args, **kwargs)

    elif inspect.isasyncgenfunction(inside):

        @functools.wraps(inside)
        async def call(*args: Any, **kwargs: Any) -> Any:
            async for value in (inside if begin() else function)(*args, **kwargs):
                yield value

    elif inspect.isgeneratorfunction(inside):

        @functools.wraps(inside)
        def call(*args: Any, **kwargs: Any) -> Any:
            return (yield from (inside if begin() else function)(*args, **kwargs))

    else:

        @functools.wraps(inside)
        def call(*args: Any, **kwargs: Any) -> Any:
            return (inside if begin() else function)(*args, **kwargs)

    return call
