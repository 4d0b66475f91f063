"""MLflow's functions that make spans."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypedDict, TypeVar, Unpack, cast, overload

from opentelemetry import trace as otel
from opentelemetry.trace import Span as APISpan
from opentelemetry.trace import SpanKind

from tollway.tracing import tags as tracing_tags
from tollway.tracing._context import SESSION, USER
from tollway.tracing._user import SpanBlock, user_tracer

from ._calls import traced
from ._last import last_trace_id, note_trace
from ._live import NOTHING, LiveSpan
from ._names import CLIENT_REQUEST_ID, METADATA, PREVIEWS, SPAN_TYPE, TAG
from ._switch import is_enabled
from ._target import ensure_configured

_logger = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])


class TraceArguments(TypedDict, total=False):
    """The arguments of `trace`, as MLflow has them."""

    name: str | None
    span_type: str
    attributes: Mapping[str, Any] | None
    output_reducer: Callable[[list[Any]], Any] | None
    """Makes the outputs of a generator from the values that it yielded."""
    trace_destination: Any
    """Not used: `set_tracking_uri` and `set_experiment` say where traces go."""
    sampling_ratio_override: float | None


@overload
def trace(func: F, /, **arguments: Unpack[TraceArguments]) -> F: ...
@overload
def trace(func: None = None, /, **arguments: Unpack[TraceArguments]) -> Callable[[F], F]: ...
def trace(func: F | None = None, /, **arguments: Unpack[TraceArguments]) -> F | Callable[[F], F]:
    """Decorate a function, method, coroutine function or generator: each call is a span."""
    if func is None:
        return lambda function: trace(function, **arguments)
    if arguments.get("trace_destination") is not None:
        _logger.warning(
            "trace_destination is not used: set_tracking_uri and set_experiment say where traces go"
        )
    kind = arguments.get("span_type") or "UNKNOWN"
    attributes = {SPAN_TYPE: kind, **(arguments.get("attributes") or {})}
    reducer = arguments.get("output_reducer")
    ratio = arguments.get("sampling_ratio_override")
    return cast("F", traced(func, arguments.get("name"), attributes, reducer, ratio, _begin))


def _begin() -> bool:
    """Return whether a call is to be traced; set tracing up where nobody did."""
    if not is_enabled():
        return False
    ensure_configured()
    return True


@contextmanager
def start_span(
    name: str = "span",
    span_type: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    trace_destination: Any = None,
) -> Iterator[LiveSpan]:
    """Start a span, current inside the block."""
    if not _begin():
        yield NOTHING
        return
    block = SpanBlock(name, (SpanKind.INTERNAL, {SPAN_TYPE: span_type or "UNKNOWN"}))
    with block:
        live = LiveSpan(otel.get_current_span(), span_type)
        live.set_attributes(attributes or {})
        note_trace(live.span.get_span_context())
        yield live


def start_span_no_context(  # noqa: PLR0913, PLR0917 - MLflow's signature
    name: str,
    span_type: str = "UNKNOWN",
    parent_span: LiveSpan | None = None,
    inputs: Any = None,
    attributes: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    experiment_id: str | None = None,
    start_time_ns: int | None = None,
    metadata: Mapping[str, str] | None = None,
) -> LiveSpan:
    """Start a span that is current for nobody; end it by `span.end()`."""
    if not _begin():
        return NOTHING
    root = otel.set_span_in_context(otel.INVALID_SPAN if parent_span is None else parent_span.span)
    live = LiveSpan(user_tracer().start_span(name, root, start_time=start_time_ns), span_type)
    live.set_attributes({**(attributes or {}), **_prefixed(TAG, tags), **_prefixed(METADATA, metadata)})
    if inputs is not None:
        live.set_inputs(inputs)
    note_trace(live.span.get_span_context())
    return live


def get_current_active_span() -> LiveSpan | None:
    """Return the span that is current; None where there is none."""
    span = otel.get_current_span()
    return LiveSpan(span) if span.get_span_context().is_valid and is_enabled() else None


def get_active_trace_id() -> str | None:
    """Return the id of the trace that is under way here; None where there is none."""
    span = get_current_active_span()
    return None if span is None else span.trace_id


def get_last_active_trace_id(thread_local: bool = False) -> str | None:
    """Return the id of the trace that was begun last: in this process, or in this context."""
    return last_trace_id(thread_local)


class TraceUpdate(TypedDict, total=False):
    """What `update_current_trace` changes."""

    tags: Mapping[str, Any] | None
    metadata: Mapping[str, Any] | None
    client_request_id: str | None
    request_preview: str | None
    response_preview: str | None
    state: str | None
    session_id: str | None
    user: str | None
    model_id: str | None


def update_current_trace(tags: Mapping[str, Any] | None = None, **update: Unpack[TraceUpdate]) -> None:
    """Say something of the whole trace: it is put on its root, where the root runs in this process."""
    span = otel.get_current_span()
    if not span.is_recording():
        _logger.warning("update_current_trace has no trace here: call it inside of a span")
        return
    root = _root_of(span)
    for key, value in _of_trace({**update, "tags": tags}).items():
        root.set_attribute(key, value)
    if (state := update.get("state")) is not None:
        LiveSpan(root).set_status(state)


def _root_of(span: APISpan) -> APISpan:
    """Return the root of a span's trace in this process, as far as the span's provider knows it."""
    local = getattr(span, "_local", None)
    return getattr(local, "root", None) or span


def _of_trace(update: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        **_prefixed(TAG, update.get("tags")),
        **_prefixed(METADATA, update.get("metadata")),
        **{attribute: update.get(key) for key, attribute in PREVIEWS.items()},
        CLIENT_REQUEST_ID: update.get("client_request_id"),
        SESSION: update.get("session_id"),
        USER: update.get("user"),
    }
    return {key: value for key, value in found.items() if value is not None}


def _prefixed(prefix: str, values: Mapping[str, Any] | None) -> dict[str, str]:
    return {f"{prefix}{key}": str(value) for key, value in (values or {}).items()}


@contextmanager
def context_of(update: Mapping[str, Any]) -> Iterator[None]:
    """Put what is said of a trace on every span that starts inside."""
    with tracing_tags(_of_trace(update)):
        yield
