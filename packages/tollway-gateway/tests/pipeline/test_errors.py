"""What a caller is told of an error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tollway.gateway.apis import mlflow_shape, openai_shape
from tollway.gateway.errors import RequestRejected, failure_of
from tollway.provider import ErrorKind, ProviderError, UpstreamError


@pytest.mark.parametrize("kind", ErrorKind)
def test_where_a_retry_cannot_help_the_answer_says_so(kind: ErrorKind) -> None:
    lines = failure_of(ProviderError("m", kind=kind)).header_lines

    assert kind.caller_may_repeat is (b"x-should-retry: false\r\n" not in lines)


def test_the_upstreams_wait_is_passed_on_in_whole_seconds() -> None:
    error = UpstreamError("m", upstream_status=429, status=429, retry_after_s=1.2)

    assert b"retry-after: 2\r\n" == failure_of(error).header_lines


def body(error: ProviderError | RequestRejected) -> Any:
    return json.loads(openai_shape(failure_of(error)))


def test_the_upstreams_type_and_details_are_passed_on() -> None:
    error = UpstreamError("m", upstream_status=429, status=429, code="c", param="p")
    error.type, error.details = "insufficient_quota", {"metadata": {"raw": "r"}, "code": "never this one"}

    expected = {
        "message": "m",
        "type": "insufficient_quota",
        "param": "p",
        "code": "c",
        "metadata": {"raw": "r"},
    }
    assert {"error": expected} == body(error)
    assert {"detail": "m", "error": expected} == json.loads(mlflow_shape(failure_of(error)))


def test_without_a_type_of_the_upstreams_it_is_that_of_the_status() -> None:
    assert "rate_limit_error" == body(UpstreamError("m", upstream_status=429, status=429))["error"]["type"]
    assert "server_error" == body(ProviderError("m"))["error"]["type"]
    assert "invalid_request_error" == body(RequestRejected(400, "c", "m"))["error"]["type"]


@pytest.mark.parametrize("status", [0, 100, 200, 204, 304, 600, 999, -1])
def test_an_error_has_the_status_of_one(status: int) -> None:
    """A plugin may give any: one that ends no request would leave the caller without an answer."""
    assert 502 == failure_of(ProviderError("m", status=status)).status


@pytest.mark.parametrize(
    ("message", "said"), [("\ud800 x", "? x"), (object(), "the model failed"), ({1, 2}, "the model failed")]
)
def test_an_error_has_words_that_can_be_sent(message: Any, said: str) -> None:
    error = ProviderError(message, status=429, code="c", param="p")
    assert {"message": said, "type": "rate_limit_error", "param": "p", "code": "c"} == body(error)["error"]


def test_details_that_are_no_json_are_left_out() -> None:
    error = ProviderError("m", status=500)
    error.details = {"a": object()}
    assert {"message", "type", "param", "code"} == set(body(error)["error"])


@pytest.mark.parametrize("wait_s", [float("nan"), float("inf"), -1.0])
def test_a_wait_is_a_finite_time(wait_s: float) -> None:
    assert b"retry-after" not in failure_of(ProviderError("m", status=429, retry_after_s=wait_s)).header_lines
