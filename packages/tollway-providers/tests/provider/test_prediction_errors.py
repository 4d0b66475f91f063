"""Errors that a `predict` reports as a dict have the status and the kind of the same error under a 200."""

from __future__ import annotations

from typing import Any

import pytest

from tollway.provider import Call, PredictionError, ProviderError, Target, Task, UpstreamError, predictions
from tollway.provider.error_kinds import ErrorKind

FIXED: dict[str, Any] = {"new_id": lambda: "1", "now_s": lambda: 1_700_000_000}
KEY = "sk-0123456789abcdef"
CALL = Call(Task.CHAT, {}, b"{}")
TARGET = Target("e", Task.CHAT, "m", {"api_key": KEY})

STATED: list[tuple[dict[str, Any], int, ErrorKind]] = [
    ({"error": {"message": "why", "code": 429}}, 429, ErrorKind.RETRYABLE),
    ({"error": {"message": "why", "code": "503"}}, 503, ErrorKind.RETRYABLE),
    ({"error": {"message": "why"}, "status": 400}, 400, ErrorKind.NEVER),
    ({"error": "why", "status_code": 503}, 503, ErrorKind.RETRYABLE),
    ({"error": {"message": "why", "type": "rate_limit_error"}}, 429, ErrorKind.RETRYABLE),
    ({"error": {"message": "why", "type": "overloaded_error"}}, 503, ErrorKind.RETRYABLE),
    ({"error": {"message": "why", "code": "context_length_exceeded"}}, 400, ErrorKind.CONTEXT_LENGTH),
    ({"error": {"message": "why", "code": "content_filter"}}, 400, ErrorKind.CONTENT_FILTER),
    ({"error": {"message": "why", "code": "insufficient_quota"}}, 429, ErrorKind.QUOTA_EXHAUSTED),
    ({"error": {"message": "why", "code": 401}}, 502, ErrorKind.NEVER),
    ({"type": "error", "error": {"type": "not_found_error", "message": "why"}}, 502, ErrorKind.NEVER),
    ({"object": "error", "message": "why", "code": 400}, 400, ErrorKind.NEVER),
    ({"message": "why", "code": 400}, 400, ErrorKind.NEVER),
    ({"detail": "why", "status": 422}, 422, ErrorKind.NEVER),
    ({"choices": None, "base_resp": {"status_code": 1002, "status_msg": "why"}}, 429, ErrorKind.RETRYABLE),
    (
        {"choices": [{"finish_reason": "error", "error": {"code": 429, "message": "why"}}]},
        429,
        ErrorKind.RETRYABLE,
    ),
]
"""What is reported, the status that the caller gets, and what may follow."""

UNSTATED: list[dict[str, Any]] = [
    {"error": "why"},
    {"error": {"message": "why"}},
    {"detail": "why"},
    {"success": False, "msg": "why"},
    {"error": ValueError("why")},
    {"error": {"message": ValueError("why")}},
]

HONEST: list[dict[str, Any]] = [
    {"content": "hello", "error": None},
    {"message": "hello"},
    {"text": "hello", "detail": "made of cheese"},
    {"content": "hello", "error": {}},
    {"content": "hello", "status": "completed"},
    {"choices": [{"finish_reason": "stop", "message": {"content": "hello"}}], "error": None},
]


def answered(said: Any) -> None:
    predictions.answer_from(said, CALL, TARGET, **FIXED)


def streamed(said: Any) -> None:
    predictions.ChunkEncoder(CALL, TARGET, **FIXED).feed(said)


def collected(said: Any) -> None:
    predictions.collect(["One ", said], CALL, TARGET, **FIXED)


def embedded(said: Any) -> None:
    predictions.answer_from(said, Call(Task.EMBEDDINGS, {}, b"{}"), TARGET, **FIXED)


WAYS = [answered, streamed, collected, embedded]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("said", "status", "kind"), STATED)
def test_an_error_has_the_status_and_the_kind_that_it_states(
    way: Any, said: Any, status: int, kind: ErrorKind
) -> None:
    with pytest.raises(UpstreamError, match="why") as caught:
        way(said)

    assert (status, kind) == (caught.value.status, caught.value.kind)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("said", UNSTATED)
def test_an_error_without_a_status_is_a_failed_prediction_in_its_words(way: Any, said: Any) -> None:
    with pytest.raises(PredictionError, match="why") as caught:
        way(said)

    assert (500, "prediction_failed") == (caught.value.status, caught.value.code)


def test_a_lone_choice_that_broke_off_is_an_error() -> None:
    with pytest.raises(ProviderError, match="broke the answer off with 'error'"):
        streamed({"delta": {}, "finish_reason": "error"})


def test_code_type_param_and_further_fields_are_kept() -> None:
    error = {"message": "why", "type": "odd", "param": "n", "code": "odd_n", "limit": 3}
    with pytest.raises(UpstreamError) as caught:
        answered({"error": error, "status": 400})

    told = caught.value
    assert ("odd_n", "odd", "n", {"limit": 3}) == (told.code, told.type, told.param, told.details)


def test_keys_of_the_config_are_redacted() -> None:
    with pytest.raises(UpstreamError) as caught:
        answered({"error": {"message": f"{KEY} is used up", "code": 402, "hint": f"replace {KEY}"}})

    assert KEY not in f"{caught.value.message} {caught.value.details}"


@pytest.mark.parametrize("way", [answered, streamed, collected])
@pytest.mark.parametrize("said", HONEST)
def test_an_answer_is_never_taken_for_an_error(way: Any, said: Any) -> None:
    way(said)


class Array:
    """What numpy's arrays have in common with this: no truth value."""

    def __bool__(self) -> bool:
        raise ValueError("the truth value of an array is ambiguous")

    def tolist(self) -> list[float]:
        return [1.0, 2.0]


def test_an_array_is_never_taken_for_an_error() -> None:
    embedded({"data": Array()})
