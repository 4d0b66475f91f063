"""Budgets around a request, over real sockets: reserved before the call, charged after, told when denied."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from support.redis_server import redis_server
from tollway.gateway.budgets.remote import RemoteBudgets
from tollway.gateway.pipeline import Runtime

TENTH = 10**11
"""In picoUSD: a tenth of a dollar."""

PER_REQUEST = {"prices": {"request": TENTH * 10**12, "input": 0, "output": 0}}
PER_TOKEN = {"prices": {"input": 10**18, "output": 10**18}}
"""A dollar for a million tokens."""

DOLLAR = {"amount_picousd": 10**12, "period": "day"}
CHAT = {"model": "chat", "messages": [{"role": "user", "content": "hi"}]}
USAGE = {"prompt_tokens": 60_000, "completion_tokens": 40_000, "total_tokens": 100_000}
NOON_S = int(datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp())


def completion(**changed: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "ho"}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return {"id": "1", "model": "m", "choices": choices, "usage": USAGE, **changed}


def endpoint(url: str, name: str = "chat", **more: Any) -> dict[str, Any]:
    model = {"provider": "openai", "name": "m", "config": {"openai_api_base": f"{url}/v1"}}
    return {"name": name, "endpoint_type": "llm/v1/chat", "model": model, "retry": None, **more}


@pytest.fixture
def now() -> list[int]:
    return [NOON_S]


@pytest.fixture
def start(gateway, tmp_path, now):
    def start(*endpoints: dict[str, Any], **more: Any):
        runtime = Runtime({"TOLLWAY_STATE": str(tmp_path / "state")}, now_s=lambda: now[0])
        return gateway({"endpoints": list(endpoints), **more}, runtime=runtime)

    return start


@pytest.fixture
def one(start, upstream):
    """Start a gateway with one endpoint that has a budget of a dollar a day."""

    def begin(script=None, *, budgets=(DOLLAR,), price=PER_TOKEN, **more: Any):
        server = upstream(script or (lambda exchange: exchange.answer(completion())))
        return start(endpoint(server.url, price=price, budgets=list(budgets)), **more)

    return begin


def ask(gateway, times: int = 1, key: str | None = None, **more: Any) -> list[int]:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    return [
        gateway.client.post("/v1/chat/completions", json={**CHAT, **more}, headers=headers).status_code
        for _ in range(times)
    ]


def test_ten_calls_of_a_tenth_pass_and_the_eleventh_does_not(one):
    gateway = one()

    assert [200] * 10 + [429] == ask(gateway, 11)
    assert 1 == gateway.metric("gateway_budget_denials_total", budget="chat")


def test_the_same_for_calls_that_are_all_in_flight(one):
    """They have reserved what they cost, and the eleventh may ask again soon."""
    go_on, seen = threading.Event(), threading.Semaphore(0)

    def script(exchange):
        seen.release()
        assert go_on.wait(20)
        exchange.answer(completion())

    gateway = one(script, price=PER_REQUEST)
    with ThreadPoolExecutor(10) as threads:
        asked = [threads.submit(ask, gateway) for _ in range(10)]
        for _ in range(10):
            assert seen.acquire(timeout=20)
        denied = gateway.client.post("/v1/chat/completions", json=CHAT)
        go_on.set()
        assert [[200]] * 10 == [one.result() for one in asked]

    assert (429, "1") == (denied.status_code, denied.headers["retry-after"])


def test_a_denied_call_is_told_when_the_budget_renews(one):
    """By the calendar of its time zone: midnight in New York is five in the morning UTC."""
    gateway = one(budgets=[{**DOLLAR, "timezone": "America/New_York"}])
    ask(gateway, 10)

    denied = gateway.client.post("/v1/chat/completions", json=CHAT)

    error = denied.json()["error"]
    assert ("budget_exceeded", "rate_limit_error") == (error["code"], error["type"])
    assert ("chat", "2026-12-01T00:00:00-05:00") == (error["budget"], error["renews_at"])
    assert 17 * 3600 <= int(denied.headers["retry-after"]) <= 17 * 3600 + 1
    assert "false" == denied.headers["x-should-retry"]
    assert "1 USD a day" in error["message"]


def test_the_next_period_begins_anew(one, now):
    gateway = one()
    ask(gateway, 10)
    now[0] += 86_400

    assert [200] == ask(gateway)


def test_a_stream_is_charged_before_it_ends(one):
    def script(exchange):
        exchange.begin_stream()
        exchange.event({"choices": [{"index": 0, "delta": {"content": "ho"}, "finish_reason": "stop"}]})
        exchange.event({"choices": [], "usage": USAGE})
        exchange.event(b"[DONE]")
        exchange.end_stream()

    assert [200] * 10 + [429] == ask(one(script), 11, stream=True)


def test_a_call_that_fails_costs_nothing(one):
    gateway = one(lambda exchange: exchange.answer({"error": {"message": "down"}}, status=500))

    assert [502] * 11 == ask(gateway, 11, max_tokens=500_000)


def test_a_stream_that_breaks_costs_what_was_reserved(one):
    """How much of it the model's service counts is not known: half a dollar was reserved here."""

    def script(exchange):
        exchange.begin_stream()
        exchange.event({"choices": [{"index": 0, "delta": {"content": "ho"}}]})
        exchange.cut()

    gateway = one(script)

    assert [200, 200, 429] == ask(gateway, 3, stream=True, max_tokens=500_000)


def test_without_a_price_calls_pass_and_are_counted(one):
    """Their cost is not known, so nothing is spent; `check` warns of it."""
    gateway = one(price=None)

    assert [200] * 11 == ask(gateway, 11)
    assert 11 == gateway.metric("gateway_unpriced_total", endpoint="chat", reason="no_price")


def test_what_is_spent_survives_a_restart(one):
    first = one()
    ask(first, 10)
    first.stop()

    assert [429] == ask(one())


def test_the_alert_is_an_event_a_log_line_and_a_metric(one, caplog):
    gateway = one(budgets=[{**DOLLAR, "alert_at": 0.8}])

    ask(gateway, 9)

    events = [
        event
        for _ in range(9)
        for event in gateway.spans.wait_for("POST /v1/chat/completions").events
        if event.name == "budget_alert"
    ]
    assert [{"tollway.budget": "chat", "spent_usd": 0.8, "amount_usd": 1.0}] == [
        dict(event.attributes) for event in events
    ]
    assert 1 == gateway.metric("gateway_budget_alerts_total", budget="chat")
    assert [
        "0.8 of 1 USD" in record.getMessage() for record in caplog.records if "alert" in record.getMessage()
    ] == [True]


def test_a_key_a_tag_and_a_route_have_budgets_of_their_own(start, upstream):
    """All of them allow a call, or none is charged; a key without the tag does not meet its budget."""
    server = upstream(lambda exchange: exchange.answer(completion()))
    keys = [
        {"name": name, "digest": hashlib.sha256(name.encode()).hexdigest(), "tags": tags, "budgets": budgets}
        for name, tags, budgets in (
            ("small", {"team": "web"}, [{"amount_picousd": 2 * TENTH, "period": "day"}]),
            ("same-team", {"team": "web"}, []),
            ("other", {"team": "ml"}, []),
        )
    ]
    team = {"tags": {"team": "web"}, "amount_picousd": 5 * TENTH, "period": "week"}
    route = {
        "name": "r",
        "task_type": "llm/v1/chat",
        "destinations": [{"name": "chat", "traffic_percentage": 100}],
        "budgets": [DOLLAR],
    }
    gateway = start(
        endpoint(server.url, price=PER_TOKEN), auth={"keys": keys, "budgets": [team]}, routes=[route]
    )

    assert [200, 200, 429] == ask(gateway, 3, "small", model="r")
    assert [200, 200, 200, 429] == ask(gateway, 4, "same-team", model="r")
    assert [200] * 5 + [429] == ask(gateway, 6, "other", model="r")
    assert [200] == ask(gateway, 1, "other")
    assert [1, 1, 1] == [
        gateway.metric("gateway_budget_denials_total", budget=name)
        for name in ("key:small", "tags:team=web", "r")
    ]


def test_gateways_that_share_a_redis_share_budgets(gateway, upstream, tmp_path, monkeypatch):
    """Whichever is asked: ten calls of a tenth pass, and the eleventh does not."""
    patient = {"wait_s": 20.0, "start_s": 20.0}  # a busy machine is late
    monkeypatch.setattr(
        RemoteBudgets.__init__, "__kwdefaults__", RemoteBudgets.__init__.__kwdefaults__ | patient
    )
    url = f"{upstream(lambda exchange: exchange.answer(completion())).url}"
    with redis_server(tmp_path) as redis:
        both = [
            gateway(
                {
                    "endpoints": [endpoint(url, price=PER_TOKEN, budgets=[DOLLAR])],
                    "limits": {"storage": redis.url},
                },
                runtime=Runtime({"TOLLWAY_STATE": str(tmp_path / name)}),
            )
            for name in ("one", "two")
        ]

        assert [[200]] * 10 + [[429]] == [ask(both[n % 2]) for n in range(11)]
        for one in both:
            one.stop()


def test_a_fallback_whose_budget_is_spent_is_passed_over(start, upstream):
    broken = upstream(lambda exchange: exchange.answer({"error": {"message": "down"}}, status=503))
    good = upstream(lambda exchange: exchange.answer(completion()))
    tenth = {"amount_picousd": TENTH, "period": "month"}
    gateway = start(
        endpoint(broken.url, fallback=["second", "third"], budgets=[DOLLAR], price=PER_TOKEN),
        endpoint(good.url, "second", budgets=[tenth], price=PER_TOKEN),
        endpoint(good.url, "third", price=PER_TOKEN),
    )

    assert [200] * 3 == ask(gateway, 3)
    assert [0.1, 0.2] == [
        pytest.approx(gateway.metric("gateway_cost_usd_total", endpoint=name)) for name in ("second", "third")
    ]


def test_what_is_spent_and_reserved_can_be_watched(one):
    gateway = one()
    ask(gateway, 3)

    labels = {"budget": "chat", "period": "day"}

    assert [0.3, 0, 1] == [
        gateway.metric(f"gateway_budget_{what}_usd", **labels) for what in ("spent", "reserved", "amount")
    ]
