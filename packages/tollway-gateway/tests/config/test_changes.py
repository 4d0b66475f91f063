"""What a reload says of itself: names and keys, never a value."""

from __future__ import annotations

from typing import Any

import pytest

from tollway.gateway.config.changes import changes_of
from tollway.gateway.config.values import GatewayConfig

SECRET = "sk-not-to-be-seen"


def endpoint(name: str = "a", **more: Any) -> dict[str, Any]:
    model = {"provider": "openai", "name": "m", "config": {"openai_api_key": SECRET}}
    return {"name": name, "endpoint_type": "llm/v1/chat", "model": model, **more}


def configured(*endpoints: dict[str, Any], **more: Any) -> GatewayConfig:
    return GatewayConfig(endpoints=list(endpoints) or [endpoint()], **more)


LIMIT = {"calls": 1, "renewal_period_s": 1.0, "burst": 1}
ROUTE = {"name": "r", "task_type": "llm/v1/chat", "destinations": [{"name": "a"}]}
KEY = {"name": "shop", "digest": "ab" * 32}
OTHER_KEY = {"provider": "openai", "name": "m", "config": {"openai_api_key": SECRET[::-1]}}


@pytest.mark.parametrize(
    ("after", "lines"),
    [
        (configured(), []),
        (configured(endpoint(), endpoint("b")), ["endpoint 'b' added"]),
        (configured(endpoint("b")), ["endpoint 'a' removed", "endpoint 'b' added"]),
        (configured(endpoint(model=OTHER_KEY)), ["endpoint 'a' changed: model.config.openai_api_key"]),
        (configured(endpoint(limits=[LIMIT])), ["endpoint 'a' changed: limit"]),
        (configured(endpoint(timeout={"total_s": 1.0})), ["endpoint 'a' changed: timeout.total"]),
        (configured(endpoint(retry={})), ["endpoint 'a' changed: retry"]),
        (configured(routes=[ROUTE]), ["route 'r' added"]),
        (configured(auth={"keys": [KEY]}), ["key 'shop' added"]),
        (configured(auth={"admin_digest": "ab" * 32}), ["changed: auth.admin_key"]),
        (configured(server={"max_body_bytes": 5}), ["changed: server.max_body_bytes"]),
    ],
)
def test_what_changes_is_named(after: GatewayConfig, lines: list[str]):
    found = changes_of(configured(), after)
    assert lines == list(found.lines)
    assert () == found.restart
    assert after == found.config
    assert SECRET not in repr(found)


def test_another_order_is_a_change():
    """The first endpoint of an upstream names it."""
    found = changes_of(configured(endpoint(), endpoint("b")), configured(endpoint("b"), endpoint()))
    assert ("endpoints in another order",) == found.lines


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"tracing": {"sampling_rate": 0.5}}, "tracing.sampling_rate"),
        ({"tracing": {"otlp": {"endpoint": f"http://u:{SECRET}@c:4318"}}}, "tracing.otlp"),
        ({"server": {"drain_timeout_s": 1.0}}, "server.drain_timeout"),
    ],
)
def test_what_is_set_up_once_stays_and_is_named(more: dict[str, Any], key: str):
    """The rest of the new configuration is taken over."""
    before, after = configured(), configured(endpoint(), endpoint("b"), **more)
    found = changes_of(before, after)
    assert (key,) == found.restart
    assert ("endpoint 'b' added",) == found.lines
    assert configured(endpoint(), endpoint("b")) == found.config
    assert (key,) == changes_of(found.config, after).restart
    assert SECRET not in repr(found)
