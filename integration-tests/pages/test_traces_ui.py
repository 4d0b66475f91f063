"""`tollway traces ui` as people use it: one command, and any service's traces are on its pages."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.processes import WAIT_S, Process
from support.serving import TOLLWAY, environment

PROGRAM = """
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
with provider.get_tracer("shop").start_as_current_span("GET /orders") as span:
    span.set_attribute("order", 7)
"""


@pytest.fixture
def ui(tmp_path: Path) -> Iterator[Process]:
    command = [*TOLLWAY, "traces", "ui", "--store", "traces", "--port", "0", "--no-grpc"]
    process = Process(command, cwd=tmp_path, env=environment())
    try:
        yield process
    finally:
        process.close()


def test_a_service_with_a_stock_sdk_is_seen(ui: Process, tmp_path: Path):
    """Its trace comes to a page that is open, and is in the list; Ctrl-C ends it, with the page open."""
    url = ui.wait_for(r"pages are at (http://\S+)/ui/\.")[1]
    with httpx.Client(base_url=f"{url}/ui", timeout=WAIT_S, trust_env=False) as page:
        assert "text/html" in page.get("/").headers["content-type"]
        with page.stream("GET", "/api/live") as live:
            lines = live.iter_lines()
            assert ": keep-alive" == next(lines)
            settings = environment(OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_SERVICE_NAME="shop")
            subprocess.run([sys.executable, "-c", PROGRAM], env=settings, cwd=tmp_path, check=True)
            data = next(line for line in lines if line.startswith("data: "))
            row = json.loads(data.removeprefix("data: "))
            assert ("GET /orders", "shop") == (row["root"], row["service"])
            found = page.get("/api/traces", params={"q": "service:shop attr.order:7"}).json()["traces"]
            assert [row["trace_id"]] == [one["trace_id"] for one in found]
            assert row == found[0]
            ui.send_signal(signal.SIGINT)
            assert not [line for line in lines if line.startswith("data: ")]
    ui.wait_for("1 spans received; dropped: none")
    assert "Traceback" not in ui.output
