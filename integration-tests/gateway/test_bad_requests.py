"""What callers get wrong: a 4xx in the shape of the API they called, counted; the connection lives on."""

from __future__ import annotations

import httpx
import pytest

from support.serving import Gateway, endpoint

GOOD = b'{"model":"a","messages":[{"role":"user","content":"?"}]}'
OPENAI, MLFLOW = "/v1/chat/completions", "/endpoints/a/invocations"
LARGE = b'{"model":"a","messages":[{"role":"user","content":"%b"}]}' % (b"x" * 5000)

BAD = {
    "invalid JSON": (OPENAI, b'{"model":', 400, "invalid_json"),
    "no JSON at all": (MLFLOW, b"", 400, "invalid_json"),
    "not an object": (MLFLOW, b"[]", 400, "invalid_type"),
    "wrong type": (MLFLOW, b'{"messages":"hello"}', 400, "invalid_type"),
    "wrong type inside": (MLFLOW, b'{"messages":["hello"]}', 400, "invalid_type"),
    "no messages": (OPENAI, b'{"model":"a"}', 400, "missing_required_parameter"),
    "no model": (OPENAI, b'{"messages":[]}', 400, "missing_required_parameter"),
    "model is no string": (OPENAI, b'{"model":1,"messages":[]}', 400, "invalid_type"),
    "unknown model": (OPENAI, b'{"model":"z","messages":[]}', 404, None),
    "unknown endpoint": ("/endpoints/z/invocations", GOOD, 404, "endpoint_not_found"),
    "unknown gateway": ("/gateway/z/invocations", GOOD, 404, "endpoint_not_found"),
    "wrong task": ("/v1/embeddings", b'{"model":"a","input":"x"}', None, None),
    "too large": (OPENAI, LARGE, 413, "request_too_large"),
    "stream is no boolean": (MLFLOW, GOOD[:-1] + b',"stream":"yes"}', 400, "invalid_type"),
}


@pytest.fixture(scope="module")
def gateway(start_gateway, llm):
    config = {
        "endpoints": [endpoint("a", "openai", llm.model, openai_api_key="k", openai_api_base=llm.url)],
        "server": {"max_body_bytes": 4096},
    }
    return start_gateway(config)


@pytest.fixture(scope="module")
def connection(gateway: Gateway):
    """One connection that every request of this module goes over; a second one is an error."""
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
    with httpx.Client(base_url=gateway.url, limits=limits, timeout=60, trust_env=False) as client:
        yield client


def peer(answer: httpx.Response) -> object:
    """Return our end of the connection that an answer came over."""
    return answer.extensions["network_stream"].get_extra_info("client_addr")


@pytest.mark.parametrize("fault", BAD)
def test_bad_bodies(gateway: Gateway, connection: httpx.Client, fault: str):
    """Each fault is a 4xx that says what is wrong, is counted, and leaves the connection usable."""
    path, body, status, code = BAD[fault]
    before = gateway.metric("gateway_errors_total")
    answer = connection.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code in ((status,) if status else range(400, 500))
    error = answer.json()["error"]
    assert {"message", "type", "param", "code"} == error.keys()
    assert error["message"]
    assert code in (None, error["code"])
    assert path.startswith("/v1/") == ("detail" not in answer.json())
    assert before + 1 == gateway.metric("gateway_errors_total")

    after = connection.post(MLFLOW, content=GOOD[:-1] + b',"max_tokens":1}')
    assert 200 == after.status_code
    assert peer(answer) == peer(after)


@pytest.mark.parametrize("path", [OPENAI, MLFLOW, "/gateway/a/invocations"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_wrong_methods(gateway: Gateway, connection: httpx.Client, path: str, method: str):
    """A method that the path does not have is a 405 that names the one it has."""
    before = gateway.metric("gateway_errors_total")
    answer = connection.request(method, path)
    assert 405 == answer.status_code
    assert "POST" == answer.headers["allow"]
    assert "error" in answer.json()
    assert before + 1 == gateway.metric("gateway_errors_total")


def test_none_was_a_fault_of_the_gateway(gateway: Gateway):
    """Nothing above was answered with a 5xx, nor left a traceback."""
    assert 0 == sum(gateway.metric("gateway_requests_total", status=str(s)) for s in range(500, 600))
    assert "Traceback" not in gateway.process.output
