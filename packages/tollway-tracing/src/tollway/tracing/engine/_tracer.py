"""The tracer: the core's, as the API and the SDK know it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from contextvars import Token
from types import TracebackType
from typing import Any, TypeVar, cast

from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind
from opentelemetry.trace import Span as APISpan

from tollway.tracing._private.sdk import SDKTracer, parts_of
from tollway.tracing._runtime import SPAN_KEY, attach, detach, get_current

from ._ids import RandomIds
from ._span import Span
from .engine_core import Engine
from .tracer_core import TracerCore

F = TypeVar("F", bound=Callable[..., Any])


class Tracer(TracerCore, SDKTracer):
    """Makes spans of one instrumentation scope."""

    def bind(self, engine: Engine) -> None:
        """Tie it to its provider's engine; called by the provider, again for each new setup."""
        self.engine = engine
        self.span_type = Span
        self.scope, self.metrics, self.is_enabled, limits = parts_of(self)
        self.limits = limits
        self.max_attributes = _or_endless(limits.max_span_attributes)
        self.max_events = _or_endless(limits.max_events)
        self.max_links = _or_endless(limits.max_links)
        self.cuts_values = not (limits.max_span_attribute_length is limits.max_attribute_length is None)
        ids = self.id_generator
        self.has_random_ids = ids.is_trace_id_random()
        self.new_span_id = self.span_bits = ids.generate_span_id
        self.new_trace_id = self.trace_bits = ids.generate_trace_id
        if type(ids) is RandomIds:
            self.span_bits, self.trace_bits = ids.span_bits, ids.trace_bits

    def configured(self, is_enabled: bool) -> None:
        """Take note of whether it is to make spans that record."""
        self.is_enabled = is_enabled

    def start_as_current_span(  # type: ignore[override]  # noqa: PLR0913, PLR0917 - the API's signature, without its generator
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = (),
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> CurrentSpan:
        """Return a context manager, and a decorator of plain and async functions; see OpenTelemetry's API."""
        return CurrentSpan(
            self,
            (name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception),
            end_on_exit,
        )


class CurrentSpan:
    """Starts a span on entry and makes it current; ends it on exit. Also decorates functions."""

    __slots__ = ("_arguments", "_end_on_exit", "_span", "_token", "_tracer")

    def __init__(self, tracer: Tracer, arguments: tuple[Any, ...], end_on_exit: bool) -> None:
        self._tracer = tracer
        self._arguments = arguments
        self._end_on_exit = end_on_exit
        self._span: APISpan
        self._token: Token[Context]

    def __enter__(self) -> APISpan:
        self._span = span = self._tracer.start_span(*self._arguments)
        self._token = attach(Context(get_current(), **{SPAN_KEY: span}))  # `with_current`, a call less
        return span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_back: TracebackType | None
    ) -> None:
        detach(self._token)
        span = self._span
        if error is not None and isinstance(error, Exception) and type(span) is Span and span.is_recording():
            _, _, _, _, _, _, record, set_status = self._arguments
            span.note_exception(error, record=record, set_status=set_status)
        if self._end_on_exit:
            span.end()

    def __call__(self, function: F) -> F:
        """Decorate: each call is a span of its own."""
        tracer, arguments, end_on_exit = self._tracer, self._arguments, self._end_on_exit
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run(*args: Any, **kwargs: Any) -> Any:
                with CurrentSpan(tracer, arguments, end_on_exit):
                    return await function(*args, **kwargs)

            return cast("F", run)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with CurrentSpan(tracer, arguments, end_on_exit):
                return function(*args, **kwargs)

        return cast("F", call)


def _or_endless(limit: int | None) -> float:
    return float("inf") if limit is None else limit
