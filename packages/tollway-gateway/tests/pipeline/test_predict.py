"""Models in this process: whatever `predict` is and gives back, answered and streamed, traced and closed."""

from __future__ import annotations

import asyncio
import json
import socket
import threading

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from tollway.provider import ProviderError

CHAT = {"messages": [{"role": "user", "content": "hi"}]}
PATH = "/endpoints/chat/invocations"
SERVER = "POST /endpoints/{name}/invocations"


def text(payload):
    return "ho ho"


def whole(payload):
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": "ho ho"}}]}


async def later(payload):
    await asyncio.sleep(0)
    return "ho ho"


def pieces(payload):
    yield "ho "
    yield "ho"


async def pieces_later(payload):
    for piece in ("ho ", "ho"):
        await asyncio.sleep(0)
        yield piece


def coroutine(payload):
    return later(payload)


def iterator(payload):
    return iter(["ho ", "ho"])


KINDS = [text, whole, later, pieces, pieces_later, coroutine, iterator]


@pytest.mark.parametrize("predict", KINDS)
def test_every_kind_of_predict_answers(model, predict):
    answer = model(predict).client.post(PATH, json=CHAT)
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"] == "ho ho"


@pytest.mark.parametrize("predict", KINDS)
def test_every_kind_of_predict_streams(model, predict):
    answer = model(predict).client.post(PATH, json={**CHAT, "stream": True})
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line]
    assert lines[-1] == "[DONE]"
    deltas = [json.loads(line)["choices"][0]["delta"] for line in lines[:-1]]
    assert "".join(delta.get("content") or "" for delta in deltas) == "ho ho"


def test_blocking_predict_does_not_block_the_loop(model):
    """While one `predict` blocks its thread, other requests are served."""
    entered, go_on = threading.Event(), threading.Event()

    def predict(payload):
        if payload["messages"][0]["content"] == "block":
            entered.set()
            go_on.wait(20)
        return "ho"

    gateway = model(predict)
    blocked = threading.Thread(
        target=lambda: gateway.client.post(PATH, json={"messages": [{"role": "user", "content": "block"}]})
    )
    blocked.start()
    assert entered.wait(20)
    assert gateway.client.post(PATH, json=CHAT).status_code == 200
    go_on.set()
    blocked.join(20)


def fail(payload):
    raise ValueError("the database password is hunter2")


async def fail_later(payload):
    raise ValueError("the database password is hunter2")


def fail_at_once(payload):
    raise ValueError("the database password is hunter2")
    yield


def leave(payload):
    raise SystemExit("the database password is hunter2")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("predict", [fail, fail_later, fail_at_once, leave])
def test_what_predict_raises_is_a_500_without_its_words(model, predict, stream: bool):
    """The caller learns that it failed, the span learns how, and the server lives on."""
    gateway = model(predict)
    answer = gateway.client.post(PATH, json={**CHAT, "stream": stream})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "prediction_failed")
    assert "hunter2" not in answer.text
    attempt = gateway.spans.wait_for("chat gpt-4")
    assert attempt.status.status_code is StatusCode.ERROR
    assert "hunter2" in attempt.events[0].attributes["exception.message"]
    assert gateway.client.post(PATH, json=CHAT).status_code == 500


def test_predict_chooses_its_status(model):
    """A `ProviderError` passes with its status, code and message."""

    def predict(payload):
        raise ProviderError("come back later", status=503, code="warming_up", retry_after_s=1.2)

    answer = model(predict).client.post(PATH, json=CHAT)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json()["error"]["code"] == "warming_up"
    assert answer.json()["detail"] == "come back later"


@pytest.mark.parametrize("unusable", [None, 1, object(), {1, 2}])
def test_unusable_prediction_is_a_500(model, unusable):
    answer = model(lambda payload: unusable).client.post(PATH, json=CHAT)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "prediction_failed")


def test_failure_in_mid_stream_is_an_error_event(model):
    def predict(payload):
        yield "ho"
        raise ValueError("boom")

    answer = model(predict).client.post(PATH, json={**CHAT, "stream": True})
    lines = [line for line in answer.text.splitlines() if line]
    assert json.loads(lines[-1].removeprefix("data: "))["error"]["code"] == "prediction_failed"
    assert "[DONE]" not in answer.text


def test_spans_inside_predict_nest_under_the_attempt(model):
    """Code that traces itself is part of the request's trace, in a thread or not, for every piece."""
    found = []

    def predict(payload):
        for _ in range(2):
            found.append(trace.get_current_span().get_span_context().span_id)
            yield "ho"

    async def predict_later(payload):
        found.append(trace.get_current_span().get_span_context().span_id)
        return "ho"

    for kind, count in ((predict, 2), (predict_later, 1)):
        gateway = model(kind)
        gateway.client.post(PATH, json=CHAT)
        assert found == [gateway.spans.wait_for("chat gpt-4").context.span_id] * count
        found.clear()


def test_payload_is_predicts_own(model):
    """What `predict` does to its payload is not seen by telemetry."""

    def predict(payload):
        payload.clear()
        return "ho"

    gateway = model(predict, tracing={"capture_content": True})
    assert gateway.client.post(PATH, json=CHAT).status_code == 200
    assert "hi" in gateway.spans.wait_for("chat gpt-4").attributes["gen_ai.input.messages"]


def endless(closed):
    def predict(payload):
        try:
            while True:
                yield "ho"
        finally:
            closed.set()

    return predict


def endless_later(closed):
    async def predict(payload):
        try:
            while True:
                await asyncio.sleep(0)
                yield "ho"
        finally:
            closed.set()

    return predict


@pytest.mark.parametrize("make", [endless, endless_later])
def test_abandoned_generator_is_closed(model, make):
    """A caller that goes away ends the generator, so that its `finally` runs and its span ends."""
    closed = threading.Event()
    gateway = model(make(closed))
    with gateway.client.stream("POST", PATH, json={**CHAT, "stream": True}) as answer:
        next(answer.iter_lines())
    assert closed.wait(20)
    assert [event.name for event in gateway.spans.wait_for(SERVER).events] == ["client_disconnected"]


def test_generator_abandoned_inside_next_is_closed_when_it_returns(model):
    """A caller may go away while a thread makes the next piece: the spans end now, the generator after it."""
    closed, blocked, go_on = threading.Event(), threading.Event(), threading.Event()

    def predict(payload):
        try:
            yield "ho"
            blocked.set()
            go_on.wait(20)
            yield "ho"
        finally:
            closed.set()

    gateway = model(predict)
    with gateway.client.stream("POST", PATH, json={**CHAT, "stream": True}) as answer:
        lines = answer.iter_lines()  # kept: the answer is closed with it
        next(lines)
        assert blocked.wait(20)
    gateway.spans.wait_for(SERVER)
    assert not closed.is_set()
    go_on.set()
    assert closed.wait(20)


def test_slow_caller_holds_the_generator_back(model):
    """A caller that does not read stops the generator, instead of filling the memory."""
    made = 0
    first = threading.Event()

    def predict(payload):
        nonlocal made
        while True:
            made += 1
            first.set()
            yield "x" * 100_000

    gateway = model(predict)
    with gateway.client.stream("POST", PATH, json={**CHAT, "stream": True}) as answer:
        assert first.wait(20)
        before = -1
        while before != made:  # until a whole round trip passes without a new piece
            before = made
            httpx.post(f"{gateway.url}/v1/chat/completions", content=b"{", trust_env=False)
        assert made < 400
        answer.close()


def test_prediction_that_takes_too_long_is_a_504(model):
    go_on = threading.Event()
    gateway = model(lambda payload: go_on.wait(20), timeout={"total_s": 0.1})
    assert gateway.client.post(PATH, json=CHAT).status_code == 504
    go_on.set()


def test_caller_that_never_reads_is_let_go_at_the_total_limit(model):
    """Who takes nothing and stays connected holds a model no longer than `total`."""
    closed = threading.Event()

    def predict(payload):
        try:
            while True:
                yield "x" * 100_000
        finally:
            closed.set()

    gateway = model(predict, timeout={"total_s": 1.5})
    body = json.dumps({**CHAT, "stream": True}).encode()
    with socket.create_connection(("127.0.0.1", gateway.port)) as connection:
        head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        assert closed.wait(20)
        assert [event.name for event in gateway.spans.wait_for(SERVER).events] == ["client_disconnected"]
