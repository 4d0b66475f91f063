"""A part of an answer that cannot be read passes on, and is counted."""

from __future__ import annotations

MESSAGE = {
    "model": "claude",
    "max_tokens": 9,
    "stream": True,
    "messages": [{"role": "user", "content": "hi"}],
}


def test_an_event_that_is_not_json_reaches_the_caller_and_the_metrics(gateway, upstream):
    def script(exchange):
        exchange.begin_stream()
        exchange.event({"type": "message_start", "message": {"id": "m", "model": "c", "usage": {}}})
        exchange.event(b"{half of an event")
        exchange.event({"type": "message_stop"})
        exchange.end_stream()

    config = {"anthropic_api_key": "k", "anthropic_api_base": f"{upstream(script).url}/v1"}
    model = {"provider": "anthropic", "name": "claude-sonnet-4-5", "config": config}
    started = gateway(
        {"endpoints": [{"name": "claude", "endpoint_type": "llm/v1/chat", "model": model, "retry": None}]}
    )

    answer = started.client.post("/v1/messages", json=MESSAGE)

    assert b"{half of an event" in answer.content
    assert 1 == started.metric("gateway_unread_answers_total", endpoint="claude")
