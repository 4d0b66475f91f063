"""`tollway traces receive` stores what the collector's load generator and a stock Go service send."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support import go_binaries
from support.processes import WAIT_S, Process
from tollway.tracing.store import FileStore, Trace

pytestmark = pytest.mark.skipif(go_binaries.go() is None, reason=go_binaries.WITHOUT_GO)

TOLLWAY = Path(sys.executable).with_name("tollway")

PROTOCOLS = pytest.mark.parametrize("protocol", ["http", "grpc"])

WORKERS, TRACES, CHILDREN = 2, 200, 3
SENT = WORKERS * TRACES * (1 + CHILDREN)


class Receiver:
    """A running `tollway traces receive`, and its store."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.store = FileStore(folder)
        command = [TOLLWAY, "traces", "receive", "--store", folder, "--port", "0", "--grpc-port", "0"]
        self.process = Process([*command, *options])

    def address(self, protocol: str) -> str:
        """Return host and port."""
        what = {"http": r"http://(127\.0\.0\.1:\d+)/v1/traces", "grpc": r"gRPC to (127\.0\.0\.1:\d+)"}
        return self.process.wait_for(what[protocol])[1]

    def stopped(self) -> dict[str, int]:
        """Stop it; return how many spans it received and dropped by what it said, by reason."""
        assert 0 == self.process.stop(), self.process.output
        received, dropped = self.process.wait_for(r"(\d+) spans received; dropped: (.*)\.").groups()
        reasons = {reason: int(count) for count, reason in re.findall(r"(\d+) ([a-z ]+)", dropped)}
        return {"received": int(received), **reasons}

    def traces(self) -> list[Trace]:
        """Return what is stored."""
        return self.store.search(limit=10_000)


@pytest.fixture
def start_receiver(tmp_path: Path) -> Iterator[Callable[..., Receiver]]:
    """Starts receivers of a test's own."""
    with ExitStack() as stack:

        def start(*options: str) -> Receiver:
            started = Receiver(tmp_path / "traces", *options)
            stack.callback(started.process.close)
            return started

        yield start


def generate(address: str, protocol: str) -> None:
    """Send traces by the collector's load generator."""
    command: list[str | Path] = [go_binaries.telemetrygen(), "traces", "--otlp-insecure", "--rate", "0"]
    command += ["--otlp-endpoint", address, "--workers", str(WORKERS), "--traces", str(TRACES)]
    command += ["--child-spans", str(CHILDREN), *(["--otlp-http"] if protocol == "http" else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * WAIT_S, check=False)
    assert 0 == done.returncode, done.stderr


@PROTOCOLS
def test_nothing_of_the_load_generator_is_lost(start_receiver, protocol):
    """At the ratio 1 every span that was sent is in the store, in whole traces."""
    receiver = start_receiver()
    generate(receiver.address(protocol), protocol)
    assert {"received": SENT} == receiver.stopped()
    traces = receiver.traces()
    assert [1 + CHILDREN] * (WORKERS * TRACES) == [len(trace.spans) for trace in traces]
    assert {"telemetrygen"} == {trace.summary.service for trace in traces}


@PROTOCOLS
def test_what_is_not_kept_is_counted(start_receiver, protocol):
    """Spans are stored or counted as dropped, and traces are never cut."""
    receiver = start_receiver("--sampling-rate", "0.5")
    generate(receiver.address(protocol), protocol)
    said = receiver.stopped()
    sizes = [len(trace.spans) for trace in receiver.traces()]
    assert {1 + CHILDREN} == set(sizes)
    assert SENT == said["received"] == sum(sizes) + said["unpicked"]


@PROTOCOLS
def test_traces_of_a_stock_go_service_are_seen(start_receiver, protocol):
    receiver = start_receiver()
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{receiver.address(protocol)}",
        "OTEL_SERVICE_NAME": "shop",
    }
    done = subprocess.run(
        [go_binaries.go_service(), protocol],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=2 * WAIT_S,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    receiver.stopped()
    traces = {trace.trace_id: trace for trace in receiver.traces()}
    assert set(done.stdout.split()) == set(traces)
    assert {("checkout", "shop")} == {(t.summary.root_name, t.summary.service) for t in traces.values()}
    assert len(traces) // 10 == sum(trace.summary.status == "ERROR" for trace in traces.values())
    charge = next(span for span in next(iter(traces.values())).spans if span.name == "charge")
    assert ("tea", "ü") == charge.attributes["order.items"]
    assert ["charged"] == [event.name for event in charge.events]
