"""What spans tell of calls and answers."""

from __future__ import annotations

from tollway.gateway.telemetry.genai import answer_attributes
from tollway.provider import AnswerInfo


def test_what_an_upstream_may_choose_is_short():
    """Its ids, names and reasons are in every trace: of very long ones the beginning."""
    long = "x" * 10_000
    attributes = answer_attributes(AnswerInfo(long, long, None, (long, "stop")))
    assert {
        "gen_ai.response.id": "x" * 256,
        "gen_ai.response.model": "x" * 256,
        "gen_ai.response.finish_reasons": ("x" * 256, "stop"),
    } == attributes
