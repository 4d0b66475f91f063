"""MLflow's own client against the gateway: it finds the endpoints, asks them, and reads our errors."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from support import mlflow_server
from support.serving import Gateway, endpoint
from support.upstream import COMPLETION, Upstream

PROGRAM = """
import json, sys
from mlflow.deployments import get_deploy_client

client = get_deploy_client(sys.argv[1])
try:
    answer = getattr(client, sys.argv[2])(**json.loads(sys.argv[3]))
    plain = lambda value: value.dict() if hasattr(value, "dict") else value
    told = [plain(one) for one in answer] if isinstance(answer, list) else plain(answer)
    print(json.dumps(told, default=vars))
except Exception as error:
    print(json.dumps({"error": str(error)}))
"""


@pytest.fixture(scope="module")
def gateway(start_gateway):
    service = Upstream()
    limit = {"calls": 30, "renewal_period": "MINUTE"}
    one = endpoint(
        "a", "OpenAI", "gpt-4", openai_api_key="k", openai_api_base=f"{service.url}/v1", limit=limit
    )
    route = {
        "name": "openai/gpt-4:any",
        "task_type": "llm/v1/chat",
        "destinations": [{"name": "a", "traffic_percentage": 100}],
    }
    yield start_gateway({"endpoints": [one], "routes": [route], "x-mlflow": {"ignored": True}})
    service.close()


def call(gateway: Gateway, method: str, **arguments: Any) -> Any:
    """Call a method of the client in MLflow's own environment."""
    done = subprocess.run(
        [
            *(mlflow_server.environment() / "bin" / "python", "-W", "ignore", "-c", PROGRAM),
            *(gateway.url, method, json.dumps(arguments)),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
    )
    return json.loads(done.stdout)


def test_the_client_lists_and_gets_endpoints(gateway: Gateway):
    """It parses what we tell of them into its own types."""
    listed, _ = call(gateway, "list_endpoints")
    assert ("a", "llm/v1/chat") == (listed["name"], listed["endpoint_type"])
    assert {"name": "gpt-4", "provider": "OpenAI"} == listed["model"]
    assert (30, "minute") == (listed["limit"]["calls"], listed["limit"]["renewal_period"])
    assert f"{gateway.url}/gateway/a/invocations" == listed["endpoint_url"]
    assert listed == call(gateway, "get_endpoint", endpoint="a")


def test_the_client_lists_gets_and_asks_routes(gateway: Gateway):
    """By the same methods as endpoints, whatever their names have in them."""
    _, listed = call(gateway, "list_endpoints")
    assert ("openai/gpt-4:any", "llm/v1/chat") == (listed["name"], listed["endpoint_type"])
    assert listed == call(gateway, "get_endpoint", endpoint=listed["name"])
    inputs = {"messages": [{"role": "user", "content": "?"}]}
    assert COMPLETION == call(gateway, "predict", endpoint=listed["name"], inputs=inputs)


def test_the_client_asks(gateway: Gateway):
    inputs = {"messages": [{"role": "user", "content": "?"}]}
    assert COMPLETION == call(gateway, "predict", endpoint="a", inputs=inputs)


def test_the_client_reads_our_errors(gateway: Gateway):
    assert "no endpoint named 'z'" in call(gateway, "get_endpoint", endpoint="z")["error"]
    assert "missing" in call(gateway, "predict", endpoint="a", inputs={"temperature": 1})["error"]
