"""What spans tell of calls and answers."""

from __future__ import annotations

from tollway.gateway.apis import APICall, api_of
from tollway.gateway.telemetry.genai import answer_attributes, request_attributes
from tollway.provider import AnswerInfo, Task


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
