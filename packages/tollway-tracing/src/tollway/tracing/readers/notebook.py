"""A trace as a notebook shows it: a waterfall in HTML, without a script, that loads nothing."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from .views import SpanView, Trace

MAX_SPANS = 300
"""Rows that are drawn; a notebook keeps each of them in its file."""

_VALUE = 2_000
"""Characters of a value that are shown."""

_ROW = "display:grid;grid-template-columns:minmax(12em,34%) 1fr 6em;gap:.8em;align-items:center;padding:1px 0"
_BAR = "position:absolute;top:3px;bottom:3px;border-radius:2px;min-width:2px"
_CRITICAL = "#c2410c"
_USUAL = "#5b8def"
_FAILED = "#d03535"


def duration_text(ms: float) -> str:
    """Return a duration as people read it."""
    for limit, unit_ms, unit in ((1, 0.001, "µs"), (1000, 1, "ms"), (60_000, 1000, "s")):
        if ms < limit:
            return f"{ms / unit_ms:.3g} {unit}" if ms < 999.5 * unit_ms else f"{ms / unit_ms:.0f} {unit}"
    return f"{ms / 60_000:.1f} min"


def line_of(trace: Trace) -> str:
    """Return a trace in one line."""
    name = " ".join((trace.root_name or "?").split())
    kept = f", kept: {trace.kept_because}" if trace.kept_because else ""
    spans = "1 span" if trace.span_count == 1 else f"{trace.span_count} spans"
    facts = f"{duration_text(trace.duration_ms)}, {trace.status}, {spans}{kept}"
    return f"<Trace {trace.trace_id} {name!r}: {facts}>"


def html_of(trace: Trace) -> str:
    """Return the waterfall: a row for each span, its inputs, outputs and attributes folded below it."""
    from .analysis import critical_path

    critical = {segment.span.span_id for segment in critical_path(trace)}
    rows = []
    for count, (depth, span) in enumerate(trace.walk()):
        if count == MAX_SPANS:
            rows.append(f"<div>… and {trace.span_count - MAX_SPANS} more spans</div>")
            break
        rows.append(_row(trace, span, depth, is_critical=span.span_id in critical))
    head = escape(line_of(trace)[1:-1])
    return (
        '<div style="font:13px system-ui,sans-serif;font-variant-numeric:tabular-nums">'
        f'<div style="font-weight:600;padding:4px 0">{head}</div>{"".join(rows)}'
        f'<div style="opacity:.7;padding:4px 0"><span style="color:{_CRITICAL}">■</span> on the critical '
        f'path <span style="color:{_FAILED}">■</span> failed</div></div>'
    )


def _row(trace: Trace, span: SpanView, depth: int, *, is_critical: bool) -> str:
    whole_ns = max(1, trace.summary.duration_ns)
    left = 100 * (span.start_ns - trace.summary.start_ns) / whole_ns
    width = 100 * max(0, span.end_ns - span.start_ns) / whole_ns
    colour = _FAILED if span.status == "ERROR" else _CRITICAL if is_critical else _USUAL
    name = (
        f'<span style="padding-left:{min(depth, 40):d}em;overflow-wrap:anywhere">{escape(span.name)}</span>'
    )
    bar = (
        '<span style="position:relative;height:1.4em;background:rgba(128,128,128,.12)">'
        f'<span style="{_BAR};left:{left:.3f}%;width:{width:.3f}%;background:{colour}"></span></span>'
    )
    took = f'<span style="text-align:right">{escape(duration_text(span.duration_ms))}</span>'
    details = "".join(_details(span))
    return (
        f'<details><summary style="{_ROW};cursor:pointer">{name}{bar}{took}</summary>'
        f'<table style="margin:2px 0 8px {min(depth, 40) + 1:d}em">{details}</table></details>'
    )


def _details(span: SpanView) -> Iterator[str]:
    facts: list[tuple[str, Any]] = [("inputs", span.inputs), ("outputs", span.outputs)]
    facts.append(("error", span.status_message or None))
    hidden = ("tollway.inputs", "tollway.outputs", "mlflow.spanInputs", "mlflow.spanOutputs")
    facts += [(key, value) for key, value in sorted(span.attributes.items()) if key not in hidden]
    for event in span.events:
        facts.append((event.name, event.attributes.get("exception.stacktrace") or dict(event.attributes)))
    for key, value in facts:
        if value is not None:
            text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
            shown = escape(text[:_VALUE]) + ("…" if len(text) > _VALUE else "")
            yield (
                f'<tr><td style="opacity:.7;vertical-align:top;text-align:left">{escape(key)}</td>'
                f'<td style="text-align:left;white-space:pre-wrap;overflow-wrap:anywhere">{shown}</td></tr>'
            )
