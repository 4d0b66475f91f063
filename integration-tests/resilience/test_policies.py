"""Hedges, recovery of streams, load shedding, circuit breakers and routes, before a real upstream."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from resilience.both_sides import see
from resilience.conftest import PROVIDERS, endpoint_of, openai_endpoint
from support.dialects import PIECES, TEXT
from support.fault_upstream import FaultUpstream
from support.processes import WAIT_S
from support.serving import Gateway
from support.sse import SeenStream
from support.stored import CLIENT

Start = Callable[[dict[str, Any]], Gateway]


BROKEN = ["cut", "cut-after-2", "stall", "garbage-event", "truncated-event", "error-event", "no-finish"]
"""Faults after the first token."""

per_provider = pytest.mark.parametrize("provider", PROVIDERS)


def broken_endpoints(upstream: FaultUpstream, provider: str) -> Iterator[dict[str, Any]]:
    """Return endpoints whose streams are recovered; of the fallbacks only `claude` takes a prefill."""
    fallback = ["ok", "claude"]
    for recovery in ("buffer", "continue"):
        name = f"{provider}.{recovery}"
        yield endpoint_of(upstream, provider, name, name, stream_recovery=recovery, fallback=fallback)


@pytest.fixture(scope="module")
def gateway(start_gateway: Start, service: FaultUpstream) -> Gateway:
    def one(name: str, model: str, **more: Any) -> dict[str, Any]:
        return openai_endpoint(service, name, model, **more)

    patient = {"total": "60s"}
    endpoints = [
        one("ok", "ok"),
        one("slow", "slow", timeout=patient),
        one("hedged", "slow", hedge={"after": "50ms", "budget": "100%"}, fallback=["ok"], timeout=patient),
        *(one for provider in PROVIDERS for one in broken_endpoints(service, provider)),
        one("alone", "alone", stream_recovery="continue", fallback=["ok"]),
        endpoint_of(service, "anthropic", "claude", "claude", timeout=patient),
        one("narrow", "narrow", concurrency={"max_in_flight": 1, "max_queue": 0}),
        one("fragile", "fragile", fallback=["ok"], breaker={"consecutive_failures": 3, "open_for": "1s"}),
    ]
    routes = [
        {
            "name": f"route-{strategy.lower()}",
            "task_type": "llm/v1/chat",
            "destinations": [{"name": "fragile"}, {"name": "ok"}],
            "routing_strategy": strategy,
        }
        for strategy in ("FALLBACK", "LEAST_BUSY", "LATENCY", "STICKY")
    ]
    return start_gateway({"endpoints": endpoints, "routes": routes, "tracing": {"sampling_rate": 1}})


def text_of(answer: httpx.Response) -> str:
    assert 200 == answer.status_code, answer.text
    return str(answer.json()["choices"][0]["message"]["content"])


@pytest.mark.parametrize("stream", [False, True])
def test_the_faster_of_two_attempts_answers(gateway: Gateway, faults: FaultUpstream, stream: bool):
    """A slow model gets a second attempt beside it; the first good answer wins, the other is hung up on."""
    gate = faults.hold("slow")
    faults.queue("slow", "silent")
    answer = gateway.chat("hedged", stream=stream)
    gate.set()
    said = SeenStream(answer.text).text if stream else text_of(answer)
    assert TEXT == said
    assert ["slow", "ok"] == [attempt.model for attempt in faults.attempts]
    assert faults.of("slow")[0].exchange.hung_up.wait(WAIT_S)
    trace = gateway.trace(answer.headers["x-tollway-trace-id"])
    clients = [span for span in trace.spans if span["kind"] == CLIENT]
    assert 2 == len(clients)
    assert 2 == sum(len(span.get("links", ())) for span in clients)
    assert gateway.metric("gateway_hedges_total", endpoint="hedged") >= 1


@per_provider
@pytest.mark.parametrize("fault", BROKEN)
def test_a_buffered_stream_shows_finished_answers_only(
    gateway: Gateway, faults: FaultUpstream, provider: str, fault: str
):
    """A stream that breaks while it is held back is answered by the fallback, as if it had never been."""
    faults.queue(f"{provider}.buffer", fault)
    seen = see(gateway, faults, f"{provider}.buffer", stream=True)
    seen.check_answer()
    assert ([fault, "ok"], "ok") == (seen.asked, seen.model)
    assert list(PIECES) == [text for text in seen.events.order if text in PIECES]
    seen.check_spans("first!", "fallback")


@per_provider
@pytest.mark.parametrize("fault", BROKEN)
def test_a_fallback_goes_on_from_the_text_so_far(
    gateway: Gateway, faults: FaultUpstream, provider: str, fault: str
):
    """A model that takes a prefill is given what the caller has seen; one that does not is passed over."""
    faults.queue(f"{provider}.continue", fault)
    seen = see(gateway, faults, f"{provider}.continue", stream=True)
    shown = PIECES[0] if fault == "cut-after-2" else "".join(PIECES[:2])
    stream = seen.events
    assert (shown + TEXT, None, "done") == (stream.text, stream.error, stream.order[-1])
    assert [fault, "claude"] == seen.asked
    last = seen.attempts[-1].body["messages"][-1]
    assert ("assistant", shown.rstrip()) == (last["role"], prefill_of(last).rstrip())
    seen.check_spans("first!", "continue")
    assert ["fallback"] == seen.server_events


def prefill_of(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def test_a_stream_that_nobody_can_continue_ends_in_an_error(gateway: Gateway, faults: FaultUpstream):
    """Without a model that takes a prefill the caller is told."""
    faults.queue("alone", "cut")
    seen = SeenStream(gateway.chat("alone", stream=True).text)
    assert seen.error is not None
    assert not seen.is_done
    assert ["alone"] == [attempt.model for attempt in faults.attempts]


def test_calls_beyond_the_bound_are_refused_at_once(gateway: Gateway, faults: FaultUpstream):
    """503 with `Retry-After` while the place is taken, and 200 afterwards."""
    gate = faults.hold("narrow")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(gateway.chat, "narrow")
        wait_until(lambda: len(faults.attempts) == 1)
        refused = gateway.chat("narrow")
        gate.set()
        assert TEXT == text_of(first.result(WAIT_S))
    assert (503, "too_many_requests_in_flight") == (refused.status_code, refused.json()["error"]["code"])
    assert int(refused.headers["retry-after"]) >= 1
    assert TEXT == text_of(gateway.chat("narrow"))
    assert 1 == gateway.metric("gateway_requests_shed_total", endpoint="narrow")


def test_an_outage_is_served_by_the_fallback(gateway: Gateway, faults: FaultUpstream):
    """In an outage callers are served, and the primary is probed now and then until it is back."""
    faults.queue("fragile", *["status-503"] * 40)
    answers = [gateway.chat("fragile") for _ in range(30)]
    assert {"ok"} == {answer.json()["model"] for answer in answers}
    probes = len(faults.of("fragile"))
    assert probes < 30, "an open breaker keeps calls away"
    assert 2 == gateway.metric("gateway_breaker_state", endpoint="fragile")
    assert gateway.metric("gateway_fallbacks_total", endpoint="fragile", to="ok") >= 1
    faults.forget()
    wait_until(lambda: "fragile" == gateway.chat("fragile").json()["model"])
    assert 0 == gateway.metric("gateway_breaker_state", endpoint="fragile")


@pytest.mark.parametrize("strategy", ["fallback", "least_busy", "latency", "sticky"])
def test_a_route_passes_over_what_fails(gateway: Gateway, faults: FaultUpstream, strategy: str):
    """Whatever the strategy, a call is answered as long as one destination is well."""
    faults.queue("fragile", "status-503")
    for _ in range(4):
        assert TEXT == text_of(gateway.chat(f"route-{strategy}"))


def test_a_conversation_stays_where_it_is(gateway: Gateway, faults: FaultUpstream):
    """Requests of one session go to one destination."""
    models = {gateway.chat("route-sticky", user=f"session-{number}").json()["model"] for number in range(20)}
    assert {"fragile", "ok"} == models
    for number in range(5):
        said = {gateway.chat("route-sticky", user=f"session-{number}").json()["model"] for _ in range(4)}
        assert 1 == len(said)


HANGS = {
    ("slow", False): "silent",
    ("slow", True): "stall",
    ("hedged", False): "silent",
    ("openai.buffer", True): "stall",
    ("anthropic.continue", True): "stall",
    ("claude", False): "silent",
}
"""Endpoints, whether streamed, and what their models do while the caller is there."""


@pytest.mark.parametrize(("endpoint", "stream"), HANGS)
def test_a_caller_that_hangs_up_is_seen_upstream(
    gateway: Gateway, faults: FaultUpstream, endpoint: str, stream: bool
):
    """Every upstream that works for it sees the hang-up within a second."""
    model = "slow" if endpoint == "hedged" else endpoint
    asked = [model, "ok"] if endpoint == "hedged" else [model]
    for one in asked:
        faults.queue(one, HANGS[endpoint, stream])
    body = json.dumps({"messages": [{"role": "user", "content": "?"}], "stream": stream}).encode()
    address = httpx.URL(gateway.url)
    with socket.create_connection((address.host, address.port)) as caller:
        head = f"POST /endpoints/{endpoint}/invocations HTTP/1.1\r\nhost: localhost\r\n"
        caller.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        wait_until(lambda: asked == [attempt.model for attempt in faults.attempts])
        gone_s = time.monotonic()
    for attempt in faults.attempts:
        assert attempt.exchange.hung_up.wait(WAIT_S)
        assert attempt.exchange.hung_up_s is not None
        assert attempt.exchange.hung_up_s - gone_s < 1


def wait_until(true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    deadline_s = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
