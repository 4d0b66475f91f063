"""`inject` and `extract` for whatever holds headers: mappings in any case, or lists of pairs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    TraceFlags,
    TraceState,
    get_current_span,
    set_span_in_context,
)

from ._install import current
from ._propagator import TRACEPARENT, TRACESTATE
from ._traceparent import KNOWN_FLAGS, parse, write

Headers: TypeAlias = Any
"""A mapping, a headers object of a library, or a list of pairs; names and values are str or bytes."""

_NO_PARENT = Context()

_FLAGS = tuple(f"{flags:02x}" for flags in range(KNOWN_FLAGS + 1))

_MAX_STATE_LINES = 64

_state_lines: dict[int, tuple[TraceState, str]] = {}
"""Headers of tracestates by identity: they never change, and nearly all traces that begin here share two."""


class _ByName(Getter[Mapping[str, list[str]]]):
    """Reads headers that are grouped by their names in lower case."""

    def get(self, carrier: Mapping[str, list[str]], key: str) -> list[str] | None:
        return carrier.get(key.lower())

    def keys(self, carrier: Mapping[str, list[str]]) -> list[str]:
        return list(carrier)


class _InBytes(Getter[list[tuple[bytes, bytes]]]):
    """Reads ASGI's headers, of which only those that are asked for are decoded."""

    def get(self, carrier: list[tuple[bytes, bytes]], key: str) -> list[str] | None:
        wanted = key.lower().encode()
        return [value.decode("latin-1") for name, value in carrier if name.lower() == wanted] or None

    def keys(self, carrier: list[tuple[bytes, bytes]]) -> list[str]:
        return [name.decode("latin-1").lower() for name, _ in carrier]


_BY_NAME = _ByName()
_IN_BYTES = _InBytes()


def extract(carrier: Headers, context: Context | None = None) -> Context:
    """Return what the headers carry: the caller's span and baggage, on top of `context` (default: nothing).

    By OpenTelemetry's global propagators, with W3C Trace Context read strictly.
    """
    context = Context() if context is None else context
    if isinstance(carrier, list) and carrier and isinstance(carrier[0][0], bytes):
        return current().extract(carrier, context, getter=_IN_BYTES)
    by_name: dict[str, list[str]] = {}
    for name, value in _pairs(carrier):
        values = by_name.setdefault(_text(name).lower(), [])
        if isinstance(value, (list, tuple)):
            values.extend(map(_text, value))
        else:
            values.append(_text(value))
    return current().extract(by_name, context, getter=_BY_NAME)


def inject(carrier: Headers, context: Context | None = None) -> None:
    """Set the headers that make the receiver's spans children of the current one, or of that in `context`.

    They replace those of an earlier trace; without a current span nothing is changed. A list gets pairs of
    what it holds, str or bytes (str when empty). Raises TypeError for headers that cannot be changed.
    """
    headers: dict[str, str] = {}
    current().inject(headers, context)
    stale = {name.lower() for name in headers}
    if TRACEPARENT in headers:
        stale.add(TRACESTATE)  # it belongs to the traceparent that is replaced
    if isinstance(carrier, list):
        _write_pairs(carrier, headers, stale)
    elif hasattr(carrier, "__setitem__"):
        _write_mapping(carrier, headers, stale)
    else:
        raise TypeError(f"cannot inject into a {type(carrier).__name__}: it cannot be changed")


def _pairs(carrier: Headers) -> Iterable[tuple[Any, Any]]:
    """Return all pairs, a name as often as it occurs: `items` of httpx join what `multi_items` do not."""
    for method in ("multi_items", "items"):
        items = getattr(carrier, method, None)
        if items is not None:
            return items()  # type: ignore[no-any-return]  # a carrier may be any mapping
    return carrier  # type: ignore[no-any-return]  # as above


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _write_pairs(carrier: list[Any], headers: dict[str, str], stale: set[str]) -> None:
    binary = bool(carrier) and isinstance(carrier[0][0], bytes)
    carrier[:] = [pair for pair in carrier if _text(pair[0]).lower() not in stale]
    for name, value in headers.items():
        carrier.append((name.encode(), value.encode()) if binary else (name, value))


def _write_mapping(carrier: Headers, headers: dict[str, str], stale: set[str]) -> None:
    names = list(carrier)
    binary = bool(names) and isinstance(names[0], bytes)
    for name in names:
        if _text(name).lower() in stale and name in carrier:  # one deletion may take several
            del carrier[name]
    for name, value in headers.items():
        if binary:
            carrier[name.encode()] = value.encode()
        else:
            carrier[name] = value


def extract_trace_context(headers: Iterable[tuple[bytes, bytes]]) -> Context:
    """Return the caller's trace context, and nothing else, from headers as ASGI has them.

    The rules are those of `TraceContextPropagator`, at the price that a busy server can pay.
    """
    parent: bytes | None = None
    states: list[str] = []
    for name, value in headers:
        if name == b"traceparent":
            if parent is not None:
                return _NO_PARENT
            parent = value
        elif name == b"tracestate":
            states.append(value.decode("latin-1"))
    if parent is None:
        return _NO_PARENT
    remote = parse(parent.decode("latin-1"), states)
    return _NO_PARENT if remote is None else set_span_in_context(NonRecordingSpan(remote), _NO_PARENT)


def trace_context_headers(context: Context | None = None) -> tuple[tuple[str, str], ...]:
    """Return the headers of the current span, and no baggage: for whom that is no concern."""
    span = get_current_span(context).get_span_context()
    if not span.is_valid:
        return ()
    state = span.trace_state.to_header()
    return ((TRACEPARENT, write(span)), *(((TRACESTATE, state),) if state else ()))


RawContext: TypeAlias = tuple[int, int, bool, TraceFlags, TraceState, bool]
"""Trace id, span id, is remote, flags, tracestate, is valid: what a `SpanContext` is a tuple of."""


def raw_context(span: Span) -> RawContext:
    """Return the context of a span, of ours without making a `SpanContext` of it."""
    own = getattr(span, "raw_context", None)
    return span.get_span_context() if own is None else own()


def span_context_lines(span: RawContext) -> bytes:
    r"""Return the headers of a span context as HTTP/1.1 writes them, each ended by `\r\n`; none of an invalid
    one.
    """
    trace_id, span_id, _, flags, state, is_valid = span
    if not is_valid:
        return b""
    known = _state_lines.get(id(state))
    state_line = _state_line_of(state) if known is None else known[1]
    trace, parent = trace_id.to_bytes(16, "big").hex(), span_id.to_bytes(8, "big").hex()
    return f"{TRACEPARENT}: 00-{trace}-{parent}-{_FLAGS[flags & KNOWN_FLAGS]}\r\n{state_line}".encode()


def _state_line_of(state: TraceState) -> str:
    """Return the line of a tracestate, and remember it: the spans of one decision share their state."""
    if not state:
        return ""
    if len(_state_lines) >= _MAX_STATE_LINES:
        _state_lines.clear()
    line = f"{TRACESTATE}: {state.to_header()}\r\n"
    _state_lines[id(state)] = state, line  # holding it keeps its id its own
    return line
