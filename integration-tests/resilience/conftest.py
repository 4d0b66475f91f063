"""One gateway before an upstream that fails as each model's name says, with and without a fallback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.fault_upstream import FAULTS, FaultUpstream
from support.serving import Gateway

QUICK = {"connect": "2s", "first_token": "500ms", "idle": "500ms", "total": "4s"}

RETRY = {"attempts": 2, "backoff": "1ms", "max_backoff": "1s", "budget": "100%"}

STATUSES = [400, 401, 403, 404, 408, 409, 413, 422, 425, 429, 500, 502, 503, 504, 529]

MODELS = [*FAULTS, *(f"status-{status}" for status in STATUSES)]


def openai_endpoint(upstream: FaultUpstream, name: str, model: str, **more: Any) -> dict[str, Any]:
    """Return an endpoint of an OpenAI-compatible upstream whose breaker stays out of the way."""
    return {
        "name": name,
        "endpoint_type": "llm/v1/chat",
        "model": {
            "provider": "openai",
            "name": model,
            "config": {"openai_api_key": "sk-test", "openai_api_base": f"{upstream.url}/v1"},
        },
        "timeout": QUICK,
        "breaker": {"consecutive_failures": 1000, "min_requests": 1000},
        **more,
    }


@pytest.fixture(scope="session")
def service() -> Iterator[FaultUpstream]:
    """The upstream."""
    started = FaultUpstream()
    yield started
    started.close()


@pytest.fixture
def faults(service: FaultUpstream) -> FaultUpstream:
    """The upstream, with nothing seen yet."""
    service.forget()
    return service


@pytest.fixture(scope="module")
def gateway(start_gateway, service: FaultUpstream) -> Gateway:
    """A gateway with three endpoints for each model: plain, with retries, and with a fallback to `ok`."""
    endpoints = []
    for model in MODELS:
        endpoints.append(openai_endpoint(service, model, model))
        endpoints.append(openai_endpoint(service, f"{model}.retried", model, retry=RETRY))
        if model != "ok":
            endpoints.append(openai_endpoint(service, f"{model}.backed", model, fallback=["ok"]))
    return start_gateway({"endpoints": endpoints, "tracing": {"sampling_rate": 1}})
