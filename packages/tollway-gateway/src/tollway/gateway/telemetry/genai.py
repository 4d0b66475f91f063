"""Calls and answers as GenAI attributes, and nothing else: pure functions.

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tollway.provider import AnswerInfo, Call, Task

OPERATIONS: Mapping[Task, str] = {
    Task.CHAT: "chat",
    Task.COMPLETIONS: "text_completion",
    Task.EMBEDDINGS: "embeddings",
}
"""`gen_ai.operation.name` of each endpoint type."""


_MAX_CHARACTERS = 256
"""Of each text that a caller or an upstream chooses (a stop sequence, an id), and every trace keeps."""

_MAX_TEXTS = 128


def span_name(task: Task, model: str) -> str:
    """Return the name of the span of a call."""
    return f"{OPERATIONS[task]} {model}"


def endpoint_attributes(
    endpoint: str, task: Task, provider: str, model: str, server: tuple[str, int] | None
) -> dict[str, Any]:
    """Return what is the same for every call of an endpoint; `server` is where its model's service is."""
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": OPERATIONS[task],
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "tollway.endpoint": endpoint,
    }
    if server is not None:
        attributes["server.address"], attributes["server.port"] = server
    return attributes


def _number(value: Any) -> float | int | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and abs(value) < 2**63 and not isinstance(value, bool) else None


def _several(value: Any) -> int | None:
    """Take `n`; the conventions leave out the usual 1."""
    count = _integer(value)
    return None if count == 1 else count


def _texts(value: Any) -> tuple[str, ...] | None:
    texts = (value,) if isinstance(value, str) else value
    if isinstance(texts, list | tuple) and texts and all(isinstance(text, str) for text in texts):
        return tuple([text[:_MAX_CHARACTERS] for text in texts[:_MAX_TEXTS]])
    return None


_PARAMETERS: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("max_tokens", "gen_ai.request.max_tokens", _integer),
    ("max_completion_tokens", "gen_ai.request.max_tokens", _integer),
    ("temperature", "gen_ai.request.temperature", _number),
    ("top_p", "gen_ai.request.top_p", _number),
    ("frequency_penalty", "gen_ai.request.frequency_penalty", _number),
    ("presence_penalty", "gen_ai.request.presence_penalty", _number),
    ("seed", "gen_ai.request.seed", _integer),
    ("n", "gen_ai.request.choice.count", _several),
    ("stop", "gen_ai.request.stop_sequences", _texts),
    ("encoding_format", "gen_ai.request.encoding_formats", _texts),
    ("dimensions", "gen_ai.embeddings.dimension.count", _integer),
)
"""Request key, attribute, and what makes a value fit: callers send anything."""


_KEYS = frozenset(key for key, _, _ in _PARAMETERS)


def request_attributes(call: Call) -> dict[str, Any]:
    """Return what a call asks for; a value of the wrong type is left out, for the model to refuse."""
    attributes: dict[str, Any] = {}
    payload = call.payload
    if not _KEYS.isdisjoint(payload):  # else not one of them has to be looked for
        for key, name, fit in _PARAMETERS:
            if key in payload and (value := fit(payload[key])) is not None:
                attributes[name] = value
    if call.stream:
        attributes["gen_ai.request.stream"] = True
    return attributes


def answer_attributes(info: AnswerInfo) -> dict[str, Any]:
    """Return what is known of an answer."""
    attributes: dict[str, Any] = {}
    if info.id:
        attributes["gen_ai.response.id"] = info.id[:_MAX_CHARACTERS]
    if info.model:
        attributes["gen_ai.response.model"] = info.model[:_MAX_CHARACTERS]
    if info.finish_reasons:
        reasons = [reason[:_MAX_CHARACTERS] for reason in info.finish_reasons]
        attributes["gen_ai.response.finish_reasons"] = tuple(reasons)
    if (usage := info.usage) is not None:
        if usage.input_tokens is not None:
            attributes["gen_ai.usage.input_tokens"] = usage.input_tokens
        if usage.output_tokens is not None:
            attributes["gen_ai.usage.output_tokens"] = usage.output_tokens
        if usage.cache_read_input_tokens is not None:
            attributes["gen_ai.usage.cache_read.input_tokens"] = usage.cache_read_input_tokens
        if usage.details is not None and usage.details.cache_write_input_tokens:
            attributes["gen_ai.usage.cache_write.input_tokens"] = usage.details.cache_write_input_tokens
        if usage.reasoning_output_tokens is not None:
            attributes["gen_ai.usage.reasoning.output_tokens"] = usage.reasoning_output_tokens
    return attributes
