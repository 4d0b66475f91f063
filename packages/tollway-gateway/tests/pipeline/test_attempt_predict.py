"""What a `predict` answers is judged and bounded as the answer of a service over HTTP is."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest

from tollway.provider import BaseProvider, Target, Task

CHAT = {"messages": [{"role": "user", "content": "hi"}]}
PATH = "/endpoints/chat/invocations"
MAX_BYTES = 2000
BOUND = {"max_answer_bytes": MAX_BYTES}
TOO_LARGE = (502, "upstream_response_too_large")
LIMITED = {"error": {"message": "slow down", "type": "requests", "code": 429}}


def returned(payload: Any) -> Any:
    return LIMITED


async def returned_later(payload: Any) -> Any:
    return LIMITED


def yielded(payload: Any) -> Iterator[Any]:
    yield LIMITED


async def yielded_later(payload: Any) -> AsyncIterator[Any]:
    yield LIMITED


def code_of(answer: httpx.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json()["error"]["code"]


def last_event(answer: httpx.Response) -> Any:
    assert 200 == answer.status_code
    *_, last = (line for line in answer.text.splitlines() if line)
    return json.loads(last.removeprefix("data: "))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("predict", [returned, returned_later, yielded, yielded_later])
def test_a_reported_error_has_the_status_that_it_states(model: Any, predict: Any, stream: bool) -> None:
    gateway = model(predict)
    answer = gateway.client.post(PATH, json={**CHAT, "stream": stream})
    error = answer.json()["error"]
    assert (429, "slow down", "requests") == (answer.status_code, error["message"], error["type"])
    attempt = gateway.spans.wait_for("chat gpt-4")
    assert error["code"] == attempt.attributes["error.type"]


def test_an_error_that_is_reported_in_mid_stream_is_an_error_event(model: Any) -> None:
    answer = model(lambda payload: iter(["ho", LIMITED])).client.post(PATH, json={**CHAT, "stream": True})
    assert "slow down" == last_event(answer)["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("reported", "asked"),
    [
        (LIMITED, ["chat", "chat", "backup"]),
        ({"error": {"message": "too long", "code": "context_length_exceeded"}}, ["chat", "backup"]),
        ({"error": {"message": "no", "code": "content_filter"}}, ["chat"]),
        ({"error": {"message": "no", "code": 400}}, ["chat"]),
    ],
)
def test_retries_and_fallbacks_follow_the_kind_of_a_reported_error(
    gateway: Any, reported: Any, asked: list[str], stream: bool
) -> None:
    """The table of error kinds decides, whoever reports the error."""
    seen: list[str] = []

    def predict(self: BaseProvider, payload: Any) -> Any:
        seen.append(self.target.endpoint)
        return reported if self.target.endpoint == "chat" else "ho"

    made = type("Model", (BaseProvider,), {"predict": predict})
    names = ("chat", "backup")
    common = {"endpoint_type": "llm/v1/chat", "model": {"provider": "own", "name": "m"}}
    retry = {"attempts": 2, "backoff_s": 0.001}
    endpoints = [{"name": "chat", **common, "retry": retry, "fallback": ["backup"]}]
    endpoints.append({"name": "backup", **common})
    providers = {name: made(Target(name, Task.CHAT, "m")) for name in names}
    running = gateway({"endpoints": endpoints}, providers=providers)
    answer = running.client.post(PATH, json={**CHAT, "stream": stream})
    assert (asked, "backup" in asked) == (seen, answer.status_code == 200)


def text(payload: Any) -> Any:
    return "x" * (MAX_BYTES + 1)


def whole(payload: Any) -> Any:
    return {"content": "é" * MAX_BYTES}


async def whole_later(payload: Any) -> Any:
    return {"choices": [{"message": {"role": "assistant", "content": "x" * MAX_BYTES}}]}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("predict", [text, whole, whole_later])
def test_a_whole_answer_has_a_bound(model: Any, predict: Any, stream: bool) -> None:
    answer = model(predict, server=BOUND).client.post(PATH, json={**CHAT, "stream": stream})
    assert TOO_LARGE == code_of(answer)


def endless(closed: threading.Event) -> Callable[[Any], Any]:
    def predict(payload: Any) -> Iterator[str]:
        try:
            while True:
                yield "ho"
        finally:
            closed.set()

    return predict


def endless_later(closed: threading.Event) -> Callable[[Any], Any]:
    async def predict(payload: Any) -> AsyncIterator[Any]:
        try:
            while True:
                await asyncio.sleep(0)
                yield {"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "ho"}}]}}
        finally:
            closed.set()

    return predict


@pytest.mark.parametrize("make", [endless, endless_later])
def test_a_whole_answer_of_endless_pieces_is_given_up(model: Any, make: Any) -> None:
    """The pieces are not gathered for ever, and the generator's `finally` runs."""
    closed = threading.Event()
    answer = model(make(closed), server=BOUND).client.post(PATH, json=CHAT)
    assert TOO_LARGE == code_of(answer)
    assert closed.wait(20)


@pytest.mark.parametrize("first", ["", "ho"])
def test_a_piece_of_a_stream_has_a_bound(model: Any, first: str) -> None:
    """Before the first token it is an HTTP error, after it an error event."""
    predict = iter([first, "x" * MAX_BYTES])
    answer = model(lambda payload: predict, server=BOUND).client.post(PATH, json={**CHAT, "stream": True})
    if first:
        assert TOO_LARGE[1] == last_event(answer)["error"]["code"]
    else:
        assert TOO_LARGE == code_of(answer)


def test_a_stream_has_no_bound_in_sum(model: Any) -> None:
    """A caller that reads takes each piece away."""
    pieces = ["x" * 100] * (MAX_BYTES // 50)
    answer = model(lambda payload: iter(pieces), server=BOUND).client.post(
        PATH, json={**CHAT, "stream": True}
    )
    assert answer.text.endswith("data: [DONE]\n\n")
    assert MAX_BYTES < answer.text.count("x")


def test_short_pieces_count_as_much_as_the_answer_that_they_make(model: Any) -> None:
    """A token's event is many times larger than the token: an answer within the bound is given."""
    gateway = model(lambda payload: iter(["x"] * (MAX_BYTES // 2)), server=BOUND)
    answer = gateway.client.post(PATH, json=CHAT)
    assert 200 == answer.status_code
    assert MAX_BYTES >= len(answer.content)
