import pytest

from tollway.provider import ErrorKind
from tollway.provider._error_classes import kind_of, status_of_words


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("rate_limit_exceeded", 429),
        ("RateLimitError", 429),
        ("ThrottlingException", 429),
        ("Throttling.RateQuota", 429),
        ("RESOURCE_EXHAUSTED", 429),
        ("insufficient_quota", 429),
        ("overloaded_error", 529),
        ("invalid_request_error", 400),
        ("BadRequestError", 400),
        ("ValidationException", 400),
        ("INVALID_ARGUMENT", 400),
        ("context_length_exceeded", 400),
        ("content_filter", 400),
        ("authentication_error", 401),
        ("invalid_api_key", 401),
        ("UNAUTHENTICATED", 401),
        ("PERMISSION_DENIED", 403),
        ("AccessDeniedException", 403),
        ("model_not_found", 404),
        ("request_too_large", 413),
        ("timeout_error", 504),
        ("DEADLINE_EXCEEDED", 504),
        ("ServiceUnavailableException", 503),
        ("InternalServerError", 500),
        ("api_error", 500),
        ("billing_error", 402),
        ("something_else", None),
    ],
)
def test_a_code_or_type_word_stands_for_a_status(word: str, status: int | None) -> None:
    assert status == status_of_words((word,), "")


def test_the_code_is_looked_up_before_the_type() -> None:
    assert 429 == status_of_words(("rate_limit_exceeded", "invalid_request_error"), "")


TOO_LONG = [
    "This model's maximum context length is 4096 tokens. However, you requested 5000",
    "prompt is too long: 212345 tokens > 200000 maximum",
    "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000",
    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    "the request exceeds the available context size, try increasing it",
    "Input is too long for requested model.",
    "Please reduce the length of the messages or completion.",
    "context of 9000 tokens is too long",
    "too many tokens: total number of tokens in the prompt cannot exceed 4081",
]


@pytest.mark.parametrize("message", TOO_LONG)
def test_a_context_that_is_too_long_is_known_by_its_message(message: str) -> None:
    assert 400 == status_of_words((), message)
    assert ErrorKind.CONTEXT_LENGTH is kind_of(400, ("invalid_request_error",), message)


@pytest.mark.parametrize(
    "message",
    [
        "the engine died",
        "rate limit",
        "max_tokens is too large: 100000. This model supports at most 16384 completion tokens",
        "Invalid 'messages[0].content': string too short",
    ],
)
def test_other_messages_are_no_matter_of_the_context(message: str) -> None:
    assert ErrorKind.NEVER is kind_of(400, (), message)
    assert status_of_words((), message) is None


@pytest.mark.parametrize(
    ("status", "words", "message", "kind"),
    [
        (400, ("context_length_exceeded",), "", ErrorKind.CONTEXT_LENGTH),
        (500, ("exceed_context_size_error",), "", ErrorKind.CONTEXT_LENGTH),
        (429, ("rate_limit_exceeded",), "too many tokens: slow down", ErrorKind.RETRYABLE),
        (400, ("content_filter",), "", ErrorKind.CONTENT_FILTER),
        (400, ("DataInspectionFailed",), "", ErrorKind.CONTENT_FILTER),
        (403, ("moderation",), "", ErrorKind.CONTENT_FILTER),
        (429, ("insufficient_quota",), "", ErrorKind.QUOTA_EXHAUSTED),
        (400, ("invalid_request_error",), "Your credit balance is too low", ErrorKind.QUOTA_EXHAUSTED),
        (402, (), "", ErrorKind.QUOTA_EXHAUSTED),
        (429, ("RESOURCE_EXHAUSTED",), "", ErrorKind.RETRYABLE),
        (401, ("invalid_api_key",), "", ErrorKind.NEVER),
        (503, ("content_filter_unavailable",), "", ErrorKind.RETRYABLE),
    ],
)
def test_words_make_the_kind_more_exact_than_the_status(
    status: int, words: tuple[str, ...], message: str, kind: ErrorKind
) -> None:
    assert kind is kind_of(status, words, message)
