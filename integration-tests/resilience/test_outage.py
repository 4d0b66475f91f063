"""A minute's outage under twenty callers, before a real upstream.

With TOLLWAY_OUTAGE_SECONDS=60 it is the minute itself, with the settings that a circuit breaker has by
default. Without it everything is shorter by the same factor: the outage, how long the breaker stays open, and
the longest that it does. So the shape is the same: the same number of probe intervals in the outage. The same
minute in virtual time, where every time is exact, is the gateway's `tests/pipeline/test_outage.py`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from resilience.conftest import openai_endpoint
from support.fault_upstream import FaultUpstream
from support.processes import WAIT_S
from support.serving import Gateway

OUTAGE_S = float(os.environ.get("TOLLWAY_OUTAGE_SECONDS", "3"))
SCALE = OUTAGE_S / 60
CALLERS = 20
OPEN_FOR_S, MAX_OPEN_FOR_S = 5 * SCALE, 15 * SCALE
"""The breaker's defaults, 5 s and 15 s, in the time of this run."""

CONSECUTIVE_FAILURES = 5
PROBES = 8
"""Probes that a minute has room for: after 5 s, 10 s, then every 15 s, each up to a tenth earlier."""


@pytest.fixture(scope="module")
def gateway(start_gateway: Any, service: FaultUpstream) -> Gateway:
    breaker = {"open_for": f"{OPEN_FOR_S * 1000:.0f}ms", "max_open_for": f"{MAX_OPEN_FOR_S * 1000:.0f}ms"}
    patient = {"total": "60s"}
    endpoints = [
        openai_endpoint(service, "primary", "primary", fallback=["backup"], breaker=breaker, timeout=patient),
        openai_endpoint(service, "backup", "backup", timeout=patient),
    ]
    return start_gateway({"endpoints": endpoints, "tracing": {"store": None}})


@dataclass(frozen=True, slots=True)
class Served:
    """One call: when it began and ended, and what it got."""

    began_s: float
    ended_s: float
    status: int
    model: str | None


class Callers:
    """Twenty callers, each of which calls again and again until they are told to stop."""

    def __init__(self, gateway: Gateway) -> None:
        self.served: list[Served] = []
        self._stop = threading.Event()
        self._url = f"{gateway.url}/endpoints/primary/invocations"
        self._pool = ThreadPoolExecutor(CALLERS)
        self._running = [self._pool.submit(self._call) for _ in range(CALLERS)]

    def stop(self) -> None:
        """End them, and raise what one of them raised."""
        self._stop.set()
        for one in self._running:
            one.result(WAIT_S)
        self._pool.shutdown()

    def _call(self) -> None:
        body = {"messages": [{"role": "user", "content": "?"}]}
        with httpx.Client(timeout=WAIT_S, trust_env=False) as client:
            while not self._stop.is_set():
                began_s = time.monotonic()
                answer = client.post(self._url, json=body)
                model = answer.json().get("model")
                self.served.append(Served(began_s, time.monotonic(), answer.status_code, model))
                self._stop.wait(max(SCALE, 0.1))


@pytest.fixture
def callers(gateway: Gateway) -> Iterator[Callers]:
    started = Callers(gateway)
    yield started
    started.stop()


def wait_for(callers: Callers, faults: FaultUpstream, model: str, after_s: float) -> Served:
    """Return the first call after a time that a model answered."""
    deadline_s = time.monotonic() + MAX_OPEN_FOR_S + WAIT_S
    while time.monotonic() < deadline_s:
        for one in list(callers.served):
            if one.began_s >= after_s and one.model == model:
                return one
        time.sleep(0.01)
    raise AssertionError(f"{model} never answered again: {len(faults.attempts)} attempts")


def test_an_outage_of_a_minute(gateway: Gateway, faults: FaultUpstream, callers: Callers) -> None:
    """Nobody sees an error, the primary gets few probes, and the first probe after it brings all back."""
    wait_for(callers, faults, "primary", 0.0)
    faults.break_down("primary")
    began_s = time.monotonic()
    time.sleep(OUTAGE_S)
    faults.repair("primary")
    ended_s = time.monotonic()
    back = wait_for(callers, faults, "primary", ended_s)
    following = wait_for(callers, faults, "primary", back.ended_s)
    callers.stop()

    assert {200} == {one.status for one in callers.served}
    during = [one for one in callers.served if one.began_s >= began_s and one.ended_s <= ended_s]
    assert {"backup"} == {one.model for one in during}
    failed = [one for one in faults.of("primary") if one.fault == "status-503"]
    assert len(failed) <= CONSECUTIVE_FAILURES + CALLERS + PROBES
    assert len(during) > len(failed)

    attempts = [one.fault for one in faults.of("primary") if one.at_s >= ended_s]
    assert {"primary"} == set(attempts), "the first attempt after the outage succeeds, and so do all others"
    late = [one.model for one in callers.served if one.began_s > following.ended_s]
    assert {"primary"} >= set(late)
    assert 0 == gateway.metric("gateway_breaker_state", endpoint="primary")
    opened = gateway.metric("gateway_breaker_opened_total", endpoint="primary")
    print(  # shown by `pytest -s`
        f"outage of {OUTAGE_S:g} s: {len(during)} calls served, {len(failed)} attempts on the primary, "
        f"opened {opened:g} times, back after {back.began_s - ended_s:.2f} s "
        f"(a probe interval is {MAX_OPEN_FOR_S:g} s at most)"
    )
