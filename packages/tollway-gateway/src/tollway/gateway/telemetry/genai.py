"""Calls and answers as GenAI attributes, and nothing else: pure functions.

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tollway.provider import AnswerInfo, Usage

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
    if call.session is not None:
        attributes.setdefault("gen_ai.conversation.id", call.session)
    if call.stream:
        attributes["gen_ai.request.stream"] = True
    return attributes


def answer_attributes(info: AnswerInfo, *, cut: bool = False) -> dict[str, Any]:
    """Return what is known of an answer; `cut` says that its stream ended before it did.

    Finish reasons stand one a choice, in its place: `error` for one that was cut.
    """
    attributes: dict[str, Any] = {}
    if info.id:
        attributes["gen_ai.response.id"] = info.id[:_MAX_CHARACTERS]
    if info.model:
        attributes["gen_ai.response.model"] = info.model[:_MAX_CHARACTERS]
    if info.finish_reasons:
        reasons = [reason[:_MAX_CHARACTERS] for reason in info.finish_reasons]
        attributes["gen_ai.response.finish_reasons"] = tuple(reasons)
    elif cut:
        attributes["gen_ai.response.finish_reasons"] = ("error",)
    if info.usage is not None:
        attributes.update(usage_attributes(info.usage))
    return attributes


def usage_attributes(usage: Usage) -> dict[str, int]:
    """Return the counts of tokens that are known, without those that are zero."""
    counts: dict[str, int | None] = {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read_input_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_output_tokens,
    }
    if (details := usage.details) is not None:
        counts["gen_ai.usage.cache_write.input_tokens"] = details.cache_write_input_tokens
        counts.update(
            _by_modality("input", usage.input_tokens, details.image_input_tokens, details.audio_input_tokens)
        )
        counts.update(
            _by_modality(
                "output", usage.output_tokens, details.image_output_tokens, details.audio_output_tokens
            )
        )
    return {name: count for name, count in counts.items() if count}


def _by_modality(side: str, whole: int | None, image: int | None, audio: int | None) -> dict[str, int | None]:
    """Return the parts of a count, where it has parts that are not text; the rest of it is."""
    if not (image or audio):
        return {}
    return {
        f"gen_ai.usage.text.{side}_tokens": max(0, (whole or 0) - (image or 0) - (audio or 0)),
        f"gen_ai.usage.image.{side}_tokens": image,
        f"gen_ai.usage.audio.{side}_tokens": audio,
    }
