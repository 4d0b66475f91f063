"""Errors of the Messages API: whole and streamed, under a 200 or their own status, they are one error."""

import json
from typing import Any

import pytest

from tollway.provider import (
    Call,
    ErrorKind,
    ProviderError,
    StreamError,
    Task,
    UpstreamResponse,
)

from .test_anthropic_answers import (
    CALL_1,
    TARGET,
    TEXT,
    THINKING,
    FixedClock,
    decoder,
    message,
    stream,
    whole,
)

PROVIDER = FixedClock(TARGET)


def whole_error(body: bytes) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        PROVIDER.response(Call(Task.CHAT, {}, b""), UpstreamResponse(200, {}, body))
    return caught.value


def streamed_error(data: bytes) -> ProviderError:
    reader = decoder()
    out = reader.feed(data) + reader.end()
    assert b"[DONE]" not in out
    assert not reader.complete
    return reader.error


def told(error: ProviderError) -> tuple[Any, ...]:
    return (error.status, error.code, error.type, error.message, error.kind, error.details)


@pytest.mark.parametrize(
    ("kind", "status", "shown"),
    [
        ("invalid_request_error", 400, 400),
        ("authentication_error", 401, 502),
        ("billing_error", 402, 402),
        ("permission_error", 403, 502),
        ("not_found_error", 404, 502),
        ("request_too_large", 413, 413),
        ("rate_limit_error", 429, 429),
        ("api_error", 500, 502),
        ("timeout_error", 504, 504),
        ("overloaded_error", 529, 503),
    ],
)
def test_an_error_is_the_same_under_a_200_and_under_its_status(kind: str, status: int, shown: int) -> None:
    body = {"type": "error", "error": {"type": kind, "message": "why"}, "request_id": "req_1"}
    raw = json.dumps(body).encode()
    event = b"event: error\ndata: " + raw + b"\n\n"
    begun = stream(TEXT).partition(b"event: message_delta")[0]
    direct = PROVIDER.error(UpstreamResponse(status, {}, raw))

    assert shown == direct.status
    for error in (
        whole_error(raw),
        whole_error(begun + event),
        streamed_error(raw),
        streamed_error(event),
        streamed_error(begun + event),
        streamed_error(begun + b"data: " + raw + b"\n\n"),
        streamed_error(begun + raw),
    ):
        assert told(direct) == told(error)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"message": "no", "code": 503}}, 503),
        ({"detail": "prompt is too long: 9 tokens > 5 maximum"}, 400),
        ({"message": "no", "code": 429}, 429),
        ({"error": "no"}, 502),
        ("no", 502),
    ],
)
def test_the_errors_of_what_stands_before_it_are_read_too(body: Any, status: int) -> None:
    raw = json.dumps(body).encode()
    begun = stream(TEXT).partition(b"event: message_delta")[0]

    for error in (whole_error(raw), streamed_error(raw), streamed_error(begun + b"data: " + raw + b"\n\n")):
        assert status == error.status
        assert "no" in error.message or "too long" in error.message


def test_a_page_is_quoted() -> None:
    page = b"<html><title>Sign in</title></html>"

    assert "Sign in" in whole_error(page).message
    assert "Sign in" in streamed_error(page).message


def test_an_account_without_credit_may_fall_back_but_is_not_asked_again() -> None:
    error = {"type": "invalid_request_error", "message": "Your credit balance is too low to access the API."}

    read = PROVIDER.error(UpstreamResponse(400, {}, json.dumps({"type": "error", "error": error}).encode()))

    assert ErrorKind.QUOTA_EXHAUSTED is read.kind


@pytest.mark.parametrize("size", [1, 10_000])
def test_a_whole_message_in_a_streams_place_is_streamed(size: int) -> None:
    body = json.dumps(message(TEXT, CALL_1, stop_reason="tool_use")).encode()
    reader = decoder()

    out = b"".join([reader.feed(body[at : at + size]) for at in range(0, len(body), size)]) + reader.end()

    assert reader.complete
    assert ("tool_calls",) == reader.info.finish_reasons
    assert out.endswith(b"data: [DONE]\n\n")
    assert TEXT["text"] in out.decode()


def test_a_stream_in_a_whole_messages_place_is_joined() -> None:
    answer = PROVIDER.response(Call(Task.CHAT, {}, b""), UpstreamResponse(200, {}, stream(TEXT, CALL_1)))
    expected = json.loads(whole(TEXT, CALL_1).body)
    said = json.loads(answer.body)

    assert expected["usage"] == said["usage"]
    got = said["choices"][0]
    assert expected["choices"][0]["finish_reason"] == got["finish_reason"]
    assert expected["choices"][0]["message"]["content"] == got["message"]["content"]
    (call,) = got["message"]["tool_calls"]
    assert CALL_1["input"] == json.loads(call["function"]["arguments"])


def test_a_message_that_lacks_only_its_message_stop_is_complete() -> None:
    reader = decoder()
    out = reader.feed(stream(TEXT).partition(b"event: message_stop")[0]) + reader.end()

    assert reader.complete
    assert out.endswith(b"data: [DONE]\n\n")


def test_a_message_without_a_reason_to_stop_is_cut() -> None:
    assert isinstance(streamed_error(stream(TEXT).partition(b"event: message_delta")[0]), StreamError)


def test_the_first_token_is_text_thinking_or_a_call() -> None:
    """The start of the message, a ping and an empty block are none."""
    for block, first in ((TEXT, b"text_delta"), (THINKING, b"thinking_delta"), (CALL_1, b"tool_use")):
        reader = decoder()
        before, _, after = stream(block).partition(first)
        head, _, tail = before.rpartition(b"event: ")
        reader.feed(head)
        assert reader.info.token_seen is False
        reader.feed(b"event: " + tail + first + after)
        assert reader.info.token_seen is True
