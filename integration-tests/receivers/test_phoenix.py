"""A real Phoenix shows what a span is, says, costs and belongs to, by the dialect `openinference`."""

import json

import pytest

from support import agent_trace
from support.phoenix_server import Phoenix


@pytest.fixture(scope="module")
def phoenix(tmp_path_factory):
    started = Phoenix.start(tmp_path_factory.mktemp("phoenix"))
    yield started
    started.process.close()


def test_type_inputs_outputs_tokens_session_and_user_show(phoenix):
    """They are its own fields there, not attributes that nobody reads."""
    target = {"endpoint": phoenix.url, "dialect": "openinference"}
    agent_trace.sent_to(target)

    project = phoenix.wait_for(spans=3)

    (session,) = [edge["node"] for edge in project["sessions"]["edges"]]
    assert {"sessionId": "session-7", "userId": "user-9"} == session
    spans = {edge["node"]["name"]: edge["node"] for edge in project["spans"]["edges"]}
    assert {"invoke_agent answer": "agent", "execute_tool search": "tool", "chat ask": "llm"} == {
        name: span["spanKind"] for name, span in spans.items()
    }
    assert {"question": "why?"} == json.loads(spans["invoke_agent answer"]["input"]["value"])
    assert ["because"] == json.loads(spans["execute_tool search"]["output"]["value"])
    chat = spans["chat ask"]
    assert (11, 5) == (chat["tokenCountPrompt"], chat["tokenCountCompletion"])
