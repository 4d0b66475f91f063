"""Readers of the `usage` that services report, one for each dialect; pure functions, total over any JSON.

Services disagree about what a count includes. A `Usage` has one meaning: `input_tokens` and `output_tokens`
are everything, and the other counts are parts of them.

| dialect | cached input | reasoning |
|---|---|---|
| OpenAI, DeepSeek | inside the prompt's count | inside the completion's count |
| xAI, Gemini's OpenAI dialect | inside | beside; `total_tokens` includes it |
| Anthropic | beside the input's count | inside the output's count |
| Gemini | inside the prompt's count | beside the candidates' count |
| Bedrock | beside the input's count | inside the output's count |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ._values import Usage, UsageDetails

MAX_COUNT = 2**48
"""A larger count is no count of tokens, and is left out."""

USUAL_TIERS = frozenset({"default", "standard", "auto"})
"""Service tiers that are none in particular."""

_PLAIN_KEYS = 3
"""Prompt, completion, total: a usage with no more has nothing else to be read."""

_PICOUSD = 10**12

_PICOUSD_PER_TICK = 100
"""xAI reports what it charges in ticks, 10^10 to the dollar."""

_MAX_BILLED_USD = 1_000_000


def openai_usage(usage: Any) -> Usage | None:
    """Read the `usage` of Chat Completions, Completions and Embeddings; None when it is no object.

    Where `total_tokens` is more than prompt and completion, the rest is reasoning that the service counts
    apart (xAI, Gemini). https://platform.openai.com/docs/api-reference/chat/object
    """
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if type(prompt) is not int or not 0 <= prompt <= MAX_COUNT:
        prompt = count_of(prompt)
    if type(completion) is not int or not 0 <= completion <= MAX_COUNT:
        completion = count_of(completion)
    found = Usage(prompt, completion)
    if prompt is not None and completion is not None:
        total = usage.get("total_tokens")
        if total != prompt + completion and (total := count_of(total)) is not None:
            found.output_tokens = max(completion, total - prompt)
    if len(usage) > _PLAIN_KEYS:
        details = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
        _read_more(found, usage, *details)
    return found


def openai_responses_usage(usage: Any) -> Usage | None:
    """Read the `usage` of the Responses API; None when it is no object.

    https://platform.openai.com/docs/api-reference/responses/object
    """
    if not isinstance(usage, dict):
        return None
    found = Usage(count_of(usage.get("input_tokens")), count_of(usage.get("output_tokens")))
    _read_more(found, usage, usage.get("input_tokens_details"), usage.get("output_tokens_details"))
    return found


def anthropic_usage(usage: Any) -> Usage | None:
    """Read the `usage` of the Messages API; None when it is no object, or an empty one.

    `input_tokens` there is without what was read from the cache and written to it.
    https://platform.claude.com/docs/en/build-with-claude/prompt-caching
    """
    if not isinstance(usage, dict) or not usage:
        return None
    plain, read = count_of(usage.get("input_tokens")), count_of(usage.get("cache_read_input_tokens"))
    written = count_of(usage.get("cache_creation_input_tokens"))
    split = usage.get("cache_creation")
    for_5m, for_1h = detail(split, "ephemeral_5m_input_tokens"), detail(split, "ephemeral_1h_input_tokens")
    if written is None:
        written = _sum((for_5m, for_1h))
    tier = usage.get("service_tier")
    details = UsageDetails(
        cache_write_input_tokens=written,
        cache_write_1h_input_tokens=for_1h,
        web_search_requests=detail(usage.get("server_tool_use"), "web_search_requests"),
        service_tier=tier if isinstance(tier, str) and tier not in USUAL_TIERS else None,
    )
    return Usage(
        _sum((plain, written, read)),
        count_of(usage.get("output_tokens")),
        read,
        detail(usage.get("output_tokens_details"), "thinking_tokens"),
        details if details != _NO_DETAILS else None,
    )


def gemini_usage(metadata: Any) -> Usage | None:
    """Read the `usageMetadata` of Gemini's own API; None when it is no object.

    https://ai.google.dev/api/generate-content#UsageMetadata
    """
    if not isinstance(metadata, dict):
        return None
    get = metadata.get
    thoughts = count_of(get("thoughtsTokenCount"))
    inputs, outputs = get("promptTokensDetails"), get("candidatesTokensDetails")
    details = UsageDetails(
        audio_input_tokens=_of_modality(inputs, "AUDIO"),
        audio_output_tokens=_of_modality(outputs, "AUDIO"),
        image_input_tokens=_of_modality(inputs, "IMAGE"),
        image_output_tokens=_of_modality(outputs, "IMAGE"),
        cache_read_audio_input_tokens=_of_modality(get("cacheTokensDetails"), "AUDIO"),
        cache_read_image_input_tokens=_of_modality(get("cacheTokensDetails"), "IMAGE"),
    )
    return Usage(
        _sum((count_of(get("promptTokenCount")), count_of(get("toolUsePromptTokenCount")))),
        _sum((count_of(get("candidatesTokenCount")), thoughts)),
        count_of(get("cachedContentTokenCount")),
        thoughts,
        details if details != _NO_DETAILS else None,
    )


def bedrock_usage(usage: Any) -> Usage | None:
    """Read the `TokenUsage` of Bedrock's Converse; None when it is no object. What the cache gave
    and took is beside `inputTokens`.

    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
    """
    if not isinstance(usage, dict):
        return None
    plain, output = count_of(usage.get("inputTokens")), count_of(usage.get("outputTokens"))
    read, written = (count_of(usage.get(f"cache{way}InputTokens")) for way in ("Read", "Write"))
    found = Usage(None if plain is None else plain + (read or 0) + (written or 0), output, read)
    if written is not None:
        hours = [
            one for one in usage.get("cacheDetails") or () if isinstance(one, dict) and one.get("ttl") == "1h"
        ]
        kept = sum(count_of(one.get("inputTokens")) or 0 for one in hours) if hours else None
        found.details = UsageDetails(cache_write_input_tokens=written, cache_write_1h_input_tokens=kept)
    return found


def cohere_usage(usage: Any) -> Usage | None:
    """Read the `usage` of Cohere (of embeddings and rerank, the `meta`); None when it is no object.

    What is billed counts, where it is told: the tokens that Cohere adds by itself are not.
    """
    if not isinstance(usage, dict):
        return None
    billed, counted = usage.get("billed_units"), usage.get("tokens")

    def told(key: str) -> int | None:
        found = detail(billed, key)
        return detail(counted, key) if found is None else found

    return Usage(told("input_tokens"), told("output_tokens"), count_of(usage.get("cached_tokens")))


def count_of(value: Any) -> int | None:
    """Return a count of tokens; None for anything that is none."""
    if isinstance(value, int) and value is not True and value is not False and 0 <= value <= MAX_COUNT:
        return value
    return None


def detail(details: Any, key: str) -> int | None:
    """Return a count that stands in an object, if it is one."""
    return count_of(details.get(key)) if isinstance(details, dict) else None


def details_of(usage: Usage) -> UsageDetails:
    """Return the details of a usage, made if there are none yet."""
    if usage.details is None:
        usage.details = UsageDetails()
    return usage.details


def _read_more(usage: Usage, said: dict[str, Any], inputs: Any, outputs: Any) -> None:
    """Read the details of a usage in OpenAI's dialect, and what other services add to it."""
    if isinstance(inputs, dict):
        usage.cache_read_input_tokens = count_of(inputs.get("cached_tokens"))
        for key, value in inputs.items():
            if value and key in _INPUT_DETAILS and (count := count_of(value)) is not None:
                setattr(details_of(usage), _INPUT_DETAILS[key], count)
            elif key == "cached_tokens_details":
                _read_cached(usage, value)
    if isinstance(outputs, dict):
        usage.reasoning_output_tokens = count_of(outputs.get("reasoning_tokens"))
        for key, value in outputs.items():
            if value and key in _OUTPUT_DETAILS and (count := count_of(value)) is not None:
                setattr(details_of(usage), _OUTPUT_DETAILS[key], count)
    for key, value in said.items():
        if key in _OTHERS:
            _OTHERS[key](usage, value)


def _read_cached(usage: Usage, value: Any) -> None:
    for key, name in _CACHED_DETAILS.items():
        if count := detail(value, key):
            setattr(details_of(usage), name, count)


def _read_cache_hits(usage: Usage, value: Any) -> None:
    if usage.cache_read_input_tokens is None:
        usage.cache_read_input_tokens = count_of(value)


def _read_cost(usage: Usage, value: Any) -> None:
    if isinstance(value, int | float) and value is not True and 0 <= value <= _MAX_BILLED_USD:
        details_of(usage).billed_picousd = round(value * _PICOUSD)


def _read_ticks(usage: Usage, value: Any) -> None:
    if (ticks := count_of(value)) is not None:
        details_of(usage).billed_picousd = ticks * _PICOUSD_PER_TICK


_INPUT_DETAILS = {
    "cache_write_tokens": "cache_write_input_tokens",
    "audio_tokens": "audio_input_tokens",
    "image_tokens": "image_input_tokens",
}
_OUTPUT_DETAILS = {"audio_tokens": "audio_output_tokens", "image_tokens": "image_output_tokens"}
_CACHED_DETAILS = {
    "audio_tokens": "cache_read_audio_input_tokens",
    "image_tokens": "cache_read_image_input_tokens",
}

_OTHERS: Mapping[str, Callable[[Usage, Any], None]] = {
    "prompt_cache_hit_tokens": _read_cache_hits,  # DeepSeek
    "cached_tokens": _read_cache_hits,  # Moonshot
    "cost": _read_cost,  # OpenRouter
    "cost_in_usd_ticks": _read_ticks,  # xAI
}
"""What services add to OpenAI's keys."""

_NO_DETAILS = UsageDetails()


def _sum(counts: Iterable[int | None]) -> int | None:
    """Add the counts that were told; None when none was."""
    told = [count for count in counts if count is not None]
    return sum(told) if told else None


def _of_modality(details: Any, modality: str) -> int | None:
    """Add the counts of one modality in a list of `ModalityTokenCount`."""
    if not isinstance(details, list):
        return None
    found = (one for one in details if isinstance(one, dict) and one.get("modality") == modality)
    return _sum(count_of(one.get("tokenCount")) for one in found)
