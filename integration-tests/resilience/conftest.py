"""One gateway before an upstream that fails as each model's name says, with and without a fallback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.fault_forms import FORMS
from support.fault_upstream import FAULTS, FaultUpstream
from support.serving import Gateway

QUICK = {"connect": "2s", "first_token": "500ms", "idle": "500ms", "total": "4s"}

RETRY = {"attempts": 2, "backoff": "1ms", "max_backoff": "3s", "budget": "100%"}

STATUSES = [400, 401, 403, 404, 408, 409, 413, 422, 425, 429, 500, 502, 503, 504, 529]

MODELS = [
    *(name for name in FAULTS if not name.endswith(tuple(FORMS))),
    *("refused", "unreachable", "cut-after-0", "cut-after-1", "cut-after-2", "cut-after-4"),
    *(f"status-{status}" for status in STATUSES),
]

LIMITS = {
    "unreachable": {**QUICK, "connect": "300ms"},
    "oversized": {**QUICK, "first_token": "30s", "total": "60s"},
}
"""Time limits of models for which those of all others are too long or too short."""

PROVIDERS = {
    "openai": {"openai_api_key": "sk-test", "openai_api_base": "{}/v1"},
    "anthropic": {"anthropic_api_key": "sk-test", "anthropic_api_base": "{}/v1"},
}
"""By the provider, whose dialect the upstream then speaks: its settings."""


def endpoint_of(upstream: FaultUpstream, provider: str, name: str, model: str, **more: Any) -> dict[str, Any]:
    """Return an endpoint whose breaker stays out of the way; some models are where nobody is."""
    urls = {"refused": upstream.refused_url, "unreachable": upstream.unreachable_url}
    url = urls.get(model, upstream.url)
    config = {key: value.format(url) for key, value in PROVIDERS[provider].items()}
    return {
        "name": name,
        "endpoint_type": "llm/v1/chat",
        "model": {"provider": provider, "name": model, "config": config},
        "timeout": LIMITS.get(model, QUICK),
        "breaker": {"consecutive_failures": 1000, "min_requests": 1000},
        **more,
    }


def openai_endpoint(upstream: FaultUpstream, name: str, model: str, **more: Any) -> dict[str, Any]:
    """Return an endpoint of an OpenAI-compatible upstream whose breaker stays out of the way."""
    return endpoint_of(upstream, "openai", name, model, **more)


def endpoints_of(upstream: FaultUpstream, provider: str) -> Iterator[dict[str, Any]]:
    """Return three endpoints for each model: plain, with retries, and with a fallback to `ok`."""
    for model in MODELS:
        name = f"{provider}.{model}"
        yield endpoint_of(upstream, provider, name, model)
        yield endpoint_of(upstream, provider, f"{name}.retried", model, retry=RETRY)
        if model != "ok":
            yield endpoint_of(upstream, provider, f"{name}.backed", model, fallback=[f"{provider}.ok"])


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


@pytest.fixture(scope="session")
def fault_gateway(tmp_path_factory: pytest.TempPathFactory, service: FaultUpstream) -> Iterator[Gateway]:
    """A gateway with the endpoints of all providers; their names are `PROVIDER.MODEL[.retried|.backed]`."""
    endpoints = [one for provider in PROVIDERS for one in endpoints_of(service, provider)]
    config = {"endpoints": endpoints, "tracing": {"sampling_rate": 1}}
    started = Gateway(config, tmp_path_factory.mktemp("gateway"))
    started.wait_until_ready()
    yield started
    started.close()
