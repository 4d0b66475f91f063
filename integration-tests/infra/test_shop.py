"""examples/shop: one question through four services is one trace, as its README says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.backends import Collector, Jaeger
from support.processes import Process
from support.serving import Gateway, endpoint, environment
from support.upstream import Upstream
from tollway.tracing.readers.jaeger import JaegerReader
from tollway.tracing.store import SpanView, Trace

SHOP = Path(__file__).parent.parent.parent / "examples" / "shop"


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Starts a service of the shop with Uvicorn, and returns its URL."""
    with ExitStack() as stack:

        def start(name: str, **environ: str) -> str:
            command = [sys.executable, "-m", "uvicorn", f"{name}:app", "--app-dir", SHOP, "--port", "0"]
            process = Process(command, env=environment(OTEL_SERVICE_NAME=name, **environ))
            stack.callback(process.close)
            return process.wait_for(r"Uvicorn running on (http://[\d.:]+)")[1]

        yield start


def service_of_parent(trace: Trace, span: SpanView) -> str | None:
    (parent,) = (one for one in trace.spans if one.span_id == span.parent_id)
    return parent.service


def test_one_question_is_one_trace(
    jaeger: Jaeger,
    collector: Collector,
    serve: Callable[..., str],
    start_gateway: Callable[..., Gateway],
    upstream: Callable[..., Upstream],
):
    """Stock instrumentation and ours, four processes: one root, each service under its caller."""
    exporting = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.http_url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    model = f"{upstream().url}/v1"
    config = {"endpoints": [endpoint("assistant", "openai", "m", openai_api_key="k", openai_api_base=model)]}
    gateway = start_gateway(config, OTEL_SERVICE_NAME="gateway", **exporting)
    catalog = serve("catalog", **exporting)
    concierge = serve("concierge", CATALOG_URL=catalog, GATEWAY_URL=gateway.url, **exporting)
    asking = environment(OTEL_SERVICE_NAME="customer", CONCIERGE_URL=concierge, **exporting)
    command = [sys.executable, SHOP / "customer.py"]
    customer = subprocess.run(command, env=asking, capture_output=True, text=True, timeout=60, check=False)
    assert 0 == customer.returncode, customer.stderr
    answer, trace_id = customer.stdout.split("\ntrace ")
    assert "Hello." == answer
    trace_id = trace_id.strip()
    jaeger.wait_for(trace_id, 12)
    trace = JaegerReader(jaeger.query_url).get(trace_id)
    assert trace is not None
    (root,) = trace.roots
    assert ("customer", "question") == (root.service, root.name)
    assert {"customer", "concierge", "catalog", "gateway"} == {span.service for span in trace.spans}
    servers = {
        str(span.service): service_of_parent(trace, span) for span in trace.spans if span.kind == "SERVER"
    }
    assert {"concierge": "customer", "catalog": "concierge", "gateway": "concierge"} == servers
