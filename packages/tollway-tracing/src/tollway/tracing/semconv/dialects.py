"""What other tools call the attributes of a span: made of ours at export, for the receiver that wants it.

A dialect takes the attributes of a span and returns those to send. What we and OpenTelemetry call them is
sent too: a dialect adds names, and takes none away.

* genai: https://github.com/open-telemetry/semantic-conventions-genai
* openinference: https://github.com/Arize-ai/openinference/tree/main/spec (Phoenix, Arize)
* mlflow: https://mlflow.org/docs/latest/genai/tracing/
* langfuse: https://langfuse.com/integrations/native/opentelemetry
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from .genai import OPERATION, read

Attributes = Mapping[str, Any]
Dialect = Callable[[Attributes], Attributes]

INPUTS, OUTPUTS = "tollway.inputs", "tollway.outputs"

_IN = (INPUTS, "gen_ai.input.messages", "gen_ai.tool.call.arguments", "mlflow.spanInputs", "input.value")
_OUT = (OUTPUTS, "gen_ai.output.messages", "gen_ai.tool.call.result", "mlflow.spanOutputs", "output.value")

_LLM = frozenset({"chat", "text_completion", "generate_content"})


def first(items: Attributes, *names: str) -> Any:
    """Return the first of these attributes that is there."""
    return next((value for name in names if (value := items.get(name)) is not None), None)


def session_of(items: Attributes) -> Any:
    """Return the session, or conversation, that a span belongs to."""
    return first(items, "session.id", "gen_ai.conversation.id")


def user_of(items: Attributes) -> Any:
    """Return the user that a span was for."""
    return first(items, "user.id", "enduser.id")


def _model(items: Attributes) -> Any:
    return first(items, "gen_ai.response.model", "gen_ai.request.model")


def _json(value: Any) -> str:
    return orjson.dumps(value, default=str).decode()


def _parsed(value: Any) -> Any:
    """Return what the JSON in an attribute says; the value itself where it is none."""
    try:
        return orjson.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _count(items: Attributes, name: str) -> int | None:
    """Return a count that is one and not zero, by its present name or an earlier one."""
    value = read(items, name)
    return value if type(value) is int and value > 0 else None


def _put(found: dict[str, Any], name: str, value: Any) -> None:
    """Add an attribute, where there is something to say and nobody has said it."""
    if value is not None:
        found.setdefault(name, value)


def _kind(items: Attributes, kinds: Mapping[str, str], words: frozenset[str], default: str) -> str:
    """Return a dialect's word for the kind of a span: of its operation, else its own where that is one."""
    if (kind := kinds.get(str(items.get(OPERATION)))) is not None:
        return kind
    word = str(items.get("tollway.kind", ""))
    return next((form for form in (word.upper(), word.lower()) if form in words), default)


def _put_all(found: dict[str, Any], names: tuple[str, str, str], kind: str, items: Attributes) -> None:
    """Add what every tool shows, by a dialect's names for it: kind, session and user."""
    for name, value in zip(names, (kind, session_of(items), user_of(items)), strict=True):
        _put(found, name, value)


# --- GenAI -------------------------------------------------------------------------------------------------


def genai(items: Attributes) -> Attributes:
    """Return a tool's inputs and outputs, and a chat's, by the conventions' names as well."""
    if INPUTS not in items and OUTPUTS not in items:
        return items
    operation = items.get(OPERATION)
    found = dict(items)
    if operation == "execute_tool":
        _put(found, "gen_ai.tool.call.arguments", items.get(INPUTS))
        _put(found, "gen_ai.tool.call.result", items.get(OUTPUTS))
    elif operation in _LLM:
        _put(found, "gen_ai.input.messages", _as_messages(items.get(INPUTS), "user"))
        _put(found, "gen_ai.output.messages", _as_messages(items.get(OUTPUTS), "assistant"))
    return found


def _as_messages(text: Any, role: str) -> str | None:
    """Return inputs or outputs as the conventions' messages: messages in any usual form, or one text."""
    if text is None:
        return None
    value = _parsed(text)
    if isinstance(value, dict):
        value = value.get("messages", value)
    if isinstance(value, list) and all(isinstance(item, dict) and "role" in item for item in value):
        return _json([_message(item) for item in value])
    content = value if isinstance(value, str) else _json(value)
    return _json([{"role": role, "parts": [{"type": "text", "content": content}]}])


def _message(item: dict[str, Any]) -> dict[str, Any]:
    if "parts" in item:
        return item
    content = item.get("content")
    parts = [{"type": "text", "content": content if isinstance(content, str) else _json(content)}]
    return {"role": str(item["role"]), "parts": parts}


# --- OpenInference -----------------------------------------------------------------------------------------

_OPENINFERENCE_KINDS = {
    **dict.fromkeys(_LLM, "LLM"),
    "embeddings": "EMBEDDING",
    "execute_tool": "TOOL",
    "invoke_agent": "AGENT",
    "create_agent": "AGENT",
    "retrieval": "RETRIEVER",
}
_OPENINFERENCE_WORDS = frozenset({"CHAIN", "RERANKER", "GUARDRAIL", "EVALUATOR", "PROMPT", "UNKNOWN"})

_OPENINFERENCE_COUNTS = {
    "llm.token_count.prompt": "gen_ai.usage.input_tokens",
    "llm.token_count.completion": "gen_ai.usage.output_tokens",
    "llm.token_count.prompt_details.cache_read": "gen_ai.usage.cache_read.input_tokens",
    "llm.token_count.prompt_details.cache_write": "gen_ai.usage.cache_write.input_tokens",
    "llm.token_count.prompt_details.audio": "gen_ai.usage.audio.input_tokens",
    "llm.token_count.completion_details.reasoning": "gen_ai.usage.reasoning.output_tokens",
    "llm.token_count.completion_details.audio": "gen_ai.usage.audio.output_tokens",
}


def openinference(items: Attributes) -> Attributes:
    """Return what Phoenix reads as well."""
    found = dict(items)
    kind = _kind(items, _OPENINFERENCE_KINDS, _OPENINFERENCE_WORDS, "CHAIN")
    _put_all(found, ("openinference.span.kind", "session.id", "user.id"), kind, items)
    _put_value(found, "input", first(items, *_IN))
    _put_value(found, "output", first(items, *_OUT))
    for name, ours in _OPENINFERENCE_COUNTS.items():
        _put(found, name, _count(items, ours))
    _put(found, "llm.token_count.total", _total(items))
    _put(found, "llm.cost.total", items.get("gen_ai.usage.cost"))
    if kind == "LLM":
        _put(found, "llm.model_name", _model(items))
        _put(found, "llm.provider", read(items, "gen_ai.provider.name"))
        _put(found, "llm.invocation_parameters", _parameters(items))
        found.update(_flat_messages("llm.input_messages", items.get("gen_ai.input.messages")))
        found.update(_flat_messages("llm.output_messages", items.get("gen_ai.output.messages")))
    elif kind == "EMBEDDING":
        _put(found, "embedding.model_name", _model(items))
    elif kind == "TOOL":
        _put(found, "tool.name", items.get("gen_ai.tool.name"))
        _put(found, "tool.description", items.get("gen_ai.tool.description"))
        _put(found, "tool.parameters", first(items, *_IN))
    elif kind == "AGENT":
        _put(found, "agent.name", items.get("gen_ai.agent.name"))
    return found


def _put_value(found: dict[str, Any], side: str, value: Any) -> None:
    if value is None:
        return
    is_text = isinstance(value, str)
    _put(found, f"{side}.value", value if is_text else _json(value))
    if is_text and _parsed(value) is value:
        _put(found, f"{side}.mime_type", "text/plain")
    else:
        _put(found, f"{side}.mime_type", "application/json")


def _total(items: Attributes) -> int | None:
    counts = [_count(items, f"gen_ai.usage.{side}_tokens") for side in ("input", "output")]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _parameters(items: Attributes) -> str | None:
    prefix = "gen_ai.request."
    found = {name[len(prefix) :]: value for name, value in items.items() if name.startswith(prefix)}
    found.pop("model", None)
    return _json(found) if found else None


def _flat_messages(prefix: str, text: Any) -> Iterator[tuple[str, Any]]:
    """Yield messages as attributes with numbers in their names."""
    messages = _parsed(text)
    for number, message in enumerate(messages if isinstance(messages, list) else ()):
        if not isinstance(message, dict):
            continue
        at = f"{prefix}.{number}.message"
        yield f"{at}.role", str(message.get("role", ""))
        parts = [part for part in message.get("parts", ()) if isinstance(part, dict)]
        texts = [str(part.get("content", "")) for part in parts if part.get("type") == "text"]
        answers = [part for part in parts if part.get("type") == "tool_call_response"]
        texts += [_as_text(part.get("response")) for part in answers]
        if texts:
            yield f"{at}.content", "\n".join(texts)
        calls = [part for part in parts if part.get("type") == "tool_call"]
        for place, call in enumerate(calls):
            head = f"{at}.tool_calls.{place}.tool_call"
            yield f"{head}.function.name", str(call.get("name", ""))
            yield f"{head}.function.arguments", _as_text(call.get("arguments"))
            if call.get("id") is not None:
                yield f"{head}.id", str(call["id"])


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


# --- MLflow ------------------------------------------------------------------------------------------------

_MLFLOW_TYPES = {
    "chat": "CHAT_MODEL",
    "text_completion": "LLM",
    "generate_content": "LLM",
    "embeddings": "EMBEDDING",
    "execute_tool": "TOOL",
    "invoke_agent": "AGENT",
    "create_agent": "AGENT",
    "retrieval": "RETRIEVER",
}
_MLFLOW_WORDS = frozenset(
    {"CHAIN", "PARSER", "RERANKER", "MEMORY", "WORKFLOW", "TASK", "GUARDRAIL", "EVALUATOR", "UNKNOWN"}
)

_MLFLOW_COUNTS = {
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cache_read_input_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_creation_input_tokens": "gen_ai.usage.cache_write.input_tokens",
}


def mlflow(items: Attributes) -> Attributes:
    """Return what MLflow reads as well; its own attributes are JSON."""
    found = dict(items)
    kind = _kind(items, _MLFLOW_TYPES, _MLFLOW_WORDS, "UNKNOWN")
    _put_all(found, ("mlflow.spanType", "session.id", "user.id"), _json(kind), items)
    _put(found, "mlflow.spanInputs", _as_json(first(items, *_IN)))
    _put(found, "mlflow.spanOutputs", _as_json(first(items, *_OUT)))
    if (total := _total(items)) is not None:
        counts = {name: count for name, ours in _MLFLOW_COUNTS.items() if (count := _count(items, ours))}
        _put(found, "mlflow.chat.tokenUsage", _json({**_NO_TOKENS, **counts, "total_tokens": total}))
    return found


def _as_json(value: Any) -> str | None:
    """Return JSON; what is JSON already as it is."""
    if value is None:
        return None
    return value if isinstance(value, str) and _parsed(value) is not value else _json(value)


_NO_TOKENS = {"input_tokens": 0, "output_tokens": 0}


# --- Langfuse ----------------------------------------------------------------------------------------------

_LANGFUSE_TYPES = {
    **dict.fromkeys(_LLM, "generation"),
    "embeddings": "embedding",
    "execute_tool": "tool",
    "invoke_agent": "agent",
    "create_agent": "agent",
    "retrieval": "retriever",
}
_LANGFUSE_WORDS = frozenset({"chain", "evaluator", "guardrail", "event"})

_LANGFUSE_COUNTS = {
    "input": "gen_ai.usage.input_tokens",
    "output": "gen_ai.usage.output_tokens",
    "input_cached_tokens": "gen_ai.usage.cache_read.input_tokens",
    "input_cache_creation": "gen_ai.usage.cache_write.input_tokens",
    "output_reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
}


def langfuse(items: Attributes) -> Attributes:
    """Return what Langfuse reads as well."""
    found = dict(items)
    kind = _kind(items, _LANGFUSE_TYPES, _LANGFUSE_WORDS, "span")
    names = ("langfuse.observation.type", "langfuse.session.id", "langfuse.user.id")
    _put_all(found, names, kind, items)
    _put(found, "langfuse.observation.input", first(items, *_IN))
    _put(found, "langfuse.observation.output", first(items, *_OUT))
    if kind in ("generation", "embedding"):
        _put(found, "langfuse.observation.model.name", _model(items))
        _put(found, "langfuse.observation.model.parameters", _parameters(items))
    if counts := {name: count for name, ours in _LANGFUSE_COUNTS.items() if (count := _count(items, ours))}:
        _put(found, "langfuse.observation.usage_details", _json(_apart(counts)))
    if (cost := items.get("gen_ai.usage.cost")) is not None:
        _put(found, "langfuse.observation.cost_details", _json({"total": cost}))
    return found


def _apart(counts: dict[str, Any]) -> dict[str, Any]:
    """Return counts of which none is a part of another, as Langfuse adds them up."""
    cached = counts.get("input_cached_tokens", 0) + counts.get("input_cache_creation", 0)
    if "input" in counts:
        counts["input"] = max(0, counts["input"] - cached)
    if "output" in counts:
        counts["output"] = max(0, counts["output"] - counts.get("output_reasoning_tokens", 0))
    return counts


def _careful(dialect: Dialect) -> Dialect:
    """Return a dialect that sends attributes as they are where it cannot read them."""

    @functools.wraps(dialect)
    def translate(items: Attributes) -> Attributes:
        try:
            return dialect(items)
        except Exception:  # whatever a program put there: the span is sent
            return items

    return translate


DIALECTS: Mapping[str, Dialect] = {
    dialect.__name__: _careful(dialect) for dialect in (genai, openinference, mlflow, langfuse)
}
"""By the name that a configuration has for each."""
