"""Calls and answers as GenAI attributes, and nothing else: pure functions.

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tollway.provider import AnswerInfo

if TYPE_CHECKING:
    from tollway.gateway.apis import APICall

_MAX_CHARACTERS = 256
"""Of each text that an upstream chooses (an id, a model), and every trace keeps."""


def span_name(operation: str, model: str) -> str:
    """Return the name of the span of a call; `operation` is its `gen_ai.operation.name`."""
    return f"{operation} {model}"


def endpoint_attributes(
    endpoint: str, operation: str, provider: str, model: str, server: tuple[str, int] | None
) -> dict[str, Any]:
    """Return what is the same for every call of an endpoint; `server` is where its model's service is."""
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "tollway.endpoint": endpoint,
    }
    if server is not None:
        attributes["server.address"], attributes["server.port"] = server
    return attributes


def request_attributes(call: APICall) -> dict[str, Any]:
    """Return what a call asks for; a value of the wrong type is left out, for the model to refuse."""
    attributes: dict[str, Any] = {}
    payload = call.payload
    for key, name, fit in call.api.parameters:
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
