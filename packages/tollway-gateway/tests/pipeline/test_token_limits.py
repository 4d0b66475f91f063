"""Limits on tokens: an estimate is taken when the call comes, and what it really used when it ends."""

from __future__ import annotations

from typing import Any

import pytest

from tollway.gateway.pipeline import Runtime
from tollway.provider import BaseProvider, Target, Task

PATH = "/endpoints/chat/invocations"
HOUR = {"renewal_period_s": 3600}
CHAT = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 90}
ESTIMATE = 90 + 15  # a quarter of the bytes of the body


def usage(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion}


def completion(used: dict[str, int] | None) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": "ho"}, "finish_reason": "stop"}
    return {"id": "1", "model": "m", "choices": [choice], **({} if used is None else {"usage": used})}


def left(answer: Any) -> int:
    return int(answer.headers["x-ratelimit-remaining-tokens"])


@pytest.fixture
def limited(plain):
    """A gateway whose endpoint allows 1,000 tokens an hour, and an upstream that follows a script."""

    def start(script: Any, tokens: int = 1000, **more: Any) -> Any:
        return plain(script, limits=[{"tokens": tokens, **HOUR}], **more)

    return start


def test_what_was_used_is_charged(limited):
    """More or less than the estimate: the next call sees it."""
    used = iter([usage(10, 20), usage(300, 200), usage(1, 1)])
    gateway, _ = limited(lambda exchange: exchange.answer(completion(next(used))))
    answers = [gateway.client.post(PATH, json=CHAT) for _ in range(3)]
    assert [1000 - ESTIMATE, 970 - ESTIMATE, 470 - ESTIMATE] == [left(answer) for answer in answers]


def test_an_answer_that_does_not_say_what_it_used_costs_the_estimate(limited):
    gateway, _ = limited(lambda exchange: exchange.answer(completion(None)))
    answers = [gateway.client.post(PATH, json=CHAT) for _ in range(2)]
    assert [1000 - ESTIMATE, 1000 - 2 * ESTIMATE] == [left(answer) for answer in answers]


def test_what_failed_is_given_back(limited):
    """A model that did not answer has used nothing."""
    gateway, _ = limited(lambda exchange: exchange.answer({"error": "no"}, status=500))
    answers = [gateway.client.post(PATH, json=CHAT) for _ in range(3)]
    assert [1000 - ESTIMATE] * 3 == [left(answer) for answer in answers]


def test_a_stream_is_charged_what_it_used(limited):
    def script(exchange: Any) -> None:
        exchange.begin_stream()
        exchange.event({"id": "1", "model": "m", "choices": [], "usage": usage(200, 100)})
        exchange.event(b"[DONE]")
        exchange.end_stream()

    gateway, _ = limited(script)
    first, second = (gateway.client.post(PATH, json={**CHAT, "stream": True}) for _ in range(2))
    assert 300 == left(first) - left(second)


def test_a_caller_that_hangs_up_gets_its_tokens_back(limited):
    """Before the model answered anything."""

    def script(exchange: Any) -> None:
        if b"forever" in exchange.body:
            exchange.wait_until_gone()
        else:
            exchange.answer(completion(usage(1, 1)))

    gateway, upstream = limited(script)
    with gateway.client.stream("POST", PATH, json={**CHAT, "stop": "x"}):
        pass
    impatient = {**CHAT, "user": "forever"}
    with pytest.raises(Exception, match="timed out"):
        gateway.client.post(PATH, json=impatient, timeout=0.2)
    for _ in range(2):
        upstream.requests.get(timeout=20)
    gateway.spans.wait_for("POST /endpoints/{name}/invocations")
    gateway.spans.wait_for("POST /endpoints/{name}/invocations")
    assert 1000 - 2 - ESTIMATE == left(gateway.client.post(PATH, json=CHAT))


def test_a_debt_keeps_calls_out_until_it_is_paid(limited):
    """And Retry-After says how long that takes."""
    gateway, _ = limited(lambda exchange: exchange.answer(completion(usage(1000, 500))))
    assert 200 == gateway.client.post(PATH, json=CHAT).status_code
    denied = gateway.client.post(PATH, json=CHAT)
    assert 429 == denied.status_code
    assert (500 + ESTIMATE) * 3.6 - 2 < int(denied.headers["retry-after"]) <= (500 + ESTIMATE) * 3.6 + 1


def test_a_call_that_finds_no_place_gets_everything_back(gateway):
    """It was charged to a limit on calls and to one on tokens before it had to wait for others."""
    import threading

    entered, may_end = threading.Semaphore(0), threading.Event()

    class Slow(BaseProvider):
        def predict(self, payload: Any) -> str:
            entered.release()
            may_end.wait(20)
            return "ho"

    endpoint = {
        "name": "chat",
        "endpoint_type": "llm/v1/chat",
        "model": {"provider": "own", "name": "m"},
        "limits": [{"calls": 3, "tokens": 1000, **HOUR}],
        "concurrency": {"max_in_flight": 1, "max_queue": 0},
    }
    running = gateway(
        {"endpoints": [endpoint]},
        providers={"chat": Slow(Target("chat", Task.CHAT, "m"))},
        runtime=Runtime({}, clock_ns=lambda: 10**9),
    )
    first = threading.Thread(target=running.client.post, args=(PATH,), kwargs={"json": CHAT})
    first.start()
    entered.acquire(timeout=20)
    shed = [running.client.post(PATH, json=CHAT) for _ in range(3)]
    may_end.set()
    first.join()
    assert [503] * 3 == [answer.status_code for answer in shed]
    allowed = running.client.post(PATH, json=CHAT)
    assert (200, "1") == (allowed.status_code, allowed.headers["x-ratelimit-remaining-requests"])


def test_each_client_and_each_team_has_its_own(plain):
    """A limit by client or by header."""
    limits = [{"calls": 5, "key": "client", **HOUR}, {"calls": 1, "key": "header:x-team", **HOUR}]
    gateway, _ = plain(lambda exchange: exchange.answer(completion(None)), limits=limits)
    teams = ("a", "b", "a", "c", "b")
    statuses = [gateway.client.post(PATH, json=CHAT, headers={"x-team": team}).status_code for team in teams]
    assert [200, 200, 429, 200, 429] == statuses
    assert 200 == gateway.client.post(PATH, json=CHAT).status_code
    assert '"chat";r=0' in gateway.client.post(PATH, json=CHAT, headers={"x-team": "d"}).headers["ratelimit"]
