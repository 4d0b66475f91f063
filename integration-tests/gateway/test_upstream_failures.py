"""Upstreams that fail: the caller learns what happened, the trace is kept, and no key is ever told."""

from __future__ import annotations

import json

import httpx
import pytest

from support.client import CallingProgram
from support.processes import WAIT_S
from support.serving import Gateway, endpoint
from support.stored import CLIENT, ERROR, SERVER
from support.upstream import Exchange, Upstream, chunk

KEY = "sk-secret-0123456789abcdefghijklmnop"
QUICK = {"connect": "5s", "first_token": "1s", "idle": "1s", "total": "20s"}


@pytest.fixture(scope="module")
def service():
    started = Upstream()
    yield started
    started.close()


@pytest.fixture(scope="module")
def gateway(start_gateway, service: Upstream):
    """A gateway that keeps no trace by ratio: what is found on disk was kept because it failed."""
    return start_gateway(
        {
            "endpoints": [
                endpoint(
                    "a",
                    "openai",
                    "gpt-4",
                    openai_api_key="$OPENAI_API_KEY",
                    openai_api_base=f"{service.url}/v1",
                    timeout=QUICK,
                )
            ],
            "tracing": {"sampling_rate": 0},
        },
        OPENAI_API_KEY=KEY,
    )


def refuse(status: int, message: str, **headers: str):
    """Return a script that refuses as OpenAI does."""
    error = {"error": {"message": message, "type": "some_error", "param": None, "code": "some_code"}}
    return lambda exchange: exchange.answer(error, status, **headers)


def deferred(calling_headers: dict[str, str]) -> dict[str, str]:
    """Return the headers as a Tollway peer sends them that has not decided yet: the gateway must hold too."""
    return {"traceparent": calling_headers["traceparent"][:-2] + "00", "tracestate": "tollway=d"}


@pytest.mark.parametrize("status", [400, 422, 429])
def test_a_refusal_keeps_status_and_message(gateway: Gateway, service: Upstream, status: int):
    """What the caller did wrong is told in the upstream's words."""
    service.script = refuse(status, "the model is made of cheese", retry_after="7")
    answer = gateway.chat("a")
    assert status == answer.status_code
    assert "the model is made of cheese" in answer.json()["error"]["message"]
    if status == 429:
        assert "7" == answer.headers["retry-after"]


def test_a_failing_upstream_is_a_bad_gateway(gateway: Gateway, service: Upstream):
    """A 5xx stays a 5xx and carries the upstream's message."""
    service.script = refuse(503, "overloaded, come back later")
    answer = gateway.chat("a")
    assert answer.status_code in (502, 503)
    assert "overloaded, come back later" in answer.json()["error"]["message"]


def test_garbage_is_a_bad_gateway(gateway: Gateway, service: Upstream):
    """A 200 whose body is no JSON is not passed off as an answer."""
    service.script = lambda exchange: exchange.answer(b"<html>sorry</html>")
    assert 502 == gateway.chat("a").status_code


def test_a_silent_upstream_is_a_timeout(gateway: Gateway, service: Upstream):
    """An upstream that says nothing is given up, and hung up on."""
    service.script = Exchange.wait_until_hung_up
    answer = gateway.chat("a")
    assert 504 == answer.status_code


def test_keys_are_told_to_nobody(gateway: Gateway, service: Upstream, program: CallingProgram):
    """The upstream repeats the key it refused; it reaches no caller, log, metric, API answer or trace."""
    service.forget()
    service.script = refuse(401, f"Incorrect API key provided: {KEY}.")
    with program.span() as calling:
        answer = gateway.chat("a")
        traced = gateway.client.post(
            "/endpoints/a/invocations",
            json={"messages": [{"role": "user", "content": "?"}]},
            headers=calling.headers,
        )
    assert f"Bearer {KEY}" == service.next_request().headers["authorization"]
    stored = gateway.trace(calling.trace_id)
    places = {
        "answer": answer.text,
        "second answer": traced.text,
        "headers": str(answer.headers),
        "metrics": gateway.client.get("/metrics").text,
        "api": gateway.client.get("/api/2.0/endpoints/").text,
        "models": gateway.client.get("/v1/models").text,
        "openapi": gateway.client.get("/openapi.json").text,
        "trace": stored.text,
        "output": gateway.process.output,
    }
    assert [] == [place for place, text in places.items() if KEY in text]
    assert answer.status_code >= 400


def cut_after_two(exchange: Exchange) -> None:
    exchange.begin_stream()
    exchange.event(chunk("Half an"))
    exchange.event(chunk(" answer"))
    exchange.cut()


def stall_after_one(exchange: Exchange) -> None:
    exchange.begin_stream()
    exchange.event(chunk("Half an"))
    exchange.wait_until_hung_up()


def garbage_after_one(exchange: Exchange) -> None:
    exchange.begin_stream()
    exchange.event(chunk("Half an"))
    exchange.event(b"<html>")
    exchange.end_stream()


@pytest.mark.parametrize("script", [cut_after_two, stall_after_one, garbage_after_one])
def test_a_broken_stream_ends_in_an_error(
    gateway: Gateway, service: Upstream, program: CallingProgram, script
):
    """The caller gets what came, then an error event and no `[DONE]`; the trace is an ERROR and is kept."""
    service.script = script
    with program.span() as calling:
        answer = gateway.client.post(
            "/endpoints/a/invocations",
            json={"messages": [{"role": "user", "content": "?"}], "stream": True},
            headers=deferred(calling.headers),
        )
    events = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    assert "Half an" == json.loads(events[0])["choices"][0]["delta"]["content"]
    assert json.loads(events[-1])["error"]["message"]
    assert "[DONE]" not in events
    trace = gateway.trace(calling.trace_id)
    assert [ERROR, ERROR] == [trace.of_kind(kind)["status"]["code"] for kind in (SERVER, CLIENT)]


def test_a_caller_who_leaves_cancels_the_upstream_call(
    gateway: Gateway, service: Upstream, program: CallingProgram
):
    """The upstream sees the gateway hang up, though it would have gone on for ever."""
    service.script = stall_after_one
    service.forget()
    request = {"messages": [{"role": "user", "content": "?"}], "stream": True}
    with (
        httpx.Client(base_url=gateway.url, timeout=WAIT_S, trust_env=False) as caller,
        caller.stream("POST", "/endpoints/a/invocations", json=request) as answer,
    ):
        next(answer.iter_lines())
    assert service.next_request().hung_up.wait(WAIT_S)
