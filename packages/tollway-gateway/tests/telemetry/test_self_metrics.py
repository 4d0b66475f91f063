"""`/metrics` tells what became of traces and spans."""

from prometheus_client import CollectorRegistry, generate_latest

from tollway.gateway.telemetry.self_metrics import TracingCollector
from tollway.tracing import Stats


def exposed(now: Stats) -> list[str]:
    registry = CollectorRegistry()
    registry.register(TracingCollector(lambda: now))
    return generate_latest(registry).decode().splitlines()


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
    )
    values = {line.rpartition(" ")[2] for line in exposed(numbers) if not line.startswith("#")}
    assert {f"{n}.0" for n in range(11, 19)} <= values


def test_numbers_are_those_of_the_scrape():
    """They are read anew each time."""
    now = [Stats(started_spans=1)]
    registry = CollectorRegistry()
    registry.register(TracingCollector(lambda: now[0]))
    now[0] = Stats(started_spans=2)
    assert b"gateway_spans_started_total 2.0" in generate_latest(registry)
