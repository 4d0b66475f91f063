from __future__ import annotations

import json

import jsonschema
import pytest

from tollway.gateway.apis import APICall, api_of
from tollway.gateway.telemetry.content import CapturedContent, NoContent
from tollway.provider import Task

INPUT, OUTPUT = "gen_ai.input.messages", "gen_ai.output.messages"


def asked(task: Task, **payload) -> list:
    return json.loads(CapturedContent().asked(APICall(task, payload, b"", api=api_of(task)))[INPUT])


def of_chat() -> CapturedContent:
    """Return the content of a chat, which was asked."""
    content = CapturedContent()
    content.asked(APICall(Task.CHAT, {"messages": []}, b"", api=api_of(Task.CHAT)))
    return content


def answered(*events: object) -> list:
    content = of_chat()
    for event in events:
        content.saw(b"data: " + json.dumps(event).encode() + b"\n\n")
    content.saw(b"data: [DONE]\n\n")
    return json.loads(content.answered(None)[OUTPUT])


def chunk(finish_reason=None, index=0, **delta) -> dict:
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish_reason}]}


def test_messages_become_parts():
    """Text, pictures by address, tool calls and their results have their own part types."""
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}
    picture = {"type": "image_url", "image_url": {"url": "https://x/y.png"}}
    secret = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    assert asked(
        Task.CHAT,
        messages=[
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "see"}, picture, secret]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "2"},
        ],
    ) == [
        {"role": "system", "parts": [{"type": "text", "content": "be brief"}]},
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "see"},
                {"type": "uri", "modality": "image", "uri": "https://x/y.png"},
                {"type": "image_url"},
            ],
        },
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "c1", "name": "add", "arguments": {"a": 1}}],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "2"}]},
    ]


@pytest.mark.parametrize(("task", "key"), [(Task.COMPLETIONS, "prompt"), (Task.EMBEDDINGS, "input")])
@pytest.mark.parametrize("value", ["one", ["one"]])
def test_prompts_become_user_messages(task: Task, key: str, value):
    assert asked(task, **{key: value}) == [{"role": "user", "parts": [{"type": "text", "content": "one"}]}]


def test_whole_answer():
    choice = {"index": 0, "message": {"role": "assistant", "content": "ho"}, "finish_reason": "stop"}
    body = json.dumps({"choices": [choice]}).encode()
    assert json.loads(of_chat().answered(body)[OUTPUT]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "ho"}], "finish_reason": "stop"}
    ]


def test_stream_is_put_together():
    """Pieces of text and of tool calls become one message for each choice."""
    first = {"index": 0, "id": "c1", "function": {"name": "add", "arguments": ""}}
    second = {"index": 0, "function": {"arguments": '{"a":1}'}}
    assert answered(
        chunk(role="assistant", content="h"),
        chunk(content="o"),
        chunk(tool_calls=[first]),
        chunk(tool_calls=[second]),
        chunk("tool_calls"),
        chunk("stop", index=1, content="other"),
    ) == [
        {
            "role": "assistant",
            "parts": [
                {"type": "text", "content": "ho"},
                {"type": "tool_call", "id": "c1", "name": "add", "arguments": {"a": 1}},
            ],
            "finish_reason": "tool_call",
        },
        {"role": "assistant", "parts": [{"type": "text", "content": "other"}], "finish_reason": "stop"},
    ]


def test_streamed_completions_have_text():
    assert answered({"choices": [{"index": 0, "text": "ho", "finish_reason": "stop"}]})[0]["parts"] == [
        {"type": "text", "content": "ho"}
    ]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"choices": 1}', b'{"choices": [1]}', b'{"data": []}'])
def test_answer_without_choices_has_no_content(body: bytes):
    assert of_chat().answered(body) == {}


def test_long_stream_is_kept_to_a_bound():
    """A stream without end does not fill the memory of its span."""
    content = of_chat()
    event = b"data: " + json.dumps(chunk(content="x" * 1000)).encode() + b"\n\n"
    for _ in range(8000):
        content.saw(event)
    assert len(content.answered(None)[OUTPUT]) < 5 * 1024 * 1024


def test_nothing_is_kept_unless_asked():
    content = NoContent()
    content.saw(b"data: {}\n\n")
    assert (
        content.asked(APICall(Task.CHAT, {"messages": []}, b"", api=api_of(Task.CHAT)))
        == content.answered(b"{}")
        == {}
    )


PART = {
    "type": "object",
    "required": ["type"],
    "properties": {"type": {"type": "string"}},
    "allOf": [
        {"if": {"properties": {"type": {"const": kind}}}, "then": {"required": keys, "properties": types}}
        for kind, keys, types in (
            ("text", ["content"], {"content": {"type": "string"}}),
            ("reasoning", ["content"], {"content": {"type": "string"}}),
            ("tool_call", ["name"], {"name": {"type": "string"}, "id": {"type": ["string", "null"]}}),
            ("tool_call_response", ["response"], {"id": {"type": ["string", "null"]}}),
            ("uri", ["modality", "uri"], {"modality": {"type": "string"}, "uri": {"type": "string"}}),
        )
    ],
}
"""The parts of `gen-ai-input-messages.json` and its siblings, for the types that are captured here."""

MESSAGES = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["role", "parts"],
        "properties": {
            "role": {"type": "string"},
            "parts": {"type": "array", "items": PART},
            "finish_reason": {"type": ["string", "null"]},
        },
    },
}
TOOLS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["type", "name"],
        "properties": {
            "type": {"type": "string"},
            "name": {"type": "string"},
            "description": {"type": ["string", "null"]},
            "parameters": {"type": ["object", "null"]},
        },
    },
}
SCHEMAS = {
    INPUT: MESSAGES,
    OUTPUT: MESSAGES,
    "gen_ai.system_instructions": {"type": "array", "items": PART},
    "gen_ai.tool.definitions": TOOLS,
}

TOOL = {
    "type": "function",
    "function": {"name": "add", "description": "Add.", "parameters": {"type": "object"}},
}
CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}


def captured(answer=None, events=(), **payload) -> dict:
    """Return the content of a call, each attribute as the conventions' schema has it."""
    content = CapturedContent()
    found = content.asked(APICall(Task.CHAT, payload, b"", api=api_of(Task.CHAT)))
    for event in events:
        content.saw(b"data: " + json.dumps(event).encode() + b"\n\n")
    found |= content.answered(json.dumps(answer).encode() if answer is not None else None)
    said = {name: json.loads(text) for name, text in found.items()}
    for name, item in said.items():
        jsonschema.validate(item, SCHEMAS[name])
    return said


def test_all_that_is_captured_keeps_to_the_conventions_schemas():
    """Reasoning, tools, calls and their results, pictures, instructions, and why it ended."""
    said = captured(
        {
            "choices": [
                {
                    "message": {"reasoning_content": "hm", "content": None, "tool_calls": [CALL]},
                    "finish_reason": "tool_calls",
                }
            ]
        },
        messages=[
            {"role": "developer", "content": "be brief"},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]},
            {"role": "assistant", "reasoning": "first", "content": "so", "tool_calls": [CALL, 7]},
            {"role": "tool", "tool_call_id": "c1", "content": "2"},
        ],
        tools=[TOOL, {"name": "of_claude", "input_schema": {"type": "object"}}, {"type": "web_search"}, 7],
        system=[{"type": "text", "text": "be kind"}],
    )
    assert [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "hm"},
                {"type": "tool_call", "id": "c1", "name": "add", "arguments": {"a": 1}},
            ],
            "finish_reason": "tool_call",
        }
    ] == said[OUTPUT]
    assert {"type": "reasoning", "content": "first"} == said[INPUT][2]["parts"][0]
    assert [{"type": "text", "content": "be kind"}] == said["gen_ai.system_instructions"]
    assert [
        {"type": "function", "name": "add", "description": "Add.", "parameters": {"type": "object"}},
        {"type": "function", "name": "of_claude", "parameters": {"type": "object"}},
        {"type": "web_search", "name": "web_search"},
    ] == said["gen_ai.tool.definitions"]


def test_a_streams_reasoning_is_captured_and_what_is_cut_ends_in_error():
    events = [chunk(reasoning_content="h"), chunk(reasoning_content="m"), chunk(content="so")]
    (message,) = captured(events=events, messages=[])[OUTPUT]
    assert [
        {"type": "reasoning", "content": "hm"},
        {"type": "text", "content": "so"},
    ] == message["parts"]
    assert "error" == message["finish_reason"]
