"""A gateway whose limits are in Redis, and what its callers notice when that goes away: nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.redis_server import RedisServer, redis_server
from support.serving import endpoint

LIMIT = {"calls": 1, "renewal_period": "hour", "burst": 20}
UP, HERE = "gateway_limits_storage_up", "gateway_limits_local_decisions_total"


@pytest.fixture
def redis(tmp_path: Path) -> Any:
    with redis_server(tmp_path) as server:
        yield server


def until(gateway: Any, value: float) -> None:
    """Ask for the metric until it is so; each answer takes a moment."""
    while gateway.metric(UP) != value:
        pass


@pytest.mark.parametrize("leave", ["stop", "hang"])
def test_callers_do_not_notice_that_redis_is_away(start_gateway, upstream, redis: RedisServer, leave: str):
    """They are served by the limits of this machine, and by Redis again once it is back."""
    service = upstream()
    config = endpoint(
        "a", "openai", "m", openai_api_key="k", openai_api_base=f"{service.url}/v1", limit=LIMIT
    )
    gateway = start_gateway({"endpoints": [config]}, MLFLOW_GATEWAY_RATE_LIMITS_STORAGE_URI=redis.url)
    back: Callable[[], None] = redis.start if leave == "stop" else redis.go_on

    def ask(count: int) -> list[int]:
        return [gateway.chat("a").status_code for _ in range(count)]

    assert [200] * 5 == ask(5)
    getattr(redis, leave)()
    assert [200] * 15 + [429] * 2 == ask(17)
    until(gateway, 0)
    decided_here = gateway.metric(HERE)
    assert decided_here >= 15
    back()
    until(gateway, 1)
    while gateway.chat("a").status_code == 429:  # as long as a busy machine decides here
        pass
    gateway.process.wait_for("is back:")
    assert 1 == gateway.process.output.count("is away (")
    assert 1 == gateway.process.output.count("is back:")
    assert 0 == gateway.metric("gateway_errors_total", code="internal_error")
