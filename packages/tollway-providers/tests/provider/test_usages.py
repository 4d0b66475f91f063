import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.provider import Usage, UsageDetails
from tollway.provider.usages import (
    MAX_COUNT,
    anthropic_usage,
    gemini_usage,
    openai_responses_usage,
    openai_usage,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


class TestOpenAI:
    def test_cached_audio_and_reasoning_tokens_are_parts_of_the_counts(self) -> None:
        """As the API reference's example of Chat Completions counts."""
        said = {
            "prompt_tokens": 2006,
            "completion_tokens": 300,
            "total_tokens": 2306,
            "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 10},
            "completion_tokens_details": {"reasoning_tokens": 64, "audio_tokens": 7},
        }

        assert Usage(
            2006, 300, 1920, 64, UsageDetails(audio_input_tokens=10, audio_output_tokens=7)
        ) == openai_usage(said)

    def test_reasoning_that_only_the_total_includes_is_output(self) -> None:
        """XAI counts reasoning beside `completion_tokens`: "32 + 9 + 94 = 135"."""
        said = {
            "prompt_tokens": 32,
            "completion_tokens": 9,
            "total_tokens": 135,
            "completion_tokens_details": {"reasoning_tokens": 94},
        }

        assert Usage(32, 103, reasoning_output_tokens=94) == openai_usage(said)

    def test_a_total_below_the_sum_changes_nothing(self) -> None:
        said = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 0}

        assert Usage(5, 3) == openai_usage({**said, "total_tokens": 6}) == openai_usage(said)

    def test_an_embedding_has_no_output(self) -> None:
        assert Usage(8) == openai_usage({"prompt_tokens": 8, "total_tokens": 8})

    def test_deepseek_tells_its_cache_hits_beside_the_details(self) -> None:
        said = {
            "prompt_tokens": 30,
            "completion_tokens": 2,
            "total_tokens": 32,
            "prompt_cache_hit_tokens": 20,
            "prompt_cache_miss_tokens": 10,
        }

        assert Usage(30, 2, 20) == openai_usage(said)

    def test_moonshot_tells_its_cached_tokens_beside_the_counts(self) -> None:
        said = {"prompt_tokens": 30, "completion_tokens": 2, "total_tokens": 32, "cached_tokens": 20}

        assert Usage(30, 2, 20) == openai_usage(said)

    @pytest.mark.parametrize(
        ("said", "picousd"),
        [
            ({"cost": 0.00014}, 140_000_000),
            ({"cost": 3}, 3 * 10**12),
            ({"cost": True}, None),
            ({"cost": -1}, None),
            ({"cost": {"total": 1}}, None),
            ({"cost_in_usd_ticks": 37_756_000}, 3_775_600_000),
        ],
    )
    def test_what_the_service_charges_is_read_where_it_says_so(
        self, said: dict[str, object], picousd: int | None
    ) -> None:
        """OpenRouter's `cost` is USD, xAI's `cost_in_usd_ticks` 10^-10 USD."""
        usage = openai_usage({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, **said})

        assert usage is not None
        assert picousd == (usage.details or UsageDetails()).billed_picousd

    def test_the_responses_api_has_other_names_for_the_same(self) -> None:
        said = {
            "input_tokens": 36,
            "input_tokens_details": {"cached_tokens": 4},
            "output_tokens": 87,
            "output_tokens_details": {"reasoning_tokens": 50},
            "total_tokens": 123,
        }

        assert Usage(36, 87, 4, 50) == openai_responses_usage(said)


class TestAnthropic:
    def test_what_the_cache_read_and_wrote_is_added_to_the_input(self) -> None:
        """`input_tokens` are only those after the last cache breakpoint."""
        said = {
            "input_tokens": 2048,
            "cache_read_input_tokens": 1800,
            "cache_creation_input_tokens": 248,
            "cache_creation": {"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100},
            "output_tokens": 503,
            "service_tier": "standard",
            "server_tool_use": {"web_search_requests": 2},
        }

        assert Usage(4096, 503, 1800, None, UsageDetails(248, 100, web_search_requests=2)) == anthropic_usage(
            said
        )

    def test_writes_that_are_only_told_by_their_time_are_summed(self) -> None:
        said = {
            "input_tokens": 1,
            "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30},
        }

        usage = anthropic_usage(said)

        assert Usage(51, details=UsageDetails(50, 30)) == usage


class TestGemini:
    def test_thoughts_are_added_to_the_output_and_cached_tokens_are_part_of_the_input(self) -> None:
        said = {
            "promptTokenCount": 100,
            "cachedContentTokenCount": 40,
            "candidatesTokenCount": 20,
            "thoughtsTokenCount": 30,
            "toolUsePromptTokenCount": 5,
            "totalTokenCount": 155,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 70},
                {"modality": "AUDIO", "tokenCount": 25},
                {"modality": "IMAGE", "tokenCount": 5},
            ],
            "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 12}],
        }

        details = UsageDetails(audio_input_tokens=25, image_input_tokens=5, cache_read_audio_input_tokens=12)
        assert Usage(105, 50, 40, 30, details) == gemini_usage(said)


READERS = (openai_usage, openai_responses_usage, anthropic_usage, gemini_usage)
KEYS = st.sampled_from(
    [
        *(
            "prompt_tokens",
            "completion_tokens",
            "total_tokens",
            "prompt_tokens_details",
            "cost",
            "cached_tokens",
        ),
        *("completion_tokens_details", "input_tokens", "output_tokens", "input_tokens_details"),
        *("cache_creation", "server_tool_use", "service_tier", "promptTokenCount", "promptTokensDetails"),
    ]
)


@given(JSON | st.dictionaries(KEYS, JSON, max_size=6))
def test_any_json_is_read_and_gives_counts_that_can_be_computed_with(said: object) -> None:
    """No count is negative, no boolean, and none is larger than any model's."""
    for read in READERS:
        usage = read(said)
        if usage is None:
            continue
        counts = [getattr(usage, name) for name in Usage.__dataclass_fields__ if name != "details"]
        if usage.details is not None:
            names = UsageDetails.__dataclass_fields__.keys() - {"service_tier"}
            counts += [getattr(usage.details, name) for name in names]
        for count in counts:
            if count is not None:
                assert type(count) is int
                assert 0 <= count <= max(3 * MAX_COUNT, 10**18)
