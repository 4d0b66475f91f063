"""Conversations are read from spans of whoever wrote them, into one form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tollway.gateway.pages.conversation import conversation_of

from .conftest import Written

ASKED = {"role": "user", "parts": [{"type": "text", "text": "Where is my order?"}]}
CALLED = {
    "role": "assistant",
    "parts": [{"type": "tool_call", "id": "c1", "name": "look_up", "arguments": {"order": 7}}],
}
TOLD = {
    "role": "tool",
    "parts": [{"type": "tool_result", "id": "c1", "name": None, "content": {"at": "sea"}}],
}
SAID = {
    "role": "assistant",
    "parts": [{"type": "text", "text": "At sea."}],
    "finish": "stop",
    "is_answer": True,
}

CALL = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"order": 7}'}}

OPENAI = [
    {"role": "user", "content": "Where is my order?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": '{"at": "sea"}'},
]
ANSWER = {"choices": [{"message": {"role": "assistant", "content": "At sea."}, "finish_reason": "stop"}]}

GENAI = {
    "gen_ai.input.messages": json.dumps(
        [
            {"role": "user", "parts": [{"type": "text", "content": "Where is my order?"}]},
            {
                "role": "assistant",
                "parts": [{"type": "tool_call", "id": "c1", "name": "look_up", "arguments": {"order": 7}}],
            },
            {
                "role": "tool",
                "parts": [{"type": "tool_call_response", "id": "c1", "response": {"at": "sea"}}],
            },
        ]
    ),
    "gen_ai.output.messages": json.dumps(
        [{"role": "assistant", "parts": [{"type": "text", "content": "At sea."}], "finish_reason": "stop"}]
    ),
}
OPENINFERENCE = {
    "llm.input_messages.0.message.role": "user",
    "llm.input_messages.0.message.content": "Where is my order?",
    "llm.input_messages.1.message.role": "assistant",
    "llm.input_messages.1.message.tool_calls.0.tool_call.id": "c1",
    "llm.input_messages.1.message.tool_calls.0.tool_call.function.name": "look_up",
    "llm.input_messages.1.message.tool_calls.0.tool_call.function.arguments": '{"order": 7}',
    "llm.input_messages.2.message.role": "tool",
    "llm.input_messages.2.message.tool_call_id": "c1",
    "llm.input_messages.2.message.content": '{"at": "sea"}',
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": "At sea.",
    "llm.output_messages.0.message.finish_reason": "stop",
}
TOLLWAY = {
    "tollway.inputs": json.dumps({"messages": OPENAI, "model": "m"}),
    "tollway.outputs": json.dumps(ANSWER),
}
MLFLOW = {"mlflow.spanInputs": json.dumps({"messages": OPENAI}), "mlflow.spanOutputs": json.dumps(ANSWER)}


def read(written: Written, attributes: dict[str, Any]) -> list[dict[str, Any]] | None:
    trace_id = written.request("chat", 0, 1, attributes=attributes)
    trace = written.store.get(trace_id)
    assert trace is not None
    found = conversation_of(trace.spans[0])
    return None if found is None else found["messages"]


@pytest.mark.parametrize("attributes", [GENAI, OPENINFERENCE, TOLLWAY, MLFLOW])
def test_one_conversation_whoever_wrote_it(written: Written, attributes: dict[str, Any]):
    assert [ASKED, CALLED, TOLD, SAID] == read(written, attributes)


def test_messages_may_be_events(written: Written):
    """As instrumentations wrote them before 0.1.0."""
    span = written.begin("chat")
    span.add_event("gen_ai.user.message", {"content": "Where is my order?"})
    message = json.dumps({"content": "At sea."})
    span.add_event("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": message})
    span.end()
    trace = written.store.get(written.keep())
    assert trace is not None
    assert {"messages": [ASKED, SAID]} == conversation_of(trace.spans[0])


@pytest.mark.parametrize(
    ("part", "wanted"),
    [
        ({"type": "reasoning", "content": "Hm."}, {"type": "reasoning", "text": "Hm."}),
        ({"type": "thinking", "thinking": "Hm.", "signature": "x"}, {"type": "reasoning", "text": "Hm."}),
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            {"type": "image", "url": "data:image/png;base64,AA=="},
        ),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
            {"type": "image", "url": "data:image/png;base64,AA=="},
        ),
        (
            {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AA=="},
            {"type": "image", "url": "data:image/png;base64,AA=="},
        ),
        (
            {"type": "blob", "modality": "image", "mime_type": "image/svg+xml", "content": "AA=="},
            {
                "type": "json",
                "value": {
                    "type": "blob",
                    "modality": "image",
                    "mime_type": "image/svg+xml",
                    "content": "AA==",
                },
            },
        ),
        ({"type": "new_thing", "a": 1}, {"type": "json", "value": {"type": "new_thing", "a": 1}}),
    ],
)
def test_parts_are_what_they_are(written: Written, part: dict[str, Any], wanted: dict[str, Any]):
    """What is not known is shown as JSON; a picture that could hold a script is none."""
    messages = json.dumps([{"role": "user", "parts": [part]}])
    assert [{"role": "user", "parts": [wanted]}] == read(written, {"gen_ai.input.messages": messages})


@pytest.mark.parametrize(
    "attributes",
    [
        {"tollway.inputs": '{"order": 7}', "tollway.outputs": '{"at": "sea"}'},
        {"tollway.inputs": '"hello"'},
        {"gen_ai.input.messages": "[1, null]"},
        {"llm.input_messages.0": "x", "llm.input_messages.x.message.role": "user"},
    ],
)
def test_what_is_no_conversation_is_none(written: Written, attributes: dict[str, Any]):
    assert read(written, attributes) is None
