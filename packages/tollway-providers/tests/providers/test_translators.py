"""Fronts in chat, and chat in fronts: what both can say comes back as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.provider import Answer, AnswerInfo, Call, PayloadError, Task, sse
from tollway.provider.dialects import ANTHROPIC_MESSAGES, OPENAI_RESPONSES
from tollway.provider.translators import FRONTS, Sources, Translation
from tollway.providers.translators.chat_to_anthropic import message_of

EXTENSIONS = frozenset({"thinking", "cache_control"})


def translated(dialect: str, payload: dict[str, Any], **more: Any) -> Translation:
    numbers = count(1)
    sources = Sources(lambda: f"{next(numbers)}", lambda: 1)
    body = json.dumps(payload).encode()
    call = Call(Task.CHAT, payload, body, bool(payload.get("stream")))
    return FRONTS[dialect](call, sources, **more)


def refused(dialect: str, **payload: Any) -> str | None:
    with pytest.raises(PayloadError) as problem:
        translated(dialect, payload)
    return problem.value.param


texts = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)
names = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
text_blocks = st.builds(lambda text: {"type": "text", "text": text}, texts)
marked = st.builds(lambda block: {**block, "cache_control": {"type": "ephemeral"}}, text_blocks)
pictures = st.just({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}})
tool_uses = st.builds(
    lambda name, value: {"type": "tool_use", "id": f"toolu_{name}", "name": name, "input": {"a": value}},
    names,
    texts | st.integers(min_value=-(2**70), max_value=2**70),
)
thoughts = st.builds(lambda text: {"type": "thinking", "thinking": text, "signature": "s"}, texts)


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return turns as an agent has them: a question, an answer that calls tools, their results."""
    user = draw(st.lists(text_blocks | marked | pictures, min_size=1, max_size=3))
    said = [*draw(st.lists(thoughts, max_size=1)), *draw(st.lists(text_blocks, max_size=1))]
    calls = draw(st.lists(tool_uses, min_size=1, max_size=3, unique_by=lambda call: call["id"]))
    results = [
        {"type": "tool_result", "tool_use_id": call["id"], "content": [{"type": "text", "text": "r"}]}
        for call in calls
    ]
    return [
        {"role": "user", "content": user},
        {"role": "assistant", "content": [*said, *calls]},
        {"role": "user", "content": results},
    ]


def in_blocks(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


@given(conversations(), st.lists(text_blocks | marked, min_size=1, max_size=2))
def test_a_message_comes_back_from_chat(turns: list[dict[str, Any]], system: list[dict[str, Any]]):
    """Through chat and into the Messages API again: thinking, marks, long numbers and all."""
    tool = {"name": "n", "description": "d", "input_schema": {"type": "object", "properties": {}}}
    payload = {
        "model": "m",
        "max_tokens": 9,
        "messages": turns,
        "system": system,
        "tools": [tool],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "stop_sequences": ["x"],
    }
    chat = translated(ANTHROPIC_MESSAGES, payload, extensions=EXTENSIONS).call
    back = message_of(chat, "m", "2023-06-01", 8192)
    joined = [{**turn, "content": _joined(turn["content"])} for turn in turns]

    assert {**payload, "messages": joined, "system": _joined(system)} == {
        **back,
        "messages": [{**turn, "content": _joined(turn["content"])} for turn in back["messages"]],
        "system": _joined(back["system"]),
    }


def _joined(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join neighbouring blocks of plain text, of which chat makes one."""
    joined: list[dict[str, Any]] = []
    for block in blocks:
        plain = block["type"] == "text" and len(block) == 2
        if plain and joined and joined[-1].keys() == block.keys() and joined[-1]["type"] == "text":
            joined[-1] = {"type": "text", "text": f"{joined[-1]['text']}\n\n{block['text']}"}
            continue
        joined.append(block)
    return joined


@pytest.mark.parametrize(
    ("payload", "param"),
    [
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools.0"),
        ({"mcp_servers": [{}]}, "mcp_servers"),
        ({"container": "c"}, "container"),
        ({"context_management": {"edits": [{"type": "odd_20260112"}]}}, "context_management"),
        ({"nonsense": 1}, "nonsense"),
        ({"tool_choice": {"type": "odd"}, "tools": [{"name": "n"}]}, "tool_choice"),
        ({"messages": [{"role": "user", "content": [{"type": "odd"}]}]}, "messages.0.content.0.type"),
    ],
)
def test_what_chat_has_no_word_for_is_named(payload: dict[str, Any], param: str):
    messages = [{"role": "user", "content": "hi"}]
    assert param == refused(ANTHROPIC_MESSAGES, **{"messages": messages, **payload})


@pytest.mark.parametrize(
    ("payload", "param"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools.0"),
        ({"background": True}, "background"),
        ({"nonsense": 1}, "nonsense"),
        ({"input": [{"type": "item_reference", "id": "i"}]}, "input.0.type"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format"),
    ],
)
def test_what_chat_has_no_word_for_is_named_of_responses(payload: dict[str, Any], param: str):
    assert param == refused(OPENAI_RESPONSES, **{"input": "hi", **payload})


def test_what_coding_agents_send_beside_is_left_out():
    """Tool search, marks, clearing of thoughts, tiers: they steer, and nothing of the answer is lost."""
    search = {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"}
    edits = [{"type": "clear_thinking_20251015", "keep": "all"}]
    payload = {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {}}]}],
        "tools": [search, {"name": "n", "input_schema": {}, "defer_loading": True, "cache_control": {}}],
        "context_management": {"edits": edits},
        "service_tier": "auto",
        "thinking": {"type": "adaptive"},
        "metadata": {"user_id": "u" * 200},
    }
    chat = translated(ANTHROPIC_MESSAGES, payload).call.payload

    assert {"messages", "tools", "user"} == chat.keys()
    assert [{"role": "user", "content": "hi"}] == chat["messages"]
    assert ["n"] == [tool["function"]["name"] for tool in chat["tools"]]
    assert 64 == len(chat["user"])


def events_of(dialect: str, chunks: list[dict[str, Any]], split: int) -> list[dict[str, Any]]:
    """Return the events that are written of chunks, of which so many come at once."""
    payload = {"messages": [{"role": "user", "content": "hi"}], "input": "hi", "stream": True}
    del payload["input" if dialect == ANTHROPIC_MESSAGES else "messages"]
    writer = translated(dialect, payload).answering.stream()
    lines = [sse.event(json.dumps(chunk).encode()) for chunk in chunks] + [sse.DONE]
    written = b"".join(writer.feed(b"".join(lines[at : at + split])) for at in range(0, len(lines), split))
    return [json.loads(event.data or b"") for event in sse.Parser().feed(written)]


def chunks() -> Iterator[dict[str, Any]]:
    """Yield a stream with thoughts, text and two calls that come in turns."""
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}
    for delta in (
        {"role": "assistant", "content": ""},
        {"reasoning_content": "Hm"},
        {"reasoning_content": "."},
        {"content": "Hel"},
        {"content": "lo"},
        {"tool_calls": [call, {**call, "index": 1, "id": "b"}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"x":'}}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]},
    ):
        yield {"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}


@pytest.mark.parametrize("split", [1, 3, 100])
def test_blocks_of_a_streamed_message(split: int):
    events = events_of(ANTHROPIC_MESSAGES, list(chunks()), split)
    blocks: dict[int, str] = {}
    for event in events:
        if event["type"] == "content_block_delta":
            text = next(value for key, value in event["delta"].items() if key != "type")
            blocks[event["index"]] = blocks.get(event["index"], "") + text

    assert {0: "Hm.", 1: "Hello", 2: '{"x":1}', 3: "{}"} == blocks
    assert ["message_start", "message_delta", "message_stop"] == [events[at]["type"] for at in (0, -2, -1)]
    assert "tool_use" == events[-2]["delta"]["stop_reason"]


@pytest.mark.parametrize("split", [1, 3, 100])
def test_items_of_a_streamed_response(split: int):
    events = events_of(OPENAI_RESPONSES, list(chunks()), split)
    output = events[-1]["response"]["output"]

    assert list(range(len(events))) == [event["sequence_number"] for event in events]
    assert ["reasoning", "message", "function_call", "function_call"] == [item["type"] for item in output]
    assert ["Hm.", "Hello"] == [output[0]["summary"][0]["text"], output[1]["content"][0]["text"]]
    assert ['{"x":1}', "{}"] == [item["arguments"] for item in output[2:]]
    assert output == [event["item"] for event in events if event["type"] == "response.output_item.done"]


def test_an_answer_that_was_cut_says_so():
    choice = {"message": {"role": "assistant", "content": "Hel"}, "finish_reason": "length"}
    answer = Answer(json.dumps({"id": "c", "model": "m", "choices": [choice]}).encode(), AnswerInfo())
    asked = {"messages": [{"role": "user", "content": "hi"}]}
    message = json.loads(translated(ANTHROPIC_MESSAGES, asked).answering.whole(answer))
    response = json.loads(translated(OPENAI_RESPONSES, {"input": "hi"}).answering.whole(answer))

    assert "max_tokens" == message["stop_reason"]
    assert ("incomplete", {"reason": "max_output_tokens"}) == (
        response["status"],
        response["incomplete_details"],
    )
