"""The collector killed and started again while a gateway is under load."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx

from support.backends import MANIFESTS, Collector, Jaeger
from support.client import CallingProgram
from support.processes import WAIT_S
from support.serving import Gateway, endpoint
from support.upstream import Upstream

SPANS_PER_REQUEST = 2  # SERVER and CLIENT
BODY = {"messages": [{"role": "user", "content": "?"}]}

FIELDS = {
    "started": "gateway_spans_started_total",
    "exported": "gateway_spans_exported_total",
    "failed": "gateway_spans_export_failed_total",
    "dropped": "gateway_spans_dropped_total",
}


def counted(gateway: Gateway) -> dict[str, float]:
    """Return what the gateway says became of its spans."""
    return {field: gateway.metric(name) for field, name in FIELDS.items()}


def wait_until(gateway: Gateway, condition: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    """Return the gateway's counts once they meet the condition."""
    deadline = time.monotonic() + WAIT_S
    now: dict[str, float] = {}
    while time.monotonic() < deadline:
        now = counted(gateway)
        if condition(now):
            return now
        time.sleep(0.05)
    raise AssertionError(f"never became true: {now}")


@contextmanager
def load(gateway: Gateway) -> Iterator[list[int]]:
    """Keep three callers asking; the list is every status they got."""
    statuses: list[int] = []
    enough = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=gateway.url, timeout=WAIT_S, trust_env=False) as client:
            while not enough.wait(0.005):
                statuses.append(client.post("/endpoints/a/invocations", json=BODY).status_code)

    callers = [threading.Thread(target=ask) for _ in range(3)]
    for caller in callers:
        caller.start()
    try:
        yield statuses
    finally:
        enough.set()
        for caller in callers:
            caller.join()


def test_a_collector_killed_under_load_costs_no_request_and_every_span_is_accounted_for(
    jaeger: Jaeger,
    start_collector: Callable[..., Collector],
    start_gateway: Callable[..., Gateway],
    upstream: Callable[..., Upstream],
    program: CallingProgram,
):
    """All requests are answered; started spans are the exported, failed and dropped ones; export resumes."""
    model: dict[str, Any] = {"openai_api_key": "k", "openai_api_base": f"{upstream().url}/v1"}
    collector = start_collector(MANIFESTS / "passing.yaml", TRACE_FILES="none/*.json")
    gateway = start_gateway(
        {"endpoints": [endpoint("a", "openai", "m", **model)]},
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.http_url,
        OTEL_EXPORTER_OTLP_TIMEOUT="300",  # of an export with its retries: gives up soon
        TOLLWAY_SAMPLING_RATE="1",
    )
    with ExitStack() as restarted:
        with load(gateway) as statuses:
            wait_until(gateway, lambda now: now["exported"] > 0)
            collector.process.stop(signal.SIGKILL)
            lost = wait_until(gateway, lambda now: now["failed"] > 0)
            restarted.callback(collector.again().process.close)
            wait_until(gateway, lambda now: now["exported"] > lost["exported"])
        end = wait_until(
            gateway, lambda now: now["started"] == now["exported"] + now["failed"] + now["dropped"]
        )
        assert {200} == set(statuses)
        assert SPANS_PER_REQUEST * len(statuses) == end["started"]
        with program.span() as calling:
            answer = gateway.client.post("/endpoints/a/invocations", json=BODY, headers=calling.headers)
        assert 200 == answer.status_code
        jaeger.wait_for(calling.trace_id, SPANS_PER_REQUEST)
        assert (end["failed"], end["dropped"]) == tuple(
            counted(gateway)[name] for name in ("failed", "dropped")
        )
