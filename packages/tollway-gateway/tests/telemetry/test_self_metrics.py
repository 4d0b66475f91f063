"""`/metrics` tells what became of traces and spans."""

import subprocess
import sys
from pathlib import Path

from prometheus_client import generate_latest

from tollway.gateway.telemetry import Metrics
from tollway.gateway.telemetry.self_metrics import TracingCollector
from tollway.tracing import Stats


def exposed(now: Stats, *place: str | int) -> list[str]:
    metrics = Metrics(*place)
    TracingCollector(metrics, lambda: now)
    return generate_latest(metrics.registry).decode().splitlines()


def test_reasons_are_labels():
    """A kept trace and a dropped span say why."""
    now = Stats(
        kept_traces={"slow": 3}, dropped_spans={"evicted": 5, "queue": 2}, dropped_traces={"unpicked": 7}
    )
    lines = exposed(now)
    assert 'gateway_traces_kept_total{reason="slow"} 3.0' in lines
    assert 'gateway_traces_dropped_total{reason="unpicked"} 7.0' in lines
    assert 'gateway_spans_dropped_total{reason="evicted"} 5.0' in lines
    assert 'gateway_spans_dropped_total{reason="queue"} 2.0' in lines


def test_every_number_is_told():
    """Nothing that tracing counts is left out."""
    numbers = Stats(
        started_spans=11,
        held_spans=12,
        queued_spans=13,
        exported_spans=14,
        failed_spans=15,
        export_retries=16,
        written_spans=17,
        failed_writes=18,
        dropped_index_rows=19,
    )
    values = {line.rpartition(" ")[2] for line in exposed(numbers) if not line.startswith("#")}
    assert {f"{n}.0" for n in range(11, 20)} <= values


def test_numbers_are_those_of_the_scrape():
    """They are read anew each time."""
    now = [Stats(started_spans=1)]
    metrics = Metrics()
    TracingCollector(metrics, lambda: now[0])
    now[0] = Stats(started_spans=2)
    assert b"gateway_spans_started_total 2.0" in generate_latest(metrics.registry)


WORKER = """
import sys
from tollway.gateway.telemetry import Metrics
from tollway.gateway.telemetry.self_metrics import TracingCollector
from tollway.tracing import Stats
numbers = [Stats(started_spans=n, held_spans=n, kept_traces={"slow": n}) for n in (3, 5)]
collector = TracingCollector(Metrics(sys.argv[1], 1), lambda: numbers.pop(0))
collector.publish()
collector.publish()
"""


def test_numbers_are_those_of_all_workers(tmp_path: Path):
    """What two workers published, one in the place of the other, is added up; what they held is gone."""
    for _ in range(2):
        subprocess.run([sys.executable, "-c", WORKER, tmp_path], check=True)
    lines = exposed(Stats(started_spans=1, held_spans=1, kept_traces={"error": 1}), str(tmp_path), 0)
    assert "gateway_spans_started_total 11.0" in lines
    assert 'gateway_traces_kept_total{reason="slow"} 10.0' in lines
    assert 'gateway_traces_kept_total{reason="error"} 1.0' in lines
    assert "gateway_spans_held 1.0" in lines
