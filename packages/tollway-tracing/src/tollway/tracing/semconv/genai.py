"""The GenAI conventions v0.1.0: kinds of work as operations, and names that were renamed.

https://github.com/open-telemetry/semantic-conventions-genai. Status: development.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from opentelemetry.trace import SpanKind

SCHEMA_URL = "https://opentelemetry.io/schemas/gen-ai/0.1.0"
"""Of scopes whose spans follow these conventions."""

OPERATION = "gen_ai.operation.name"
REQUEST_MODEL = "gen_ai.request.model"


class Operation(NamedTuple):
    """How the conventions have one kind of work."""

    name: str
    """`gen_ai.operation.name`, and what the span's name begins with."""
    kind: SpanKind
    named_by: str | None = None
    """The attribute that holds what the operation is of: a tool, an agent, a model."""
    is_given: bool = True
    """Whether the name that the caller gives the span is that attribute's value, where it has none."""


_CHAT = Operation("chat", SpanKind.CLIENT, REQUEST_MODEL, is_given=False)
_TOOL = Operation("execute_tool", SpanKind.INTERNAL, "gen_ai.tool.name")
_AGENT = Operation("invoke_agent", SpanKind.INTERNAL, "gen_ai.agent.name")
_RETRIEVAL = Operation("retrieval", SpanKind.CLIENT, "gen_ai.data_source.id", is_given=False)
_EMBEDDINGS = Operation("embeddings", SpanKind.CLIENT, REQUEST_MODEL, is_given=False)

OPERATIONS: Mapping[str, Operation] = {
    "tool": _TOOL,
    "execute_tool": _TOOL,
    "agent": _AGENT,
    "invoke_agent": _AGENT,
    "workflow": _AGENT,
    "retriever": _RETRIEVAL,
    "retrieval": _RETRIEVAL,
    "embedding": _EMBEDDINGS,
    "embeddings": _EMBEDDINGS,
    "llm": _CHAT,
    "chat": _CHAT,
    "chat_model": _CHAT,
    "completion": Operation("text_completion", SpanKind.CLIENT, REQUEST_MODEL, is_given=False),
    "text_completion": Operation("text_completion", SpanKind.CLIENT, REQUEST_MODEL, is_given=False),
    "plan": Operation("plan", SpanKind.INTERNAL),
}
"""Words for kinds of work, in lower case, and the operations that they are."""


def operation_span(
    operation: Operation, name: str, attributes: Mapping[str, Any] | None
) -> tuple[str, SpanKind, dict[str, Any]]:
    """Return name, kind and attributes of an operation's span; attributes that are given stay.

    The span is called `{operation} {what it is of}`: the attribute where it is given, else `name`.
    """
    items = {OPERATION: operation.name, **(attributes or {})}
    named_by = operation.named_by
    if named_by is not None and operation.is_given:
        items.setdefault(named_by, name)
    if operation is _TOOL:
        items.setdefault("gen_ai.tool.type", "function")
    of = items.get(named_by, name) if named_by is not None else name
    prefix = f"{operation.name} "
    return (name if name.startswith(prefix) else f"{prefix}{of}"), operation.kind, items


RENAMED: Mapping[str, str] = {
    "gen_ai.system": "gen_ai.provider.name",
    "gen_ai.usage.prompt_tokens": "gen_ai.usage.input_tokens",
    "gen_ai.usage.completion_tokens": "gen_ai.usage.output_tokens",
    "gen_ai.usage.cache_creation.input_tokens": "gen_ai.usage.cache_write.input_tokens",
    "gen_ai.usage.reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.response.finish_reason": "gen_ai.response.finish_reasons",
    "gen_ai.server.time_to_first_token": "gen_ai.response.time_to_first_chunk",
    "gen_ai.openai.request.seed": "gen_ai.request.seed",
    "gen_ai.prompt": "gen_ai.input.messages",
    "gen_ai.completion": "gen_ai.output.messages",
}
"""Attributes of earlier conventions, and what they are called now."""


def read(attributes: Mapping[str, Any], name: str) -> Any:
    """Return an attribute by its present name, or by an earlier one; None where it is not there."""
    value = attributes.get(name)
    if value is None:
        for earlier in _EARLIER.get(name, ()):
            if (value := attributes.get(earlier)) is not None:
                break
    return value


_EARLIER: dict[str, list[str]] = {}
for _before, _now in RENAMED.items():
    _EARLIER.setdefault(_now, []).append(_before)
