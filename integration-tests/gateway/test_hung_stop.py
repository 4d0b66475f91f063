"""SIGTERM ends the gateway with 0 within the time it has, whatever hangs, and it says what it left behind."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from support import hanging_provider, stored
from support.serving import Gateway, endpoint

NEVER = "600s"
"""A drain that no test waits for: what ends before did not wait for what hangs."""

SHORT = "300ms"

WORKERS = [(), ("--workers", "2")]


@pytest.fixture
def start(start_gateway: Callable[..., Gateway], tmp_path: Path) -> Callable[..., Gateway]:
    """Starts a gateway whose endpoints hang when they are told to."""
    variables = hanging_provider.install(tmp_path)

    def started(drain: str, *options: str, total: str = "600s", model: str = "m") -> Gateway:
        limits = {"total": total, "first_token": total, "idle": total}
        endpoints = [
            endpoint("sync", "hangs", model, timeout=limits),
            endpoint("async", "hangs-later", "m", timeout=limits),
        ]
        config = {
            "endpoints": endpoints,
            "server": {"drain_timeout": drain},
            "tracing": {"sampling_rate": 1.0},
        }
        return start_gateway(config, options=options, **variables)

    return started


def ask(gateway: Gateway, name: str, said: str, **more: Any) -> httpx.Response:
    body = {"messages": [{"role": "user", "content": said}], **more}
    return gateway.client.post(f"/endpoints/{name}/invocations", json=body)


def in_flight(gateway: Gateway, name: str, said: str, **more: Any) -> threading.Thread:
    """Send a request that is not answered, and return its thread once it has reached `predict`."""

    def send() -> None:
        with httpx.Client(base_url=gateway.url, timeout=60, trust_env=False) as client:
            body = {"messages": [{"role": "user", "content": said}], **more}
            try:
                client.post(f"/endpoints/{name}/invocations", json=body)
            except httpx.HTTPError:
                return

    thread = threading.Thread(target=send)
    thread.start()
    while not gateway.metric("gateway_predict_calls", endpoint=name):
        assert thread.is_alive()
    return thread


@pytest.mark.parametrize("options", WORKERS)
@pytest.mark.parametrize(
    ("name", "said", "stream"),
    [("sync", "hang", False), ("sync", "generator", True), ("async", "deaf", False), ("async", "deaf", True)],
)
def test_a_call_that_was_given_up_holds_nothing_up(start, options, name: str, said: str, stream: bool):
    """Its caller had a 504 long ago: nobody waits for it at the end. It is counted in one line."""
    gateway = start(NEVER, *options, total="200ms")
    answer = ask(gateway, name, said, stream=stream)
    assert "timeout_error" in answer.text
    assert 0 == gateway.stop()
    output = gateway.process.output
    assert 1 == output.count("left behind: predict calls that still run: 1")
    assert "Traceback" not in output
    assert answer.headers["x-tollway-trace-id"] in stored.ids(gateway.traces)


@pytest.mark.parametrize("options", WORKERS)
@pytest.mark.parametrize(("name", "said"), [("sync", "hang"), ("async", "deaf")])
def test_a_call_in_flight_is_cut_off_in_time(start, options, name: str, said: str):
    """Its caller gets 503 when the drain is over; the call is left behind, and its trace is written."""
    gateway = start(SHORT, *options)
    thread = in_flight(gateway, name, said)
    assert 0 == gateway.stop()
    thread.join(60)
    assert "requests cut off: 1, predict calls that still run: 1" in gateway.process.output
    assert "Traceback" not in gateway.process.output
    assert [text for text in stored.texts(gateway.traces) if "shutting_down" in text]


def hurried(gateway: Gateway, *signals: signal.Signals) -> int:
    """Ask until it ends, and return its exit code.

    Of two signals at the same moment the second may reach another thread after the main one has looked, and
    is then noted with the third.
    """
    for number in (*signals, *[signal.SIGTERM] * 10):
        if gateway.process.running():
            gateway.process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                return gateway.process.wait(3)
    raise AssertionError("it goes on")


@pytest.mark.parametrize(("drain", "before"), [(SHORT, ()), (NEVER, (signal.SIGINT,))])
@pytest.mark.parametrize("options", WORKERS)
def test_an_event_loop_that_hangs(start, options, drain: str, before: tuple[signal.Signals, ...]):
    """Nothing runs in it any more, not even the stop: the process ends in time; a second signal hurries."""
    gateway = start(drain, *options)
    body = {"messages": [{"role": "user", "content": "loop"}]}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{gateway.url}/endpoints/async/invocations", json=body, timeout=2, trust_env=False)
    assert 0 == (hurried(gateway, *before) if before else gateway.stop())
    if not options:
        assert "left behind: requests in flight: 1, predict calls that still run: 1" in gateway.process.output


@pytest.mark.parametrize("options", WORKERS)
def test_a_provider_that_does_not_close(start, options):
    """The others are closed, the traces are written, and the line names it."""
    gateway = start(SHORT, *options, model="close")
    trace_id = ask(gateway, "sync", "hi").headers["x-tollway-trace-id"]
    assert 0 == gateway.stop()
    assert "not closed: the provider of endpoint 'sync'" in gateway.process.output
    assert trace_id in stored.ids(gateway.traces)


@pytest.mark.parametrize("options", WORKERS)
@pytest.mark.parametrize(
    ("name", "said", "drain"),
    [("sync", "thread", NEVER), ("async", "executor", NEVER), ("sync", "at exit", SHORT)],
)
def test_what_a_plugin_leaves_running(start, options, name: str, said: str, drain: str):
    """Threads that Python waits for are not waited for; what it runs at exit has the time that is left."""
    gateway = start(drain, *options)
    assert 200 == ask(gateway, name, said).status_code
    assert 0 == gateway.stop()


def test_nothing_is_said_when_nothing_is_left(start):
    gateway = start(NEVER)
    assert 200 == ask(gateway, "sync", "hi").status_code
    assert 0 == gateway.stop()
    assert "left behind" not in gateway.process.output
