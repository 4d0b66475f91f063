"""Two tiers of collectors: a router by trace id in front of two that sample."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from support import traced
from support.backends import Collector, Jaeger

ROOT = Path(__file__).parent.parent.parent

# No span of a slow trace is slow by itself, and its two spans leave in different exports: only who has
# both of them can know that the trace took longer than a second.
PROGRAM = """
import time
from opentelemetry import trace
from opentelemetry.trace import set_span_in_context
tracing.configure(service_name="tiers", otlp=sys.argv[1], mode="collector")
tracer = trace.get_tracer("test")
start_ns = time.time_ns() - 5_000_000_000
slow, fast = [], []
for ids, ms in ((slow, 700), (fast, 3)):
    for _ in range(100):
        root = tracer.start_span("root", start_time=start_ns)
        begin_ns = start_ns + (ms - 1) * 1_000_000
        child = tracer.start_span("child", set_span_in_context(root), start_time=begin_ns)
        root.end(start_ns + ms * 1_000_000)
        ids.append((hex_id(root), child, start_ns + 2 * ms * 1_000_000))
assert tracing.flush(30)
for _, child, end_ns in slow + fast:
    child.end(end_ns)
assert tracing.flush(30)
say({"slow": [one[0] for one in slow], "fast": [one[0] for one in fast]})
"""


def test_every_slow_trace_is_whole_whichever_sampler_its_spans_would_have_met(
    jaeger: Jaeger, start_collector: Callable[..., Collector]
):
    """The router sends all spans of a trace to one sampler, and both samplers have work."""
    config = ROOT / "collector-config.yaml"
    samplers = [start_collector(config, COLLECTOR_DECISION_WAIT="3s") for _ in range(2)]
    one, other = (sampler.environ["COLLECTOR_OTLP_GRPC_ADDRESS"] for sampler in samplers)
    router = start_collector(ROOT / "deploy" / "collector" / "router.yaml", SAMPLER_A=one, SAMPLER_B=other)
    made = traced.run(PROGRAM, router.http_url)
    found = jaeger.wait_for_ids("tiers", set(made["slow"]))
    for trace_id in made["slow"]:
        assert 2 == len(jaeger.wait_for(trace_id, 2)["spans"])
    assert len(found & set(made["fast"])) < len(made["fast"])
    for sampler in samplers:
        assert 0 < spans_measured(sampler) < 400


def spans_measured(sampler: Collector) -> float:
    """Return how many spans a sampler's span metrics counted, once they tell any."""
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        with urllib.request.urlopen(sampler.metrics_url, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        total = sum(float(line.rpartition(" ")[2]) for line in lines if "calls_total{" in line)
        if total:
            return total
        time.sleep(0.5)
    return 0
