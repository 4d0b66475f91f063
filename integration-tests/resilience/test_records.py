"""What retries, fallbacks and breakers leave behind: spans, events, links, metrics, `/api/upstreams`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from resilience.conftest import RETRY, openai_endpoint
from support.dialects import TEXT
from support.fault_upstream import FaultUpstream
from support.processes import WAIT_S
from support.serving import Gateway
from support.sse import SeenStream
from support.stored import CLIENT, ERROR, SERVER, StoredTrace, attributes


@pytest.fixture(scope="module")
def stalling() -> Iterator[FaultUpstream]:
    """Another upstream, whose models all stall."""
    started = FaultUpstream()
    yield started
    started.close()


@pytest.fixture(scope="module")
def gateway(
    start_gateway: Callable[[dict[str, Any]], Gateway], service: FaultUpstream, stalling: FaultUpstream
) -> Gateway:
    def one(name: str, model: str, **more: Any) -> dict[str, Any]:
        return openai_endpoint(service, name, model, **more)

    breaker = {"consecutive_failures": 3, "open_for": "1h", "max_open_for": "1h"}
    patient = {"first_token": "60s", "idle": "60s", "total": "60s"}
    endpoints = [
        one("ok", "ok"),
        one("both", "both", retry=RETRY, fallback=["ok"]),
        one("thrifty", "thrifty", retry={**RETRY, "attempts": 5, "budget": "0%"}),
        one("primary", "primary", fallback=["ok"], breaker=breaker),
        one("late", "late", timeout=patient),
        openai_endpoint(stalling, "stalled", "stall", timeout=patient),
    ]
    return start_gateway({"endpoints": endpoints, "tracing": {"sampling_rate": 1}})


def trace_of(gateway: Gateway, answer: httpx.Response) -> StoredTrace:
    return gateway.trace(answer.headers["x-tollway-trace-id"])


def test_each_attempt_is_a_client_span(gateway: Gateway, faults: FaultUpstream):
    """Two attempts at the primary and one at the fallback: three siblings, each linked to the one before."""
    faults.queue("both", "status-503", "status-500")
    trace = trace_of(gateway, gateway.chat("both"))
    server = trace.of_kind(SERVER)
    clients = sorted(
        (span for span in trace.spans if span["kind"] == CLIENT),
        key=lambda span: int(span["startTimeUnixNano"]),
    )
    assert [server["spanId"]] * 3 == [span["parentSpanId"] for span in clients]
    assert [ERROR, ERROR, None] == [span.get("status", {}).get("code") for span in clients]
    assert [None, "retry", "fallback"] == [attributes(span).get("tollway.attempt.reason") for span in clients]
    links = [[link["spanId"] for link in span.get("links", ())] for span in clients]
    assert [[], [clients[0]["spanId"]], [clients[1]["spanId"]]] == links
    assert ["retry", "fallback"] == [event["name"] for event in server["events"]]
    sent = [attempt.headers["traceparent"].split("-")[2] for attempt in faults.attempts]
    assert [span["spanId"] for span in clients] == sent


def test_retries_and_fallbacks_are_counted(gateway: Gateway, faults: FaultUpstream):
    """Each in its metric, by the endpoint that failed."""
    before = {
        name: gateway.metric(f"gateway_{name}_total", endpoint="both") for name in ("retries", "fallbacks")
    }
    faults.queue("both", "status-503", "status-500")
    gateway.chat("both")
    for name, count in before.items():
        assert count + 1 == gateway.metric(f"gateway_{name}_total", endpoint="both")
    assert gateway.metric("gateway_attempt_errors_total", endpoint="both") >= 2


def test_a_spent_budget_ends_retries(gateway: Gateway, faults: FaultUpstream):
    """Without a budget a retry is not made, which is counted and on the span."""
    faults.queue("thrifty", "status-503")
    answer = gateway.chat("thrifty")
    assert (503, 1) == (answer.status_code, len(faults.attempts))
    assert gateway.metric("gateway_retry_budget_exhausted_total", endpoint="thrifty") >= 1
    events = trace_of(gateway, answer).of_kind(SERVER)["events"]
    assert "retry_budget_exhausted" in [event["name"] for event in events]


def test_a_breaker_is_seen(gateway: Gateway, faults: FaultUpstream):
    """In `/api/upstreams`, in the metrics, and on the span of the attempt that opens it."""
    faults.break_down("primary")
    answers = [gateway.chat("primary") for _ in range(3)]
    assert {(200, "ok")} == {(answer.status_code, answer.json()["model"]) for answer in answers}
    shown = gateway.client.get("/api/upstreams").json()["upstreams"]
    (primary,) = (one for one in shown if one["name"] == "primary")
    assert ("open", 1) == (primary["circuit_breaker"], primary["times_opened"])
    assert 2 == gateway.metric("gateway_breaker_state", endpoint="primary")
    assert 1 == gateway.metric("gateway_breaker_opened_total", endpoint="primary")
    trace = trace_of(gateway, answers[-1])
    (opened,) = (
        event
        for span in trace.spans
        for event in span.get("events", ())
        if event["name"] == "circuit_breaker"
    )
    assert {"upstream": "primary", "from": "closed", "to": "open"} == attributes(opened)


STREAMS, STALLED = 200, 50
MESSAGE = {"messages": [{"role": "user", "content": "?"}], "stream": True}


async def ask(client: httpx.AsyncClient, endpoint: str) -> SeenStream:
    answer = await client.post(f"/endpoints/{endpoint}/invocations", json=MESSAGE)
    assert 200 == answer.status_code
    return SeenStream(answer.text)


async def wait_for_attempts(upstream: FaultUpstream, count: int) -> None:
    async with asyncio.timeout(WAIT_S):
        while len(upstream.attempts) < count:  # noqa: ASYNC110 - the upstream's threads know no event loop
            await asyncio.sleep(0.02)


def test_a_stalled_upstream_delays_nobody_else(
    gateway: Gateway, faults: FaultUpstream, stalling: FaultUpstream
):
    """Two hundred streams at the same time are whole, while fifty of another upstream hang."""
    faults.queue("late", *["slow-first-token"] * STREAMS)
    gate = faults.hold_token("late")

    async def main() -> list[SeenStream]:
        limits = httpx.Limits(max_connections=STREAMS + STALLED)
        async with httpx.AsyncClient(
            base_url=gateway.url, timeout=WAIT_S, limits=limits, trust_env=False
        ) as client:
            hung = [asyncio.ensure_future(ask(client, "stalled")) for _ in range(STALLED)]
            await wait_for_attempts(stalling, STALLED)
            healthy = [asyncio.ensure_future(ask(client, "late")) for _ in range(STREAMS)]
            await wait_for_attempts(faults, STREAMS)
            assert STREAMS + STALLED == gateway.metric("gateway_requests_in_flight")
            gate.set()
            answers = await asyncio.gather(*healthy)
            assert not any(one.done() for one in hung)
            for one in hung:
                one.cancel()
            await asyncio.gather(*hung, return_exceptions=True)
            return answers

    answers = asyncio.run(main())
    assert {(TEXT, True)} == {(one.text, one.is_done) for one in answers}
    assert all(attempt.exchange.hung_up.wait(WAIT_S) for attempt in stalling.attempts)
