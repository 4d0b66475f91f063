"""Errors of OpenAI's dialect: whole and streamed, under a 200 or their own status, they are one error."""

import json
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.provider import (
    Call,
    ErrorKind,
    HTTPProvider,
    ProviderError,
    ResponseError,
    Setting,
    StreamError,
    Target,
    Task,
    UpstreamResponse,
)

KEY = "sk-a-long-and-secret-key"


class Acme(HTTPProvider):
    base_url = "https://acme.test/v1/"
    settings = (Setting("api_key", "a key", secret=True),)


PROVIDER = Acme(Target("e", Task.CHAT, "big", {"api_key": KEY}))
CHUNK = {"id": "x", "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}]}


def events(*chunks: Any, done: bool = False) -> bytes:
    sent = b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks)
    return sent + b"data: [DONE]\n\n" * done


def whole(body: bytes) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        PROVIDER.response(Call(Task.CHAT, {}, b""), UpstreamResponse(200, {}, body))
    return caught.value


def streamed(data: bytes) -> ProviderError:
    decoder = PROVIDER.stream(Call(Task.CHAT, {}, b"", stream=True))
    out = decoder.feed(data) + decoder.end()
    assert b"[DONE]" not in out
    assert not decoder.complete
    assert decoder.error is not None
    return decoder.error


def with_status(status: int, body: Any) -> ProviderError:
    return PROVIDER.error(UpstreamResponse(status, {}, json.dumps(body).encode()))


def told(error: ProviderError) -> tuple[Any, ...]:
    return (error.status, error.code, error.type, error.param, error.message, error.kind, error.details)


@pytest.mark.parametrize(
    "status", [400, 401, 402, 403, 404, 408, 409, 422, 429, 451, 500, 502, 503, 504, 529]
)
def test_an_error_is_the_same_under_a_200_and_under_its_status(status: int) -> None:
    body = {"error": {"message": "why", "code": status}}
    direct = told(with_status(status, body))

    assert direct == told(whole(json.dumps(body).encode()))
    assert direct == told(whole(json.dumps({"id": "x", "choices": None, **body}).encode()))
    assert direct == told(streamed(events(body)))
    assert direct == told(streamed(events(CHUNK, body, done=True)))
    assert direct == told(streamed(json.dumps(body).encode()))
    assert direct == told(whole(events(CHUNK, body)))


TOO_LONG = "context of 9000 tokens is too long"
FORMS = [
    ({"object": "error", "message": TOO_LONG, "type": "BadRequestError", "param": None, "code": 400}, 400),
    ({"object": "error", "message": "engine died", "type": "InternalServerError", "code": 500}, 502),
    ({"detail": TOO_LONG}, 400),
    ({"detail": [{"loc": ["body", "n"], "msg": "bad", "type": "missing"}], "status": 422}, 422),
    ({"code": 400, "message": "bad prompt"}, 400),
    ({"base_resp": {"status_code": 1002, "status_msg": "rate limit"}, "choices": None}, 429),
    ({"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}}, 429),
    ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, 503),
    ({"__type": "com.amazon#ThrottlingException", "message": "slow down"}, 429),
    ([{"error": {"code": 400, "message": "bad", "status": "INVALID_ARGUMENT"}}], 400),
    ({"success": False, "message": "no"}, 502),
    ({"error": "no"}, 502),
    ("upstream rate limit exceeded", 502),
    ({"choices": [], "error": {"message": "no", "code": 503}}, 503),
    ({"choices": [{"index": 0, "finish_reason": "error", "error": {"code": 429, "message": "no"}}]}, 429),
    ({"choices": [{"index": 0, "finish_reason": "insufficient_system_resource"}]}, 503),
]


@pytest.mark.parametrize(("body", "status"), FORMS)
def test_every_form_of_an_error_under_a_200_has_its_status_and_words(body: Any, status: int) -> None:
    for error in (
        whole(json.dumps(body).encode()),
        streamed(events(body, done=True)),
        streamed(events(CHUNK, body, done=True)),
        streamed(json.dumps(body).encode()),
        streamed(events(CHUNK) + json.dumps(body).encode()),
        streamed(events(CHUNK) + json.dumps(body).encode() + b"\n\n"),
        streamed(events(CHUNK) + b"event: error\n" + events(body)),
    ):
        assert status == error.status
        words = [
            TOO_LONG,
            "engine died",
            "bad",
            "rate limit",
            "slow down",
            "Overloaded",
            "no",
            "insufficient",
        ]
        assert any(word in error.message for word in words)


def test_an_error_whose_status_is_not_told_is_a_bad_gateway() -> None:
    body = {"error": {"message": "why", "code": "odd_word"}}

    assert isinstance(whole(json.dumps(body).encode()), ResponseError)
    error = streamed(events(body))
    assert isinstance(error, StreamError)
    assert (502, "odd_word", ErrorKind.RETRYABLE) == (error.status, error.code, error.kind)


def test_an_error_without_words_or_code_is_a_plain_upstream_error() -> None:
    error = streamed(b"event: error\ndata: {}\n\n")

    assert ("upstream_error", "the model's service reported an error in mid-answer") == (
        error.code,
        error.message,
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html><title>Sign in</title></html>", "Sign in"),
        (b"upstream connect error", "upstream connect error"),
        (b'{"choices": [{"mess', '{"choices": [{"mess'),
    ],
)
def test_what_is_not_json_is_quoted(body: bytes, words: str) -> None:
    assert words in whole(body).message
    assert words in streamed(body).message


def test_text_in_a_stream_is_quoted() -> None:
    assert (
        "upstream rate limit exceeded"
        in streamed(events(CHUNK) + b"data: upstream rate limit exceeded\n\n").message
    )


class TestDetails:
    """What a program acts on is kept."""

    AZURE: ClassVar[Any] = {
        "message": "filtered",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {}}},
    }

    def test_azures_filter_result(self) -> None:
        error = with_status(400, {"error": self.AZURE})

        assert ("content_filter", "prompt") == (error.code, error.param)
        assert {"innererror": self.AZURE["innererror"]} == error.details
        assert ErrorKind.CONTENT_FILTER is error.kind

    def test_the_reason_of_the_provider_behind_a_router(self) -> None:
        metadata = {"raw": "model-x is overloaded", "provider_name": "Y"}
        error = with_status(
            429, {"error": {"message": "Provider returned error", "code": 429, "metadata": metadata}}
        )

        assert "Provider returned error: model-x is overloaded" == error.message
        assert {"metadata": metadata} == error.details

    def test_a_type_without_a_code(self) -> None:
        error = with_status(
            429, {"error": {"message": "q", "type": "insufficient_quota", "param": None, "code": None}}
        )

        assert ("insufficient_quota", ErrorKind.QUOTA_EXHAUSTED) == (error.type, error.kind)

    def test_json_in_the_message(self) -> None:
        inner = json.dumps({"error": {"message": "the reason", "code": "context_length_exceeded"}})
        error = with_status(400, {"error": {"message": inner}})

        assert ("the reason", "context_length_exceeded") == (error.message, error.code)
        assert ErrorKind.CONTEXT_LENGTH is error.kind

    def test_a_code_beside_the_message(self) -> None:
        error = with_status(400, {"code": "DataInspectionFailed", "message": "m", "request_id": "r"})

        assert ("DataInspectionFailed", {"request_id": "r"}) == (error.code, error.details)

    def test_a_moderation_is_passed_on_with_its_own_status(self) -> None:
        metadata = {"reasons": ["violence"], "flagged_input": "…"}
        error = with_status(403, {"error": {"code": 403, "message": "flagged", "metadata": metadata}})

        assert (403, ErrorKind.CONTENT_FILTER) == (error.status, error.kind)

    @pytest.mark.parametrize("status", [401, 403, 404])
    def test_what_speaks_of_the_gateways_own_account_is_not_passed_on(self, status: int) -> None:
        error = with_status(status, {"error": {"message": "m", "type": "t", "code": "c", "org": "org-1"}})

        assert (None, {}) == (error.type, error.details)

    def test_no_secret_is_in_the_details(self) -> None:
        error = with_status(429, {"error": {"message": "m", "more": [{KEY: f"key {KEY}"}]}})

        assert {"more": [{"[redacted]": "key [redacted]"}]} == error.details


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["error", "message", "detail", "choices", "finish_reason", "code", "index"]),
            inner,
        )
    ),
)


@given(JSON)
def test_whatever_json_a_200_holds_it_is_an_answer_or_an_error(body: Any) -> None:
    raw = json.dumps(body).encode()
    decoder = PROVIDER.stream(Call(Task.CHAT, {}, b"", stream=True))
    decoder.feed(raw)
    decoder.end()

    assert decoder.complete is (decoder.error is None)
    try:
        PROVIDER.response(Call(Task.CHAT, {}, b""), UpstreamResponse(200, {}, raw))
    except ProviderError as error:
        assert 400 <= error.status < 600  # noqa: PT017 - either is right


ERROR_LIKE = st.recursive(
    st.none() | st.booleans() | st.sampled_from([0, 200, 400, 429, 503, "429", "why", "rate_limit_exceeded"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "message", "detail", "code", "type", "status", "status_code", "success", "choices"]
            ),
            inner,
            max_size=4,
        )
    ),
)


@given(ERROR_LIKE)
def test_whole_and_streamed_answers_agree_on_the_status_of_any_json(body: Any) -> None:
    raw = json.dumps(body).encode()
    statuses = []
    for data in (raw, b"data: %b\n\ndata: [DONE]\n\n" % raw):
        decoder = PROVIDER.stream(Call(Task.CHAT, {}, b"", stream=True))
        decoder.feed(data)
        decoder.end()
        statuses.append(None if decoder.error is None else decoder.error.status)
    try:
        PROVIDER.response(Call(Task.CHAT, {}, b""), UpstreamResponse(200, {}, raw))
        statuses.append(None)
    except ProviderError as error:
        statuses.append(error.status)

    if None not in statuses:  # a choice that is none is an answer to one, and cut to the other
        assert 1 == len({*statuses}), statuses
