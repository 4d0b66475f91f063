"""All slow and failed traces are in Jaeger and fast ones at the ratio, whoever decides."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from support import traced
from support.backends import MANIFESTS, Collector, Jaeger

ROOT = Path(__file__).parent.parent.parent
FAST, EACH = 1_800, 100

PROGRAM = f"""
import time
tracing.configure(
    service_name=sys.argv[1], otlp=sys.argv[2], mode=sys.argv[3], sampling_rate=0.2, slow_threshold_ms=1000
)
from tollway.tracing import TracerProvider
from opentelemetry import trace
from opentelemetry.trace import set_span_in_context
tracer = trace.get_tracer("test")
made = {{"fast": [], "slow": [], "failed": []}}
start_ns = time.time_ns() - 5_000_000_000
for kind, number in (("fast", {FAST}), ("slow", {EACH}), ("failed", {EACH})):
    for _ in range(number):
        root = tracer.start_span(kind, start_time=start_ns)
        child = tracer.start_span("child", set_span_in_context(root), start_time=start_ns)
        if kind == "failed":
            child.set_status(trace.StatusCode.ERROR, "why")
        end_ns = start_ns + (2_000_000_000 if kind == "slow" else 3_000_000)
        child.end(end_ns)
        root.end(end_ns)
        made[kind].append(hex_id(root))
assert tracing.flush(60)
say(made)
"""


def assert_policy(jaeger: Jaeger, service: str, made: dict[str, list[str]]) -> None:
    """All that must be there is there, and of the fast ones about a fifth."""
    certain = set(made["slow"]) | set(made["failed"])
    found = jaeger.wait_for_ids(service, certain)
    kept = len(found & set(made["fast"]))
    spread = 5 * math.sqrt(FAST * 0.2 * 0.8)
    assert abs(kept - FAST * 0.2) < spread
    assert found <= {trace_id for ids in made.values() for trace_id in ids}
    assert all(len(jaeger.wait_for(trace_id, 2)["spans"]) == 2 for trace_id in made["slow"][:20])


def test_we_decide(jaeger: Jaeger, collector: Collector):
    """`local` mode, and a collector without a policy."""
    made = traced.run(PROGRAM, "decided-here", collector.http_url, "local")
    assert_policy(jaeger, "decided-here", made)


def test_the_collector_decides(jaeger: Jaeger, start_collector: Callable[..., Collector]):
    """`collector` mode, and the configuration of the root folder: everything is sent, tail sampling
    chooses.
    """
    deciding = start_collector(ROOT / "collector-config.yaml", COLLECTOR_DECISION_WAIT="1s")
    made = traced.run(PROGRAM, "decided-there", deciding.http_url, "collector")
    assert_policy(jaeger, "decided-there", made)


def test_a_collector_that_is_gone_raises_nothing_and_every_loss_is_counted(
    jaeger: Jaeger, start_collector: Callable[..., Collector]
):
    """Nothing raises, what was given up is counted exactly, and export goes on afterwards."""
    first = start_collector(MANIFESTS / "passing.yaml", TRACE_FILES="none/*.json")
    first.process.close()
    lost = traced.run(
        """
        impatient = {"OTEL_EXPORTER_OTLP_TIMEOUT": "300"}
        tracing.configure(service_name="outage", otlp=sys.argv[1], environ=impatient)
        for n in range(500):
            with tracing.start_span("lost"):
                pass
        assert not tracing.flush(30)
        now = tracing.stats()
        assert 500 == now.failed_spans + now.dropped_spans["queue"] + now.exported_spans, now
        say(now.failed_spans)
        """,
        first.http_url,
    )
    assert 500 == lost
    again = first.again()
    try:
        sent = traced.run(
            """
            tracing.configure(service_name="outage", otlp=sys.argv[1])
            with tracing.start_span("after") as span:
                pass
            assert tracing.flush(30)
            say(hex_id(span))
            """,
            again.http_url,
        )
        jaeger.wait_for(sent, 1)
    finally:
        again.process.close()
