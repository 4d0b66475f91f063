"""A trace as a tree of its spans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson
from rich.text import Text
from rich.tree import Tree

from .output import STYLES, duration, safe

if TYPE_CHECKING:
    from tollway.tracing.store import EventView, SpanView, Trace

_VALUE = 200
"""Characters of a value that are shown."""

_STACK_LINES = 7
"""Of a stack, unless all is asked for: the error and the frames that it came from."""

_GUIDES = 40
"""Levels that are indented: deeper ones would leave no room for their names."""


def head(trace: Trace) -> Text:
    """Return the line above the tree: what is known of the trace as a whole."""
    spans = f"{trace.span_count} span{'' if trace.span_count == 1 else 's'}"
    started = trace.start_time.astimezone().isoformat(sep=" ", timespec="milliseconds")
    line = Text.assemble((trace.trace_id, "bold"), f"  {started}  {duration(trace.duration_ms)}  ")
    line.append(trace.status, STYLES[trace.status])
    line.append(f"  {spans}")
    if trace.kept_because:
        line.append(f"  kept because: {trace.kept_because}")
    return line


def tree(trace: Trace, *, attributes: bool) -> Tree:
    """Return the spans below their parents, each with its events; `attributes` adds all that spans carry."""
    from tollway.tracing.readers.analysis import critical_path, self_times_ms

    top = Tree(head(trace))
    path = [top]
    own_ms = self_times_ms(trace)
    critical_ms: dict[str, float] = {}
    for segment in critical_path(trace):
        spent_ms = critical_ms.get(segment.span.span_id, 0.0)
        critical_ms[segment.span.span_id] = spent_ms + segment.duration_ms
    start_ns = trace.summary.start_ns
    several = len({span.service for span in trace.spans}) > 1
    for depth, span in trace.walk():
        level = min(depth, _GUIDES)
        del path[level + 1 :]
        line = _span(span, several=several)
        _add_times(line, span, own_ms[span.span_id], critical_ms.get(span.span_id))
        branch = path[level].add(line)
        path.append(branch)
        for event in span.events:
            branch.add(_event(event, start_ns))
            if stack := _stack(event, whole=attributes):
                branch.add(stack)
        if attributes:
            for line in _details(span):
                branch.add(line)
    return top


def _span(span: SpanView, *, several: bool) -> Text:
    line = safe(span.name, "bold")
    line.append(f"  {duration(span.duration_ms)}", "cyan")
    if span.kind not in ("INTERNAL", "UNSPECIFIED"):
        line.append(f"  {span.kind}", "dim")
    if several and span.service:
        line.append_text(safe(f"  {span.service}", "dim"))
    if span.status != "UNSET":
        line.append(f"  {span.status}", STYLES[span.status])
    if span.status_message:
        line.append_text(safe(f" {span.status_message}", "red"))
    return line


def _add_times(line: Text, span: SpanView, own_ms: float, critical_ms: float | None) -> None:
    """Say how much of a span's time was its own, and how much of it the whole trace waited for."""
    if own_ms < span.duration_ms:
        line.append(f"  self {duration(own_ms)}", "dim")
    if critical_ms is not None:
        line.append(f"  critical {duration(critical_ms)}", "yellow")


def _stack(event: EventView, *, whole: bool) -> Text | None:
    """Return the stack of an exception, in lines as they were; if not `whole` its end."""
    stack = event.attributes.get("exception.stacktrace")
    if not isinstance(stack, str):
        return None
    lines = [line.rstrip() for line in stack.splitlines() if line.strip()]
    if not whole and len(lines) > _STACK_LINES:
        lines = ["… (-a shows all)", *lines[-_STACK_LINES:]]
    return Text("\n").join(safe(line, "dim") for line in lines)


def _event(event: EventView, start_ns: int) -> Text:
    after_ms = (event.time_ns - start_ns) / 1e6
    line = Text.assemble(("• ", "yellow"), safe(event.name, "yellow"), f"  at {duration(max(0.0, after_ms))}")
    told = _brief(event.attributes)
    if told:
        line.append_text(
            safe("  " + ", ".join(f"{key}={_shown(value)}" for key, value in told.items()), "dim")
        )
    return line


def _brief(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what an event says in a line: the stack of an exception has lines of its own."""
    return {key: value for key, value in attributes.items() if key != "exception.stacktrace"}


def _details(span: SpanView) -> Iterator[Text]:
    values: Iterable[tuple[str, Any]] = (("inputs", span.inputs), ("outputs", span.outputs))
    yield from (_pair(key, value) for key, value in values if value is not None)
    for key, value in sorted(span.attributes.items()):
        if key not in ("tollway.inputs", "tollway.outputs"):
            yield _pair(key, value)
    for trace_id, span_id in span.links:
        yield _pair("link", f"{trace_id}/{span_id}")


def _pair(key: str, value: Any) -> Text:
    return Text.assemble(safe(key, "dim"), "  ", safe(_shown(value)))


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return text if len(text) <= _VALUE else f"{text[:_VALUE]}…"
