"""Every fault in every dialect, streamed and whole: what the caller got, what was asked, what is left of it.

The endpoints are `PROVIDER.FAULT`, with `.retried` (two attempts) and `.backed` (a fallback to a good model).
"""

from __future__ import annotations

import pytest

from resilience.both_sides import Seen, check_next, see, see_counted
from resilience.conftest import PROVIDERS
from support.dialects import PIECES
from support.fault_upstream import FaultUpstream
from support.serving import Gateway
from support.stored import attributes

NEVER = [400, 401, 403, 404, 413, 422]
OPERATORS = {401, 403, 404}
"""What the gateway's operator has to fix: for a caller the gateway is at fault."""

RETRYABLE = [408, 409, 425, 429, 500, 502, 503, 504, 529]
SHOWN = {500: 502, 529: 503}
"""Statuses that a caller gets as another one."""

WHOLE_AND_STREAMED = {
    "status-503": (503, 503),
    "status-429": (429, 429),
    "reset": (502, 502),
    "close": (502, 502),
    "cut-after-0": (502, 502),
    "cut-after-1": (502, 502),
    "error-first": (429, 503),
    "error-200": (429, 429),
    "empty-200": (502, 502),
    "done-only": (502, 502),
    "truncated-json": (502, 502),
    "wrong-type": (502, 502),
}
"""Faults before the first token after which the same model may be asked again, and the caller's status."""

SILENT = ["silent", "comments", "role-only"]
"""Faults of streams in which a token never comes: a comment and a role are none."""

BROKEN = {
    "cut": 2,
    "cut-after-2": 1,
    "cut-after-4": 3,
    "stall": 2,
    "garbage-event": 2,
    "truncated-event": 2,
    "no-finish": 2,
    "error-event": 2,
    "limit-event": 2,
}
"""Faults after the first token, and how many pieces of text come before them."""

pytestmark = pytest.mark.parametrize("provider", PROVIDERS)
both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@pytest.fixture(scope="module")
def gateway(fault_gateway: Gateway) -> Gateway:
    return fault_gateway


@both
@pytest.mark.parametrize("status", NEVER)
@pytest.mark.parametrize("kind", ["retried", "backed"])
def test_what_cannot_succeed_is_asked_once(
    gateway: Gateway, faults: FaultUpstream, provider: str, status: int, stream: bool, kind: str
):
    """What nobody else would answer either is neither retried nor passed on, and says so to clients."""
    answer = gateway.chat(f"{provider}.status-{status}.{kind}", stream=stream)
    assert (502 if status in OPERATORS else status) == answer.status_code
    assert "false" == answer.headers["x-should-retry"]
    assert [f"status-{status}"] == [attempt.model for attempt in faults.attempts]


@both
@pytest.mark.parametrize("status", RETRYABLE)
def test_what_may_succeed_is_asked_again_as_often_as_allowed(
    gateway: Gateway, faults: FaultUpstream, provider: str, status: int, stream: bool
):
    """An upstream that goes on failing is asked `attempts` times; the caller may repeat the request."""
    answer = gateway.chat(f"{provider}.status-{status}.retried", stream=stream)
    assert SHOWN.get(status, status) == answer.status_code
    assert "x-should-retry" not in answer.headers
    assert 2 == len(faults.attempts)


@both
@pytest.mark.parametrize("fault", WHOLE_AND_STREAMED)
def test_a_fault_before_the_first_token_is_an_http_error(
    gateway: Gateway, faults: FaultUpstream, provider: str, fault: str, stream: bool
):
    """Without a retry and a fallback: one attempt, one failed CLIENT span, one counted error, its status."""
    seen = see_counted(gateway, faults, f"{provider}.{fault}", stream=stream)
    assert WHOLE_AND_STREAMED[fault][stream] == seen.answer.status_code
    assert [fault] == seen.asked
    assert {"errors": 1} == seen.counts
    seen.check_spans("first!")
    seen.check_failure()
    check_next(gateway, f"{provider}.ok", stream=stream)


@both
@pytest.mark.parametrize("fault", WHOLE_AND_STREAMED)
def test_a_fault_before_the_first_token_is_retried(
    gateway: Gateway, faults: FaultUpstream, provider: str, fault: str, stream: bool
):
    """The same model is asked again, and its answer is the caller's; nothing is left of the fault in it."""
    faults.queue("ok", fault)
    seen = see_counted(gateway, faults, f"{provider}.ok.retried", stream=stream)
    seen.check_answer()
    assert [fault, "ok"] == seen.asked
    assert {"errors": 1, "retries": 1} == seen.counts
    assert ["retry"] == seen.server_events
    seen.check_spans("first!", "retry")


@both
@pytest.mark.parametrize("fault", [*WHOLE_AND_STREAMED, "silent", "context-length"])
def test_a_fallback_answers_instead(
    gateway: Gateway, faults: FaultUpstream, provider: str, fault: str, stream: bool
):
    """What fails before the caller saw anything is answered by the fallback, whose model the answer names."""
    seen = see_counted(gateway, faults, f"{provider}.{fault}.backed", stream=stream)
    seen.check_answer()
    assert "ok" == seen.model
    assert [fault, "ok"] == seen.asked
    assert {"errors": 1, "fallbacks": 1} == seen.counts
    assert ["fallback"] == seen.server_events
    seen.check_spans("first!", "fallback")


@both
def test_a_refused_connection_is_retried_and_passed_on(
    gateway: Gateway, faults: FaultUpstream, provider: str, stream: bool
):
    """Nobody listens: each attempt has its span though no upstream saw it."""
    alone = see_counted(gateway, faults, f"{provider}.refused", stream=stream)
    assert (502, "upstream_unreachable") == (alone.answer.status_code, alone.error["code"])
    alone.check_spans("first!")
    alone.check_failure()

    retried = see_counted(gateway, faults, f"{provider}.refused.retried", stream=stream)
    assert (502, {"errors": 2, "retries": 1}) == (retried.answer.status_code, retried.counts)
    retried.check_spans("first!", "retry!")

    backed = see_counted(gateway, faults, f"{provider}.refused.backed", stream=stream)
    backed.check_answer()
    assert (["ok"], {"errors": 1, "fallbacks": 1}) == (backed.asked, backed.counts)
    backed.check_spans("first!", "fallback")


@both
def test_a_connection_that_is_never_accepted_is_silence(
    gateway: Gateway, faults: FaultUpstream, provider: str, stream: bool
):
    """504 with a code of its own after `connect`; not asked again, but passed on."""
    alone = see_counted(gateway, faults, f"{provider}.unreachable.retried", stream=stream)
    assert (504, "upstream_connect_timeout") == (alone.answer.status_code, alone.error["code"])
    assert {"errors": 1} == alone.counts
    alone.check_spans("first!")
    alone.check_failure()
    backed = see_counted(gateway, faults, f"{provider}.unreachable.backed", stream=stream)
    backed.check_answer()
    assert (["ok"], {"errors": 1, "fallbacks": 1}) == (backed.asked, backed.counts)
    backed.check_spans("first!", "fallback")


@pytest.mark.parametrize("fault", SILENT)
def test_a_stream_without_a_token_is_silent(
    gateway: Gateway, faults: FaultUpstream, provider: str, fault: str
):
    """Comments or a role alone are no token: 504, never asked again, passed on to the fallback."""
    seen = see(gateway, faults, f"{provider}.{fault}.retried", stream=True)
    assert (504, "first_token_timeout") == (seen.answer.status_code, seen.error["code"])
    assert [fault] == seen.asked
    seen.check_spans("first!")
    seen.check_failure()
    faults.forget()
    backed = see(gateway, faults, f"{provider}.{fault}.backed", stream=True)
    backed.check_answer()
    backed.check_spans("first!", "fallback")
    check_next(gateway, f"{provider}.ok", stream=True)


def test_a_silent_whole_answer_is_not_asked_twice(gateway: Gateway, faults: FaultUpstream, provider: str):
    """Silence is no reason to ask the same model again, whatever its retries."""
    seen = see_counted(gateway, faults, f"{provider}.silent.retried", stream=False)
    assert (504, "upstream_timeout") == (seen.answer.status_code, seen.error["code"])
    assert (["silent"], {"errors": 1}) == (seen.asked, seen.counts)


@pytest.mark.parametrize("fault", ["slow-first-token", "comment-then-token", "role-then-token"])
def test_a_late_token(gateway: Gateway, faults: FaultUpstream, provider: str, fault: str):
    """A token within `first_token` is an answer; one that would come later is asked of the fallback.

    What comes before the token (nothing, a comment, a role) does not count as one.
    """
    in_time = see(gateway, faults, f"{provider}.{fault}.backed", stream=True)
    in_time.check_answer()
    assert [fault] == in_time.asked

    faults.forget()
    gate = faults.hold_token(fault)
    late = see(gateway, faults, f"{provider}.{fault}.backed", stream=True)
    gate.set()
    late.check_answer()
    assert ([fault, "ok"], "ok") == (late.asked, late.model)
    assert "first_token_timeout" == attributes(late.clients[0])["error.type"]


@both
def test_a_refused_prompt_is_passed_on(gateway: Gateway, faults: FaultUpstream, provider: str, stream: bool):
    """A content filter's refusal is the answer: no other model is asked to get around it."""
    seen = see_counted(gateway, faults, f"{provider}.content-filter.backed", stream=stream)
    assert 400 == seen.answer.status_code
    assert "content" in seen.error["message"]
    assert (["content-filter"], {"errors": 1}) == (seen.asked, seen.counts)


@both
def test_a_prompt_that_is_too_long_is_not_asked_again(
    gateway: Gateway, faults: FaultUpstream, provider: str, stream: bool
):
    """The same model cannot take it, and clients learn the code that they act on."""
    seen = see_counted(gateway, faults, f"{provider}.context-length.retried", stream=stream)
    assert (400, "context_length_exceeded") == (seen.answer.status_code, seen.error["code"])
    assert "false" == seen.answer.headers["x-should-retry"]
    assert (["context-length"], {"errors": 1}) == (seen.asked, seen.counts)


@pytest.mark.parametrize("kind", ["", ".retried", ".backed"])
@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_stream_says_so(
    gateway: Gateway, faults: FaultUpstream, provider: str, fault: str, kind: str
):
    """After the first token a failure is an error event, the last one, without `[DONE]`; the trace failed."""
    seen = see_counted(gateway, faults, f"{provider}.{fault}{kind}", stream=True)
    assert [*PIECES[: BROKEN[fault]], "error"] == [word for word in seen.events.order if word != "role"]
    assert ([fault], {"errors": 1}) == (seen.asked, seen.counts)
    seen.check_spans("first!")
    seen.check_failure()
    assert "ERROR" == seen.trace.summary["status"]
    check_next(gateway, f"{provider}.ok", stream=True)


@pytest.mark.parametrize("fault", [*BROKEN, "oversized"])
def test_a_whole_answer_that_breaks_is_answered_by_the_fallback(
    gateway: Gateway, faults: FaultUpstream, provider: str, fault: str
):
    """Nobody saw half of a whole answer, nor one beyond `max_answer_bytes`."""
    seen = see(gateway, faults, f"{provider}.{fault}.backed", stream=False)
    seen.check_answer()
    assert [fault, "ok"] == seen.asked
    seen.check_spans("first!", "fallback")
    check_next(gateway, f"{provider}.ok", stream=False)


def test_an_oversized_answer_is_an_error(gateway: Gateway, faults: FaultUpstream, provider: str):
    seen = see(gateway, faults, f"{provider}.oversized", stream=False)
    assert (502, "upstream_response_too_large") == (seen.answer.status_code, seen.error["code"])
    seen.check_failure()


def test_an_oversized_event_is_an_error(gateway: Gateway, faults: FaultUpstream, provider: str):
    """A stream has no bound in sum, but one event has; before the first token the fallback is asked."""
    seen = see(gateway, faults, f"{provider}.oversized", stream=True)
    assert (502, "stream_incomplete") == (seen.answer.status_code, seen.error["code"])
    assert "event" in seen.error["message"]
    faults.forget()
    backed = see(gateway, faults, f"{provider}.oversized.backed", stream=True)
    backed.check_answer()
    backed.check_spans("first!", "fallback")


@both
def test_a_stream_without_its_terminator_is_complete(
    gateway: Gateway, faults: FaultUpstream, provider: str, stream: bool
):
    """All choices have finished: what lacks is the terminator, which is added."""
    seen = see(gateway, faults, f"{provider}.no-terminator", stream=stream)
    seen.check_answer()
    seen.check_spans("first")


def delay_of(seen: Seen) -> float:
    """Return how long a retry waited, as the SERVER span tells."""
    events = [event for span in seen.trace.spans for event in span.get("events", ())]
    (retry,) = (event for event in events if event["name"] == "retry")
    return float(attributes(retry)["delay_s"])


WAITS_S = {"again-in-1s": (1.0, 1.1), "again-in-50ms": (0.05, 0.055), "again-at-a-date": (0.0, 2.2)}
"""Between which times a retry comes: a date is in whole seconds, the next or the one after that."""


@both
@pytest.mark.parametrize("fault", WAITS_S)
def test_a_retry_comes_when_the_upstream_says(
    gateway: Gateway, faults: FaultUpstream, provider: str, fault: str, stream: bool
):
    """`Retry-After` in seconds, as an HTTP date, and OpenAI's `retry-after-ms`; a tenth more at most."""
    faults.queue("ok", fault)
    seen = see(gateway, faults, f"{provider}.ok.retried", stream=stream)
    seen.check_answer()
    assert [fault, "ok"] == seen.asked
    least_s, most_s = WAITS_S[fault]
    assert least_s <= delay_of(seen) <= most_s
    first, second = seen.attempts
    assert second.at_s - first.at_s >= least_s


@both
@pytest.mark.parametrize("fault", ["again-in-an-hour", "again-in-an-hour-of-ms", "again-at-a-late-date"])
def test_a_long_wait_is_not_waited_for(
    gateway: Gateway, faults: FaultUpstream, provider: str, fault: str, stream: bool
):
    """Beyond `max_backoff` nobody is asked again: the fallback is, or the caller learns how long to wait."""
    alone = see(gateway, faults, f"{provider}.{fault}.retried", stream=stream)
    assert (429, [fault]) == (alone.answer.status_code, alone.asked)
    assert 3500 < int(alone.answer.headers["retry-after"]) <= 3600
    faults.forget()
    backed = see(gateway, faults, f"{provider}.{fault}.backed", stream=stream)
    backed.check_answer()
    assert [fault, "ok"] == backed.asked
