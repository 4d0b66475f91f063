"""What many traces amount to: the map of services, the flame graph, sessions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from tollway.tracing.readers import SpanView, Trace
from tollway.tracing.readers.analysis import percentile, self_times_ms

from .conversation import Message, conversation_of
from .facts import facts_of, model_of, row_of
from .reasons import rate_of

MAX_SPANS = 100_000
"""Spans that one answer may read."""


def limited(traces: Iterable[Trace]) -> list[Trace]:
    """Return the first traces that have at most `MAX_SPANS` spans together."""
    found, spans = [], 0
    for trace in traces:
        spans += trace.span_count
        if spans > MAX_SPANS:
            break
        found.append(trace)
    return found


@dataclass(slots=True)
class _Calls:
    """Calls to a service or a model, each with how many it stands for."""

    kind: str = "service"
    durations_ms: list[float] = field(default_factory=list)
    weight: float = 0.0
    failed: float = 0.0

    def add(self, span: SpanView, weight: float) -> None:
        """Count a call."""
        self.durations_ms.append(span.duration_ms)
        self.weight += weight
        self.failed += weight if span.status == "ERROR" else 0.0

    def shown(self) -> dict[str, Any]:
        """Return calls, errors and the 95th percentile."""
        return {
            "calls": self.weight,
            "errors": self.failed,
            "p95_ms": percentile(sorted(self.durations_ms), 95),
        }


def services_of(traces: Iterable[Trace], window_s: float) -> dict[str, Any]:
    """Return who called whom: services, and the models that they asked; numbers are scaled by sampling."""
    nodes: dict[str, _Calls] = {}
    edges: dict[tuple[str, str], _Calls] = {}
    for trace in traces:
        weight = _weight(trace)
        by_id = {span.span_id: span for span in trace.spans}
        for span in trace.spans:
            parent = by_id.get(span.parent_id or "")
            name, above = span.service or "unknown", None if parent is None else parent.service or "unknown"
            if above != name:
                nodes.setdefault(name, _Calls()).add(span, weight)
                if above is not None:
                    edges.setdefault((above, name), _Calls()).add(span, weight)
            if span.kind == "CLIENT" and (model := model_of(span.attributes)):
                nodes.setdefault(model, _Calls("model")).add(span, weight)
                edges.setdefault((name, model), _Calls("model")).add(span, weight)
    return {
        "nodes": [
            {"name": name, "kind": one.kind, "rate": one.weight / window_s, **one.shown()}
            for name, one in nodes.items()
        ],
        "edges": [{"from": a, "to": b, **one.shown()} for (a, b), one in edges.items()],
    }


def _weight(trace: Trace) -> float:
    rate = rate_of(trace) if trace.kept_because == "ratio" else None
    return 1 / rate if rate else 1.0


@dataclass(slots=True)
class _Frame:
    name: str
    self_ms: float = 0.0
    count: int = 0
    children: dict[str, _Frame] = field(default_factory=dict)

    def below(self, name: str) -> _Frame:
        """Return the frame of a child's name."""
        return self.children.setdefault(name, _Frame(name))


def flame_of(traces: Iterable[Trace]) -> dict[str, Any]:
    """Return spans merged by their path; a frame is as wide as its own time and that of those below."""
    top = _Frame("all")
    for trace in traces:
        own_ms = self_times_ms(trace)
        path = [top]
        top.count += 1
        for depth, span in trace.walk():
            del path[depth + 1 :]
            frame = path[depth].below(span.name)
            frame.count += 1
            frame.self_ms += own_ms[span.span_id]
            path.append(frame)
    return _widths(top)


def _widths(top: _Frame) -> dict[str, Any]:
    """Return the frames as objects; by a stack, for agents' traces can be deeper than Python's."""
    order, pending = [], [top]
    while pending:
        frame = pending.pop()
        order.append(frame)
        pending += frame.children.values()
    made: dict[int, dict[str, Any]] = {}
    for frame in reversed(order):
        children = sorted(
            (made[id(one)] for one in frame.children.values()), key=lambda one: -one["value_ms"]
        )
        made[id(frame)] = {
            "name": frame.name,
            "value_ms": frame.self_ms + sum(one["value_ms"] for one in children),
            "self_ms": frame.self_ms,
            "count": frame.count,
            "children": children,
        }
    return made[id(top)]


def sessions_of(traces: Iterable[Trace]) -> list[dict[str, Any]]:
    """Return the sessions of traces, in the order in which they are first met, each with its totals."""
    by_session: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for trace in traces:
        row = row_of(trace)
        if row["session"] is not None:
            by_session[row["session"]].append(row)
    return [_session_row(name, _totals(rows)) for name, rows in by_session.items()]


def _session_row(name: str, totals: dict[str, Any]) -> dict[str, Any]:
    """Return a session as a row of a list has it, as traces have: with tokens by their way."""
    tokens = {f"{way}_tokens": count for way, count in totals.pop("tokens").items()}
    return {"session": name, **totals, **tokens, "start_ms": totals["last_ms"]}


def session_of(name: str, traces: Iterable[Trace]) -> dict[str, Any]:
    """Return one session as a thread: of each trace what was said in it for the first time."""
    seen: set[bytes] = set()
    rows = [{**row_of(trace), **facts_of(trace.spans), "messages": _new(trace, seen)} for trace in traces]
    return {"session": name, "totals": _totals(rows), "traces": rows}


def _new(trace: Trace, seen: set[bytes]) -> list[Message]:
    found = []
    for _, span in trace.walk():
        for message in (conversation_of(span) or {"messages": []})["messages"]:
            key = orjson.dumps([message["role"], message["parts"]], default=str)
            if key not in seen:
                seen.add(key)
                found.append({**message, "span": span.span_id})
    return found


def _totals(rows: list[dict[str, Any]]) -> dict[str, Any]:
    def total(key: str) -> Any:
        known = [row[key] for row in rows if row[key] is not None]
        return sum(known) if known else None

    return {
        "traces": len(rows),
        "errors": sum(row["status"] == "ERROR" for row in rows),
        "duration_ms": total("duration_ms"),
        "tokens": {"input": total("input_tokens"), "output": total("output_tokens")},
        "cost_usd": total("cost_usd"),
        "first_ms": min(row["start_ms"] for row in rows) if rows else None,
        "last_ms": max(row["start_ms"] for row in rows) if rows else None,
    }
