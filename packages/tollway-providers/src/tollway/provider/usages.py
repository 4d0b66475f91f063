"""Readers of the `usage` that services report, one for each dialect; pure functions, total over any JSON.

Services disagree about what a count includes. A `Usage` has one meaning: `input_tokens` and `output_tokens`
are everything, and the other counts are parts of them.

| dialect | cached input | reasoning |
|---|---|---|
| OpenAI, DeepSeek | inside the prompt's count | inside the completion's count |
| xAI, Gemini's OpenAI dialect | inside | beside; `total_tokens` includes it |
| Anthropic | beside the input's count | inside the output's count |
| Gemini | inside the prompt's count | beside the candidates' count |
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ._values import Usage

MAX_COUNT = 2**48
"""A larger count is no count of tokens, and is left out."""

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
    get = usage.get
    prompt, completion = count_of(get("prompt_tokens")), count_of(get("completion_tokens"))
    read, written = get("prompt_tokens_details"), get("completion_tokens_details")
    found = Usage(prompt, completion)
    if read is not None:
        _read_input_details(found, read)
    if written is not None:
        _read_output_details(found, written)
    total = get("total_tokens")
    if total and completion is not None and prompt is not None and total != prompt + completion:
        found.output_tokens = max(completion, (count_of(total) or 0) - prompt)
    if len(usage) > _PLAIN_KEYS:
        _read_others(found, usage)
    return found


_PLAIN_KEYS = 3
"""Prompt, completion, total: a usage with no more has nothing else to be read."""


def openai_responses_usage(usage: Any) -> Usage | None:
    """Read the `usage` of the Responses API; None when it is no object.

    https://platform.openai.com/docs/api-reference/responses/object
    """
    if not isinstance(usage, dict):
        return None
    found = Usage(count_of(usage.get("input_tokens")), count_of(usage.get("output_tokens")))
    _read_input_details(found, usage.get("input_tokens_details"))
    _read_output_details(found, usage.get("output_tokens_details"))
    _read_others(found, usage)
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
    return Usage(
        input_tokens=_sum((plain, written, read)),
        output_tokens=count_of(usage.get("output_tokens")),
        cache_read_input_tokens=read,
        reasoning_output_tokens=detail(usage.get("output_tokens_details"), "thinking_tokens"),
        cache_write_input_tokens=written,
        cache_write_1h_input_tokens=for_1h,
        web_search_requests=detail(usage.get("server_tool_use"), "web_search_requests"),
        service_tier=tier if isinstance(tier, str) else None,
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
    return Usage(
        input_tokens=_sum((count_of(get("promptTokenCount")), count_of(get("toolUsePromptTokenCount")))),
        output_tokens=_sum((count_of(get("candidatesTokenCount")), thoughts)),
        cache_read_input_tokens=count_of(get("cachedContentTokenCount")),
        reasoning_output_tokens=thoughts,
        audio_input_tokens=_of_modality(inputs, "AUDIO"),
        audio_output_tokens=_of_modality(outputs, "AUDIO"),
        image_input_tokens=_of_modality(inputs, "IMAGE"),
        image_output_tokens=_of_modality(outputs, "IMAGE"),
        cache_read_audio_input_tokens=_of_modality(get("cacheTokensDetails"), "AUDIO"),
    )


def count_of(value: Any) -> int | None:
    """Return a count of tokens; None for anything that is none."""
    if isinstance(value, int) and value is not True and value is not False and 0 <= value <= MAX_COUNT:
        return value
    return None


def detail(details: Any, key: str) -> int | None:
    """Return a count that stands in an object, if it is one."""
    return count_of(details.get(key)) if isinstance(details, dict) else None


def _read_input_details(usage: Usage, details: Any) -> None:
    if isinstance(details, dict):
        usage.cache_read_input_tokens = count_of(details.get("cached_tokens"))
        usage.cache_write_input_tokens = count_of(details.get("cache_write_tokens"))
        usage.audio_input_tokens = count_of(details.get("audio_tokens"))
        usage.image_input_tokens = count_of(details.get("image_tokens"))
        usage.cache_read_audio_input_tokens = detail(details.get("cached_tokens_details"), "audio_tokens")


def _read_output_details(usage: Usage, details: Any) -> None:
    if isinstance(details, dict):
        usage.reasoning_output_tokens = count_of(details.get("reasoning_tokens"))
        usage.audio_output_tokens = count_of(details.get("audio_tokens"))
        usage.image_output_tokens = count_of(details.get("image_tokens"))


def _read_others(usage: Usage, said: dict[str, Any]) -> None:
    """Read what some services add to OpenAI's own keys."""
    if usage.cache_read_input_tokens is None:  # DeepSeek; Moonshot
        read = said.get("prompt_cache_hit_tokens")
        usage.cache_read_input_tokens = count_of(said.get("cached_tokens") if read is None else read)
    cost = said.get("cost")
    if isinstance(cost, int | float) and cost is not True and 0 <= cost <= _MAX_BILLED_USD:  # OpenRouter
        usage.billed_picousd = round(cost * _PICOUSD)
    elif (ticks := count_of(said.get("cost_in_usd_ticks"))) is not None:  # xAI
        usage.billed_picousd = ticks * _PICOUSD_PER_TICK


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
