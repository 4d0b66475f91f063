"""JSON answers of Claude that came as a tool's input: whole and streamed they are the same text."""

import json
from typing import Any

import pytest

from tollway.provider import Call, Target, Task, UpstreamResponse, sse, with_defaults
from tollway.providers._anthropic_format import JSON_TOOL
from tollway.providers.anthropic import AnthropicProvider

PROVIDER = AnthropicProvider(
    Target("e", Task.CHAT, "claude-1", with_defaults(AnthropicProvider.settings, {"anthropic_api_key": "k"}))
)
PAYLOAD = {"response_format": {"type": "json_object"}, "stream_options": {"include_usage": True}}
USAGE = {"input_tokens": 5, "output_tokens": 7}
ASIDE = {"type": "text", "text": "Here you are:"}
ANSWER = {"type": "tool_use", "id": "toolu_1", "name": JSON_TOOL, "input": {"a": {"b": [1, "ü"]}}}


def whole(*content: Any, stop_reason: str) -> tuple[Any, Any]:
    message = {"id": "m", "model": "claude-1", "content": content, "stop_reason": stop_reason, "usage": USAGE}
    response = UpstreamResponse(200, {}, json.dumps(message).encode())
    (choice,) = json.loads(PROVIDER.response(Call(Task.CHAT, PAYLOAD, b""), response).body)["choices"]
    assert "tool_calls" not in choice["message"]
    return choice["message"]["content"], choice["finish_reason"]


def streamed(*content: Any, stop_reason: str) -> tuple[Any, Any]:
    events: list[Any] = [
        {"type": "message_start", "message": {"id": "m", "model": "claude-1", "usage": USAGE}}
    ]
    for index, block in enumerate(content):
        text = json.dumps(block["input"], ensure_ascii=False) if "input" in block else block["text"]
        kind, key = ("input_json_delta", "partial_json") if "input" in block else ("text_delta", "text")
        opening = {**block, **({"input": {}} if "input" in block else {"text": ""})}
        events.append({"type": "content_block_start", "index": index, "content_block": opening})
        for piece in (text[:4], text[4:]):
            delta = {"type": kind, key: piece}
            events.append({"type": "content_block_delta", "index": index, "delta": delta})
        events.append({"type": "content_block_stop", "index": index})
    events.append({"type": "message_delta", "delta": {"stop_reason": stop_reason}, "usage": USAGE})
    events.append({"type": "message_stop"})
    decoder = PROVIDER.stream(Call(Task.CHAT, PAYLOAD, b"", stream=True))
    out = decoder.feed(b"".join(sse.event(json.dumps(event).encode()) for event in events)) + decoder.end()
    assert decoder.complete
    chunks = [json.loads(event.data or b"") for event in sse.Parser().feed(out)[:-1]]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert not [delta for delta in deltas if "tool_calls" in delta]
    return "".join(delta.get("content", "") for delta in deltas), decoder.info.finish_reasons[0]


@pytest.mark.parametrize("read", [whole, streamed])
def test_the_tools_input_is_the_text_of_the_answer(read: Any) -> None:
    """What the model said beside it is no JSON, and is left out."""
    said, finish = read(ASIDE, ANSWER, stop_reason="tool_use")

    assert ANSWER["input"] == json.loads(said)
    assert "stop" == finish


@pytest.mark.parametrize("read", [whole, streamed])
def test_an_empty_object_is_an_answer(read: Any) -> None:
    said, _ = read({**ANSWER, "input": {}}, stop_reason="tool_use")

    assert "{}" == said


@pytest.mark.parametrize("read", [whole, streamed])
def test_a_refusal_keeps_its_words(read: Any) -> None:
    """The tool does not come then."""
    said, finish = read(ASIDE, stop_reason="refusal")

    assert (ASIDE["text"], "content_filter") == (said, finish)


@pytest.mark.parametrize("read", [whole, streamed])
def test_an_answer_that_was_cut_off_says_so(read: Any) -> None:
    _, finish = read(ANSWER, stop_reason="max_tokens")

    assert "length" == finish
