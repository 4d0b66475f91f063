"""A limit holds over every path that reaches the endpoint."""

from __future__ import annotations

from support.serving import endpoint

LIMIT = {"calls": 1, "renewal_period": "hour", "burst": 3}
MESSAGES = {"model": "a", "messages": [{"role": "user", "content": "?"}]}


def test_the_burst_is_shared_by_all_paths(start_gateway, upstream):
    """Three calls over three paths use up a burst of three; then all are denied, and told the wait."""
    service = upstream()
    config = endpoint(
        "a", "openai", "m", openai_api_key="k", openai_api_base=f"{service.url}/v1", limit=LIMIT
    )
    gateway = start_gateway({"endpoints": [config]})
    paths = ("/endpoints/a/invocations", "/gateway/a/invocations", "/v1/chat/completions")
    assert [200, 200, 200] == [gateway.client.post(path, json=MESSAGES).status_code for path in paths]
    denied = [gateway.client.post(path, json=MESSAGES) for path in paths]
    assert [429, 429, 429] == [answer.status_code for answer in denied]
    assert all(3500 < int(answer.headers["retry-after"]) <= 3600 for answer in denied)
    assert 3 == gateway.metric("gateway_errors_total", endpoint="a")
    assert 3 == service.requests.qsize()
