"""Every fault, streamed and whole, with and without a fallback: what the caller got, and what was asked."""

from __future__ import annotations

import httpx
import pytest

from support.dialects import TEXT
from support.fault_upstream import FaultUpstream
from support.serving import Gateway
from support.sse import SeenStream

NEVER = [400, 401, 403, 404, 413, 422]
OPERATORS = {401, 403, 404}
"""What the gateway's operator has to fix: for a caller the gateway is at fault."""

RETRYABLE = [408, 409, 425, 429, 500, 502, 503, 504, 529]


def ask(gateway: Gateway, endpoint: str, *, stream: bool) -> httpx.Response:
    return gateway.chat(endpoint, stream=stream)


def asked(faults: FaultUpstream) -> list[str]:
    """Return the models that were asked, in order.

    A kept connection that is found closed is no attempt: its request goes out again (RFC 9112 9.3.1).
    """
    return list(dict.fromkeys(attempt.model for attempt in faults.attempts))


def text_of(answer: httpx.Response, *, stream: bool) -> str:
    """Return what a caller reads of an answer that has to be good."""
    assert 200 == answer.status_code, answer.text
    if not stream:
        return str(answer.json()["choices"][0]["message"]["content"])
    seen = SeenStream(answer.text)
    assert seen.error is None
    assert seen.is_done
    return seen.text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", NEVER)
def test_what_cannot_succeed_is_asked_once(
    gateway: Gateway, faults: FaultUpstream, status: int, stream: bool
):
    """What nobody else would answer either is neither retried nor passed on, and says so to clients."""
    for endpoint in (f"status-{status}.retried", f"status-{status}.backed"):
        faults.forget()
        answer = ask(gateway, endpoint, stream=stream)
        assert (502 if status in OPERATORS else status) == answer.status_code
        assert "false" == answer.headers["x-should-retry"]
        assert [f"status-{status}"] == [attempt.model for attempt in faults.attempts]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", RETRYABLE)
def test_what_may_succeed_is_asked_again(gateway: Gateway, faults: FaultUpstream, status: int, stream: bool):
    """A retryable status is followed by a second attempt, which answers."""
    faults.queue("ok", f"status-{status}")
    assert TEXT == text_of(ask(gateway, "ok.retried", stream=stream), stream=stream)
    assert [f"status-{status}", "ok"] == [attempt.fault for attempt in faults.attempts]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", RETRYABLE)
def test_attempts_are_bounded(gateway: Gateway, faults: FaultUpstream, status: int, stream: bool):
    """An upstream that goes on failing is asked `attempts` times, and the caller gets the last status."""
    answer = ask(gateway, f"status-{status}.retried", stream=stream)
    assert answer.status_code >= 400
    assert "x-should-retry" not in answer.headers
    assert 2 == len(faults.attempts)


BEFORE_THE_FIRST_TOKEN = [
    *("status-503", "status-429", "reset", "close", "silent", "error-first", "error-200", "empty-200"),
    *("truncated-json", "wrong-type", "context-length"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", BEFORE_THE_FIRST_TOKEN)
def test_a_fallback_answers_instead(gateway: Gateway, faults: FaultUpstream, fault: str, stream: bool):
    """What fails before the caller saw anything is answered by the fallback, whose model the answer names."""
    answer = ask(gateway, f"{fault}.backed", stream=stream)
    assert TEXT == text_of(answer, stream=stream)
    assert [fault, "ok"] == asked(faults)
    model = SeenStream(answer.text).model if stream else answer.json()["model"]
    assert "ok" == model


@pytest.mark.parametrize("fault", ["comments", "role-only"])
def test_a_comment_and_a_role_are_no_token(gateway: Gateway, faults: FaultUpstream, fault: str):
    """A stream that says nothing but comments or a role is silent: the fallback is asked."""
    answer = ask(gateway, f"{fault}.backed", stream=True)
    assert TEXT == text_of(answer, stream=True)
    assert [fault, "ok"] == [attempt.model for attempt in faults.attempts]


@pytest.mark.parametrize("stream", [False, True])
def test_a_silent_model_is_not_asked_twice(gateway: Gateway, faults: FaultUpstream, stream: bool):
    """Silence is no reason to ask the same model again, whatever its retries."""
    assert 504 == ask(gateway, "silent.retried", stream=stream).status_code
    assert 1 == len(faults.attempts)


@pytest.mark.parametrize("stream", [False, True])
def test_a_refused_prompt_is_passed_on(gateway: Gateway, faults: FaultUpstream, stream: bool):
    """A content filter's refusal is the answer: no other model is asked to get around it."""
    answer = ask(gateway, "content-filter.backed", stream=stream)
    assert 400 == answer.status_code
    assert "content_filter" == answer.json()["error"]["code"]
    assert ["content-filter"] == [attempt.model for attempt in faults.attempts]


AFTER_THE_FIRST_TOKEN = ["cut", "stall", "garbage-event", "no-finish", "error-event"]


@pytest.mark.parametrize("kind", ["", ".retried", ".backed"])
@pytest.mark.parametrize("fault", AFTER_THE_FIRST_TOKEN)
def test_a_broken_stream_says_so(gateway: Gateway, faults: FaultUpstream, fault: str, kind: str):
    """After the first token a failure is an error event, without `[DONE]`; the trace has failed."""
    answer = ask(gateway, f"{fault}{kind}", stream=True)
    seen = SeenStream(answer.text)
    assert (200, "One two ") == (answer.status_code, seen.text)
    assert seen.error is not None
    assert not seen.is_done
    assert [fault] == [attempt.model for attempt in faults.attempts]
    trace = gateway.trace(answer.headers["x-tollway-trace-id"])
    assert "ERROR" == trace.summary["status"]


@pytest.mark.parametrize("fault", AFTER_THE_FIRST_TOKEN)
def test_whole_answers_that_break_are_answered_by_the_fallback(
    gateway: Gateway, faults: FaultUpstream, fault: str
):
    """Nobody saw half of a whole answer."""
    assert TEXT == text_of(ask(gateway, f"{fault}.backed", stream=False), stream=False)


def test_a_stream_without_its_terminator_is_complete(gateway: Gateway, faults: FaultUpstream):
    """All choices have finished: what lacks is `[DONE]`, which is added."""
    assert TEXT == text_of(ask(gateway, "no-terminator", stream=True), stream=True)


@pytest.mark.parametrize("fault", ["oversized"])
def test_an_oversized_answer_is_an_error(gateway: Gateway, faults: FaultUpstream, fault: str):
    """An answer beyond `max_answer_bytes` is given up, and the fallback is asked."""
    assert 502 == ask(gateway, fault, stream=False).status_code
    assert TEXT == text_of(ask(gateway, f"{fault}.backed", stream=False), stream=False)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", [*BEFORE_THE_FIRST_TOKEN, *AFTER_THE_FIRST_TOKEN])
def test_the_next_request_succeeds(gateway: Gateway, faults: FaultUpstream, fault: str, stream: bool):
    """After a fault the next healthy request succeeds at once."""
    faults.queue("ok", fault)
    ask(gateway, "ok", stream=stream)
    assert TEXT == text_of(ask(gateway, "ok", stream=stream), stream=stream)
