"""What a start says."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.server.greeting import greeting

URL = "http://127.0.0.1:8000"


def said(task: str = "llm/v1/chat", **more: Any) -> str:
    endpoint = {"name": "it", "endpoint_type": task, "model": {"provider": "local", "name": "small"}}
    return greeting(GatewayConfig(**{"endpoints": [endpoint], **more}), URL)


@pytest.mark.parametrize(
    ("task", "key"),
    [("llm/v1/chat", "messages"), ("llm/v1/completions", "prompt"), ("llm/v1/embeddings", "input")],
)
def test_the_line_to_try_fits_the_endpoint(task: str, key: str):
    """It is a whole command: a shell can take it as it stands."""
    text = said(task)
    command = text[text.index("curl") : text.index("Traces:")].replace("\\\n", " ")
    words = shlex.split(command)
    assert f"{URL}/endpoints/it/invocations" in words
    assert {key} == json.loads(words[-1]).keys()


@pytest.mark.parametrize(
    ("tracing", "line"),
    [
        ({}, "Traces: traces/<date>/<trace_id>.json; read them with: tollway traces list"),
        ({"store": {"path": "my traces"}}, "tollway traces list --store 'my traces'"),
        ({"store": None}, "Traces: nowhere"),
        ({"store": None, "otlp": {"endpoint": "http://c:4318"}}, "Traces: http://c:4318"),
        ({"store": None, "otlp": {"endpoint": "http://u:pw@c:4318"}}, "http://REDACTED:REDACTED@c:4318"),
        ({"store": {"path": "a\x1b[2J"}}, r"Traces: a\x1b[2J/<date>"),
    ],
)
def test_where_the_traces_go(tracing: dict[str, Any], line: str):
    assert line in said(tracing=tracing)
