"""Whatever a caller sends is a call or a rejection, and nothing else."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tollway.gateway.apis import api_of
from tollway.gateway.errors import RequestRejected
from tollway.gateway.pipeline.request import parse_object
from tollway.gateway.telemetry.content import CapturedContent
from tollway.gateway.telemetry.genai import request_attributes
from tollway.provider import Task

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
messages = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "tool", "assistant"])},
    optional={"content": values, "tool_calls": values, "tool_call_id": values, "refusal": values},
)
payloads = st.fixed_dictionaries(
    {},
    optional={
        "messages": st.lists(messages, max_size=3) | values,
        "prompt": values,
        "input": values,
        "stream": values,
        "model": values,
        "temperature": values,
        "max_tokens": values,
        "seed": values,
        "stop": values,
        "n": values,
    },
)


@given(st.binary(max_size=50))
def test_any_bytes(body: bytes):
    with contextlib.suppress(RequestRejected):
        assert isinstance(parse_object(body, 1000), dict)


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault of the test
@given(payloads, st.sampled_from(Task))
def test_any_payload(payload: dict, task: Task):
    """What passes the checks can be recorded too, with its content."""
    body = json.dumps(payload).encode()
    try:
        parsed = parse_object(body, 1000)
        call = api_of(task).call(parsed, body, {})
    except RequestRejected:
        return
    attributes = request_attributes(call)
    assert all(isinstance(value, str | bool | int | float | tuple) for value in attributes.values())
    CapturedContent().asked(call)


@pytest.mark.parametrize("stream", [None, False])
def test_stream_may_be_null(stream):
    payload = {"messages": [{"role": "user"}], "stream": stream}
    assert api_of(Task.CHAT).call(payload, b"", {}).stream is False
