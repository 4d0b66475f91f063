"""What an answer costs, on the answer, the span and the metrics, over real sockets."""

from __future__ import annotations

from typing import Any

import pytest

OWN = {"input": 3 * 10**18, "output": 15 * 10**18}
"""3 and 15 USD for a million tokens."""

CHAT = {"model": "chat", "messages": [{"role": "user", "content": "hi"}]}
USAGE = {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050}


def completion(**changed: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "ho"}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return {"id": "1", "model": "gpt-4o-2024-08-06", "choices": choices, "usage": USAGE, **changed}


def endpoint(url: str, name: str = "chat", **more: Any) -> dict[str, Any]:
    model = {"provider": "openai", "name": "gpt-4o", "config": {"openai_api_base": f"{url}/v1"}}
    return {"name": name, "endpoint_type": "llm/v1/chat", "model": model, "retry": None, **more}


@pytest.fixture
def one(gateway, upstream):
    """Start a gateway with one endpoint, whose model does what a script says."""

    def start(script, **more):
        return gateway({"endpoints": [endpoint(upstream(script).url, **more)]})

    return start


def test_a_whole_answer_says_what_it_costs(one):
    """1,000 tokens at 3 USD a million and 50 at 15."""
    gateway = one(lambda exchange: exchange.answer(completion()), price={"prices": OWN})

    answer = gateway.client.post("/v1/chat/completions", json=CHAT)

    assert "0.00375" == answer.headers["x-tollway-cost"]
    assert 0.00375 == gateway.metric("gateway_cost_usd_total", endpoint="chat")
    assert 0.00375 == gateway.spans.wait_for("chat gpt-4o").attributes["gen_ai.usage.cost"]


def test_a_stream_is_counted_and_has_no_header(one):
    def script(exchange):
        exchange.begin_stream()
        exchange.event({"choices": [{"index": 0, "delta": {"content": "ho"}, "finish_reason": "stop"}]})
        exchange.event({"choices": [], "usage": USAGE})
        exchange.event(b"[DONE]")
        exchange.end_stream()

    gateway = one(script, price={"prices": OWN})

    answer = gateway.client.post("/v1/chat/completions", json={**CHAT, "stream": True})

    assert "x-tollway-cost" not in answer.headers
    assert 0.00375 == gateway.spans.wait_for("chat gpt-4o").attributes["gen_ai.usage.cost"]
    assert 0.00375 == gateway.metric("gateway_cost_usd_total", endpoint="chat")


def test_without_a_price_of_its_own_the_vendors_list_counts(one):
    """GPT-4o: 2.50 USD a million in, 10 out; also the first answer, for which the lists are loaded."""
    gateway = one(lambda exchange: exchange.answer(completion()))

    answer = gateway.client.post("/v1/chat/completions", json=CHAT)

    assert "0.003" == answer.headers["x-tollway-cost"]


def test_embeddings_cost_what_goes_in(gateway, upstream):
    """Their usage says nothing of output; text-embedding-3-small: 0.02 USD a million."""
    said = {
        "object": "list",
        "model": "text-embedding-3-small",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "usage": {"prompt_tokens": 500, "total_tokens": 500},
    }
    server = upstream(lambda exchange: exchange.answer(said))
    config = endpoint(server.url) | {"endpoint_type": "llm/v1/embeddings"}
    served = gateway({"endpoints": [config, config | {"name": "own", "price": {"prices": OWN}}]})

    answers = [
        served.client.post("/v1/embeddings", json={"model": name, "input": "hi"}) for name in ("chat", "own")
    ]

    assert ["0.00001", "0.0015"] == [answer.headers["x-tollway-cost"] for answer in answers]


def test_the_model_that_answered_counts(one):
    """GPT-4o mini: 0.15 and 0.60."""
    gateway = one(lambda exchange: exchange.answer(completion(model="gpt-4o-mini")))

    answer = gateway.client.post("/v1/chat/completions", json=CHAT)

    assert "0.00018" == answer.headers["x-tollway-cost"]


@pytest.mark.parametrize(
    ("answer", "price", "reason"),
    [
        (completion(model="nobody-knows-it"), None, "no_price"),
        (completion(usage=None), {"prices": OWN}, "no_usage"),
    ],
)
def test_an_unknown_cost_is_absent_and_counted(one, answer, price, reason):
    """Never 0: a cost that is not known is not shown."""
    gateway = one(lambda exchange: exchange.answer(answer), price=price)

    said = gateway.client.post("/v1/chat/completions", json=CHAT)

    assert 200 == said.status_code
    assert "x-tollway-cost" not in said.headers
    assert 1 == gateway.metric("gateway_unpriced_total", endpoint="chat", reason=reason)
    assert 0 == gateway.metric("gateway_cost_usd_total", endpoint="chat")
    assert "gen_ai.usage.cost" not in gateway.spans.wait_for("chat gpt-4o").attributes


def test_a_price_of_zero_is_known(one):
    gateway = one(lambda exchange: exchange.answer(completion()), price={"prices": {"input": 0, "output": 0}})

    assert "0" == gateway.client.post("/v1/chat/completions", json=CHAT).headers["x-tollway-cost"]


def test_a_fallbacks_answer_costs_what_its_model_costs(gateway, upstream):
    broken = upstream(lambda exchange: exchange.answer({"error": {"message": "down"}}, status=503))
    good = upstream(lambda exchange: exchange.answer(completion()))
    served = gateway(
        {
            "endpoints": [
                endpoint(broken.url, price={"prices": {"input": 10**20, "output": 0}}, fallback=["backup"]),
                endpoint(good.url, "backup", price={"prices": OWN}),
            ]
        }
    )

    answer = served.client.post("/v1/chat/completions", json=CHAT)

    assert "0.00375" == answer.headers["x-tollway-cost"]
    assert [0, 0.00375] == [
        served.metric("gateway_cost_usd_total", endpoint=name) for name in ("chat", "backup")
    ]


def test_an_error_costs_nothing_and_is_not_unpriced(one):
    gateway = one(lambda exchange: exchange.answer({"error": {"message": "no"}}, status=400))

    answer = gateway.client.post("/v1/chat/completions", json=CHAT)

    assert 400 == answer.status_code
    assert "x-tollway-cost" not in answer.headers
    assert 0 == gateway.metric("gateway_unpriced_total", endpoint="chat", reason="no_usage")
