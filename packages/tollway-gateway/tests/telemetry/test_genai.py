"""What spans tell of calls and answers."""

from __future__ import annotations

import pytest

from tollway.gateway.apis import APICall, api_of
from tollway.gateway.telemetry.genai import answer_attributes, request_attributes, usage_attributes
from tollway.provider import AnswerInfo, Task, Usage, UsageDetails


def test_what_an_upstream_may_choose_is_short():
    """Its ids, names and reasons are in every trace: of very long ones the beginning."""
    long = "x" * 10_000
    attributes = answer_attributes(AnswerInfo(long, long, None, (long, "stop")))
    assert {
        "gen_ai.response.id": "x" * 256,
        "gen_ai.response.model": "x" * 256,
        "gen_ai.response.finish_reasons": ("x" * 256, "stop"),
    } == attributes


def test_what_a_caller_may_choose_is_short():
    call = APICall(
        Task.CHAT,
        {"stop": ["x" * 10_000] * 1000, "encoding_format": "y" * 10_000},
        b"{}",
        api=api_of(Task.CHAT),
    )
    assert {
        "gen_ai.request.stop_sequences": ("x" * 256,) * 128,
    } == request_attributes(call)


def test_counts_that_are_zero_or_not_known_are_left_out():
    usage = Usage(3, 0, 0, None, UsageDetails(cache_write_input_tokens=0))
    assert {"gen_ai.usage.input_tokens": 3} == usage_attributes(usage)


def test_every_part_of_a_usage_has_its_name():
    """Cache reads and writes, reasoning, and parts that are not text."""
    details = UsageDetails(cache_write_input_tokens=20, audio_input_tokens=5, image_output_tokens=2)
    assert {
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 10,
        "gen_ai.usage.cache_read.input_tokens": 50,
        "gen_ai.usage.cache_write.input_tokens": 20,
        "gen_ai.usage.reasoning.output_tokens": 4,
        "gen_ai.usage.text.input_tokens": 95,
        "gen_ai.usage.audio.input_tokens": 5,
        "gen_ai.usage.text.output_tokens": 8,
        "gen_ai.usage.image.output_tokens": 2,
    } == usage_attributes(Usage(100, 10, 50, 4, details))


def test_a_stream_that_was_cut_ends_in_error():
    reasons = "gen_ai.response.finish_reasons"
    assert {reasons: ("error",)} == answer_attributes(AnswerInfo(), cut=True)
    assert {} == answer_attributes(AnswerInfo())
    assert {reasons: ("stop", "error")} == answer_attributes(
        AnswerInfo(finish_reasons=("stop", "error")), cut=True
    )


@pytest.mark.parametrize(
    ("payload", "attributes"),
    [
        ({"top_k": 40}, {"gen_ai.request.top_k": 40}),
        ({"top_k": 4.5}, {}),
        ({"reasoning_effort": "high"}, {"gen_ai.request.reasoning.level": "high"}),
        ({"response_format": {"type": "json_schema"}}, {"gen_ai.output.type": "json"}),
        ({"response_format": {"type": "text"}}, {"gen_ai.output.type": "text"}),
        ({"modalities": ["text", "audio"]}, {"gen_ai.output.type": "speech"}),
        ({"modalities": ["text"]}, {}),
        ({"response_format": 7, "modalities": 7, "reasoning_effort": 7}, {}),
    ],
    ids=str,
)
def test_what_a_call_asks_for_has_the_conventions_names(payload, attributes):
    assert attributes == request_attributes(APICall(Task.CHAT, payload, b"{}", api=api_of(Task.CHAT)))
