"""Agents, the tools they ran and the models they asked, as a graph of who called whom."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tollway.tracing.readers import SpanView, Trace

from .facts import model_of

_KINDS = {
    **dict.fromkeys(("invoke_agent", "create_agent", "agent", "workflow"), "agent"),
    **dict.fromkeys(("execute_tool", "tool"), "tool"),
    **dict.fromkeys(("chat", "generate_content", "text_completion", "llm", "chat_model"), "model"),
}
"""By `gen_ai.operation.name`, or by the kind that MLflow, OpenInference and `@trace` give."""

_NAMES = {"agent": "gen_ai.agent.name", "tool": "gen_ai.tool.name"}


def agents_of(trace: Trace) -> dict[str, Any] | None:
    """Return the graph; None for a trace without agents and tools."""
    nodes: dict[tuple[str, str], dict[str, Any]] = {}
    edges: Counter[tuple[tuple[str, str], tuple[str, str]]] = Counter()
    callers: list[tuple[str, str] | None] = []
    for depth, span in trace.walk():
        del callers[depth:]
        caller = callers[-1] if callers else None
        key = _key(span)
        if key is not None:
            node = nodes.setdefault(
                key, {"name": key[1], "kind": key[0], "calls": 0, "errors": 0, "duration_ms": 0.0}
            )
            node["calls"] += 1
            node["errors"] += span.status == "ERROR"
            node["duration_ms"] += span.duration_ms
            if caller is not None:
                edges[caller, key] += 1
        callers.append(key or caller)
    if not any(kind != "model" for kind, _ in nodes):
        return None
    index = {key: at for at, key in enumerate(nodes)}
    listed = [
        {"from": index[one], "to": index[other], "calls": count} for (one, other), count in edges.items()
    ]
    return {"nodes": list(nodes.values()), "edges": listed}


def _key(span: SpanView) -> tuple[str, str] | None:
    """Return kind and name of what a span is a call of; None where it is none."""
    attributes = span.attributes
    word = attributes.get("gen_ai.operation.name") or attributes.get("openinference.span.kind") or span.type
    kind = _KINDS.get(str(word).lower())
    if kind is None:
        return None
    if kind == "model":
        return kind, model_of(attributes) or span.name
    return kind, str(attributes.get(_NAMES[kind]) or attributes.get("tool.name") or span.name)
