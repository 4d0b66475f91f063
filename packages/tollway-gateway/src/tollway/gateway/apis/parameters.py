"""The parameters of requests that spans tell: each a row of its key, its attribute, and what makes it fit.

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

from __future__ import annotations

from typing import Any

MAX_CHARACTERS = 256
"""Of each text that a caller chooses, such as a stop sequence, and every trace keeps."""

_MAX_TEXTS = 128


def number(value: Any) -> float | int | None:
    """Take a number."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def integer(value: Any) -> int | None:
    """Take an integer that fits into 64 bits."""
    return value if isinstance(value, int) and abs(value) < 2**63 and not isinstance(value, bool) else None


def several(value: Any) -> int | None:
    """Take `n`; the conventions leave out the usual 1."""
    count = integer(value)
    return None if count == 1 else count


def texts(value: Any) -> tuple[str, ...] | None:
    """Take a text or a list of texts."""
    found = (value,) if isinstance(value, str) else value
    if isinstance(found, list | tuple) and found and all(isinstance(text, str) for text in found):
        return tuple([text[:MAX_CHARACTERS] for text in found[:_MAX_TEXTS]])
    return None


def named(value: Any) -> str | None:
    """Take a name."""
    return value[:MAX_CHARACTERS] if isinstance(value, str) and value else None


def level(value: Any) -> str | None:
    """Take how hard a model shall think: a word, or the `effort` of an object."""
    return named(value.get("effort") if isinstance(value, dict) else value)


_OUTPUT_TYPES = {
    "text": "text",
    "json_object": "json",
    "json_schema": "json",
    "audio": "speech",
    "image": "image",
}


def output_type(value: Any) -> str | None:
    """Take what is asked for: the `type` of a response format, or the first modality that is not text."""
    if isinstance(value, dict):
        return _OUTPUT_TYPES.get(str(value.get("type")))
    if isinstance(value, list):
        known = [_OUTPUT_TYPES.get(str(word)) for word in value[:_MAX_TEXTS]]
        return next((word for word in known if word not in ("text", None)), None)
    return None


SAMPLING = (
    ("temperature", "gen_ai.request.temperature", number),
    ("top_p", "gen_ai.request.top_p", number),
    ("top_k", "gen_ai.request.top_k", integer),
)
"""What all APIs that generate text have."""

GENERATION = (
    ("max_tokens", "gen_ai.request.max_tokens", integer),
    ("max_completion_tokens", "gen_ai.request.max_tokens", integer),
    *SAMPLING,
    ("frequency_penalty", "gen_ai.request.frequency_penalty", number),
    ("presence_penalty", "gen_ai.request.presence_penalty", number),
    ("seed", "gen_ai.request.seed", integer),
    ("n", "gen_ai.request.choice.count", several),
    ("stop", "gen_ai.request.stop_sequences", texts),
    ("reasoning_effort", "gen_ai.request.reasoning.level", level),
    ("response_format", "gen_ai.output.type", output_type),
    ("modalities", "gen_ai.output.type", output_type),
)
"""Of OpenAI's chat and completions."""

EMBEDDING = (
    ("encoding_format", "gen_ai.request.encoding_formats", texts),
    ("dimensions", "gen_ai.embeddings.dimension.count", integer),
)
