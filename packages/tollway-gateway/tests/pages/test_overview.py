"""A gateway's numbers, as its metrics have them, and how they went."""

from __future__ import annotations

from typing import Any

from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.pages.overview import GatewayOverview
from tollway.gateway.pipeline import Runtime
from tollway.gateway.serving import Snapshots, build
from tollway.gateway.telemetry import Metrics
from tollway.gateway.telemetry.metrics import Labels
from tollway.provider import Usage

CONFIG: dict[str, Any] = {
    "endpoints": [
        {
            "name": "chat",
            "endpoint_type": "llm/v1/chat",
            "model": {"provider": "openai", "name": "m", "config": {"openai_api_key": "sk-x"}},
        }
    ]
}

WHO = Labels("chat", "openai", "m")


def test_numbers_are_those_of_models_requests():
    """Those of the control plane are not among them: who looks at the pages would count themselves."""
    metrics = Metrics()
    snapshots = Snapshots(build(GatewayConfig(**CONFIG), Runtime({})), metrics)
    now = [1000.0]
    overview = GatewayOverview(metrics, lambda: snapshots.current, lambda: None, lambda: now[0])
    first = overview.now()
    assert (0, 0, None) == (first["requests"], first["errors"], first["latency"]["p50"])
    for _ in range(9):
        metrics.answered(WHO, "/v1", 200, 0.4, 0.001, None)
    metrics.answered(WHO, "/v1", 502, 9.0, 0.001, None)
    metrics.control_answered(200, None)
    metrics.used(WHO, Usage(input_tokens=5, output_tokens=7))
    metrics.spent("chat", 2_000_000_000_000)
    metrics.denied(WHO)
    now[0] += 2
    second = overview.now()
    assert (10, 1) == (second["requests"], second["errors"])
    assert 250 < second["latency"]["p50"] <= 500
    assert 5000 < second["latency"]["p99"] <= 10_000
    assert ({"input": 5, "output": 7}, 2.0) == (second["tokens"], second["cost_usd"])
    assert [{"name": "chat", "denied": 1}] == second["limits"]
    assert [{"upstream": "chat", "state": "closed"}] == second["breakers"]
    assert ([1002_000.0], [10], [1]) == tuple(
        second["series"][key] for key in ("at_ms", "requests", "errors")
    )
