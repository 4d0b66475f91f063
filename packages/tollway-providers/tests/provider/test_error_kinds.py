import pytest

from tollway.provider import (
    ErrorKind,
    PayloadError,
    PredictionError,
    ProviderError,
    ResponseError,
    StreamError,
    UpstreamConnectionError,
    UpstreamError,
    UpstreamTimeoutError,
)
from tollway.provider.error_kinds import kind_of_status


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 520, 524, 529])
def test_a_status_after_which_the_same_request_may_succeed_is_retryable(status: int) -> None:
    assert ErrorKind.RETRYABLE is kind_of_status(status)


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 405, 410, 413, 415, 418, 422, 451, 501, 505])
def test_any_other_status_is_final(status: int) -> None:
    assert ErrorKind.NEVER is kind_of_status(status)


def test_an_account_without_money_is_not_asked_again_but_another_may_be() -> None:
    assert ErrorKind.QUOTA_EXHAUSTED is kind_of_status(402)


@pytest.mark.parametrize(
    ("kind", "may"),
    [
        (ErrorKind.RETRYABLE, (True, True, True)),
        (ErrorKind.SILENT, (False, True, True)),
        (ErrorKind.CONTEXT_LENGTH, (False, True, False)),
        (ErrorKind.QUOTA_EXHAUSTED, (False, True, False)),
        (ErrorKind.CONTENT_FILTER, (False, False, False)),
        (ErrorKind.NEVER, (False, False, False)),
    ],
)
def test_each_kind_says_what_may_follow(kind: ErrorKind, may: tuple[bool, bool, bool]) -> None:
    assert may == (kind.may_retry, kind.may_fall_back, kind.caller_may_repeat)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (PayloadError("x"), ErrorKind.NEVER),
        (UpstreamConnectionError("x"), ErrorKind.RETRYABLE),
        (UpstreamTimeoutError("x"), ErrorKind.SILENT),
        (ResponseError("x"), ErrorKind.RETRYABLE),
        (StreamError("x"), ErrorKind.RETRYABLE),
        (PredictionError("x"), ErrorKind.RETRYABLE),
        (ProviderError("x", status=422), ErrorKind.NEVER),
        (ProviderError("x", status=400, kind=ErrorKind.RETRYABLE), ErrorKind.RETRYABLE),
        (UpstreamError("x", upstream_status=401, status=502), ErrorKind.NEVER),
        (UpstreamError("x", upstream_status=529, status=503), ErrorKind.RETRYABLE),
    ],
)
def test_an_error_has_the_kind_of_its_upstreams_status_unless_it_says_another(
    error: ProviderError, kind: ErrorKind
) -> None:
    assert kind is error.kind
