"""Which bucket a call takes from, and how much."""

from __future__ import annotations

from typing import Any

import pytest

from tollway.gateway.apis import APICall, api_of
from tollway.gateway.config.values import LimitConfig
from tollway.gateway.limits import LocalStore
from tollway.gateway.pipeline.quota import Quota, estimated_tokens, quotas_of
from tollway.provider import Task

CALL = APICall(Task.CHAT, {}, b"{}", api=api_of(Task.CHAT))


def quota(**limit: Any) -> Quota:
    (one,) = quotas_of("chat", "", [LimitConfig(renewal_period_s=60, **limit)], LocalStore(lambda: 0))
    return one


def scope(client: str | None = None, **headers: str) -> dict[str, Any]:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"client": client and (client, 1), "headers": pairs}


def buckets(one: Quota, *scopes: dict[str, Any]) -> int:
    return len({one.claim(scope, CALL).key for scope in scopes})


def test_by_endpoint_there_is_one_bucket():
    assert 1 == buckets(quota(calls=1), scope("1.2.3.4"), scope("1.2.3.5", x_team="a"))


def test_by_client_every_address_has_its_own():
    """Of IPv6 every network of 64 bits; all callers by a Unix socket share one."""
    by_client = quota(calls=1, key="client")
    assert 2 == buckets(by_client, scope("1.2.3.4"), scope("1.2.3.5"), scope("1.2.3.4"))
    assert 2 == buckets(by_client, scope("2001:db8::1"), scope("2001:db8::2"), scope("2001:db8:0:1::1"))
    assert 1 == buckets(by_client, scope("1.2.3.4"), scope("::ffff:1.2.3.4"))
    assert 1 == buckets(by_client, scope(), scope())


def test_by_header_every_value_has_its_own():
    """Those that do not send it share one."""
    by_team = quota(calls=1, key="header:x-team")
    assert 3 == buckets(by_team, scope(x_team="a"), scope(x_team="b"), scope(), scope(other="a"))


def test_limits_of_one_name_do_not_share_a_bucket():
    """Neither several limits of one endpoint, nor those of a key that is called as an endpoint."""
    store = LocalStore(lambda: 0)
    limit = LimitConfig(calls=9, tokens=9, renewal_period_s=60)
    found = [*quotas_of("a", "", [limit, limit], store), *quotas_of("a", "key", [limit], store)]
    assert ["a", "a-2", "a-3", "a-4", "key:a", "key:a-2"] == [one.name for one in found]
    assert 6 == len({one.claim(scope(), CALL).key for one in found})


@pytest.mark.parametrize(
    ("payload", "body_bytes", "tokens"),
    [
        ({}, 400, 100 + 256),
        ({"max_tokens": 50}, 400, 150),
        ({"max_completion_tokens": 10, "max_tokens": 50}, 400, 110),
        ({"max_tokens": 50, "n": 3}, 400, 250),
        ({"max_tokens": "many", "n": True}, 0, 256),
        ({"max_tokens": -5}, 0, 1),
    ],
)
def test_estimate_is_the_prompt_and_the_longest_answer(payload: Any, body_bytes: int, tokens: int):
    """Four bytes are a token; what the caller bounds counts, else a usual answer."""
    assert tokens == estimated_tokens(APICall(Task.CHAT, payload, b"x" * body_bytes, api=api_of(Task.CHAT)))


def test_an_estimate_above_the_limit_takes_all_of_it():
    """Else such a call could never be made."""
    assert (
        100
        == quota(tokens=100).claim(scope(), APICall(Task.CHAT, {}, b"x" * 4000, api=api_of(Task.CHAT))).tokens
    )
