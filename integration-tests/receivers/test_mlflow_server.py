"""A real MLflow server shows what a span is, says, costs and belongs to, by the dialect `mlflow`."""

import json

import pytest

from support import agent_trace
from support.mlflow_tracking_server import MLflow


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory):
    started = MLflow.start(tmp_path_factory.mktemp("mlflow"))
    yield started
    started.process.close()


def of_value(value):
    """Return what a value of OTLP is in Python, as far as these spans have some."""
    ((kind, found),) = value.items()
    if kind == "kvlist_value":
        return {pair["key"]: of_value(pair["value"]) for pair in found["values"]}
    return [of_value(item) for item in found["values"]] if kind == "array_value" else found


def test_type_inputs_outputs_tokens_session_and_user_show(mlflow):
    """They are its own fields there, of the trace and of its spans."""
    headers = {"x-mlflow-experiment-id": "0"}
    target = {"endpoint": mlflow.url, "dialect": "mlflow", "headers": headers}

    trace = mlflow.trace(agent_trace.sent_to(target))

    info = trace["trace_info"]
    metadata = info["trace_metadata"]
    assert "OK" == info["state"]
    assert ("session-7", "user-9") == (metadata["mlflow.trace.session"], metadata["mlflow.trace.user"])
    tokens = json.loads(metadata["mlflow.trace.tokenUsage"])
    assert {"input_tokens": 11, "output_tokens": 5, "total_tokens": 16} == tokens
    assert {"question": "why?"} == json.loads(info["request_preview"])
    spans = {
        span["name"]: {pair["key"]: of_value(pair["value"]) for pair in span["attributes"]}
        for span in trace["spans"]
    }
    assert {"invoke_agent answer": "AGENT", "execute_tool search": "TOOL", "chat ask": "CHAT_MODEL"} == {
        name: attributes["mlflow.spanType"] for name, attributes in spans.items()
    }
    search = spans["execute_tool search"]
    assert ({"query": "why"}, ["because"]) == (search["mlflow.spanInputs"], search["mlflow.spanOutputs"])
