"""`traceparent`: https://www.w3.org/TR/trace-context-2/#traceparent-header, read strictly and written."""

from __future__ import annotations

import re
from collections.abc import Collection

from opentelemetry.trace import SpanContext, TraceFlags

from ._tracestate import EMPTY, W3CTraceState

_match = re.compile(r"[ \t]*([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})").match
"""The four fields. What follows is looked at apart: one expression for both would take quadratic time."""

KNOWN_FLAGS = 0x03
"""Sampled and random; the others are nobody's yet, and are set to zero."""

_FLAGS = tuple(TraceFlags(flags) for flags in range(KNOWN_FLAGS + 1))


def parse(traceparent: str, tracestates: Collection[str] = ()) -> SpanContext | None:
    """Return the caller's span context; None restarts the trace.

    Version 00 is exactly four fields, ff is invalid, a later version may add fields, ids are not zero, hex is
    lower case. An invalid `tracestate` is dropped and `traceparent` stays valid.
    """
    match = _match(traceparent)
    if match is None:
        return None
    version, trace_id, span_id, flags = match.groups()
    if version == "ff" or not _may_follow(traceparent[match.end() :], version):
        return None
    context = SpanContext(
        int(trace_id, 16),
        int(span_id, 16),
        is_remote=True,
        trace_flags=_FLAGS[int(flags, 16) & KNOWN_FLAGS],
        trace_state=W3CTraceState.from_header(tracestates) if tracestates else EMPTY,
    )
    return context if context.is_valid else None


def _may_follow(tail: str, version: str) -> bool:
    """Return whether the fields may end so: in white space, or in what only a later version may add.

    A comma is in neither: it joins two headers.
    """
    tail = tail.rstrip(" \t")
    return not tail or (version != "00" and tail[0] == "-" and "," not in tail)


def write(context: SpanContext) -> str:
    """Return the header of a valid span context, in version 00."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & KNOWN_FLAGS:02x}"
