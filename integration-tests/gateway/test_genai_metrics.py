"""A gateway of several workers exports what it measures of models by OTLP, all of it and once."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from typing import Any

import httpx
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData

from support import chat_stub
from support.otlp_receiver import OTLPReceiver
from support.processes import WAIT_S
from support.serving import Gateway, endpoint
from support.upstream import Exchange, Upstream, chunk

CALLS = 12


def points_of(bodies: list[bytes]) -> dict[str, list[Any]]:
    """Return the last points of every instance, by the name of their metric."""
    last = {}
    for body in bodies:
        (resource,) = MetricsData.FromString(body).resource_metrics
        named = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
        last[named["service.instance.id"]] = resource.scope_metrics[0].metrics
    found: dict[str, list[Any]] = {}
    for metrics in last.values():
        for metric in metrics:
            data = metric.sum if metric.HasField("sum") else metric.histogram
            found.setdefault(metric.name, []).extend(data.data_points)
    return found


class Slow:
    """A model's script whose streams go on when their caller has seen the first event."""

    def __init__(self) -> None:
        self.seen = threading.Semaphore(0)

    def __call__(self, exchange: Exchange) -> None:
        if not json.loads(exchange.body).get("stream"):
            chat_stub.script(exchange)
            return
        exchange.begin_stream()
        exchange.event(chunk("Hel"))
        self.seen.acquire(timeout=WAIT_S)
        exchange.event(chunk("lo.", "stop"))
        exchange.event({"id": "c", "model": "m", "choices": [], "usage": chat_stub.USAGE})
        exchange.end_stream()


def ask(url: str, model: Slow, *, stream: bool) -> None:
    """Read an answer, over a connection of its own."""
    body = {"messages": [{"role": "user", "content": "?"}], "stream": stream}
    with httpx.stream("POST", url, json=body, timeout=WAIT_S, trust_env=False) as answer:
        answer.raise_for_status()
        lines = answer.iter_lines()
        next(lines)
        if stream:
            model.seen.release()
        assert list(lines) or not stream


def test_workers_together_export_every_call(tmp_path):
    """Connections of their own lead to any worker; a whole answer and a stream take turns."""
    model = Slow()
    with closing(Upstream(model)) as service, OTLPReceiver() as receiver:
        one = endpoint("a", "openai", "m", openai_api_key="k", openai_api_base=f"{service.url}/v1")
        config = {"endpoints": [one]}
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
        with closing(Gateway(config, tmp_path, options=["--workers", "2"], **variables)) as gateway:
            gateway.wait_until_ready()
            for number in range(CALLS):
                ask(f"{gateway.url}/endpoints/a/invocations", model, stream=number % 2 == 1)
            assert 0 == gateway.stop()
        found = points_of(receiver.bodies["/v1/metrics"])  # sent at the end, if not before
        assert receiver.bodies["/v1/traces"]

    prefix = "gen_ai.client.inference."
    assert CALLS == sum(point.count for point in found[f"{prefix}duration"])
    assert CALLS // 2 == sum(point.count for point in found[f"{prefix}time_to_first_chunk"])
    assert CALLS // 2 <= sum(point.count for point in found[f"{prefix}time_per_output_chunk"])
    used = chat_stub.USAGE["prompt_tokens"]
    assert isinstance(used, int)
    assert CALLS * used == sum(point.as_int for point in found[f"{prefix}usage.input_tokens"])
