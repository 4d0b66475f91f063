"""The usage of answers that pass raw, in every dialect, whole and streamed."""

from __future__ import annotations

import json

import pytest

from tollway.provider import sse
from tollway.provider.raw_answers import MAX_BYTES, RawAnswer

ANSWERS = {
    "chat": {"id": "1", "model": "m", "usage": {"prompt_tokens": 7, "completion_tokens": 9}},
    "images": {"model": "m", "usage": {"input_tokens": 7, "output_tokens": 9, "total_tokens": 16}},
    "messages": {
        "type": "message",
        "usage": {"input_tokens": 5, "cache_read_input_tokens": 2, "output_tokens": 9},
    },
    "gemini": {"modelVersion": "m", "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 9}},
    "bedrock": {"usage": {"inputTokens": 5, "cacheReadInputTokens": 2, "outputTokens": 9}},
    "rerank": {"meta": {"billed_units": {"input_tokens": 7, "output_tokens": 9}}},
    "responses": {"response": {"model": "m", "usage": {"input_tokens": 7, "output_tokens": 9}}},
    "list": [{"usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 9}}],
}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("is_streamed", [False, True])
def test_usage_is_read(name: str, is_streamed: bool):
    data = json.dumps(ANSWERS[name]).encode()
    seen = RawAnswer("text/event-stream" if is_streamed else "application/json; charset=utf-8")
    data = sse.event(b"{}") + sse.event(data) + sse.event(b"[DONE]") if is_streamed else data
    for byte in data:
        seen.feed(bytes((byte,)))
    usage = seen.end().usage
    assert (7, 9) == (usage.input_tokens, usage.output_tokens)


def test_both_ends_of_a_stream_of_messages_tell_its_usage():
    seen = RawAnswer("text/event-stream")
    message = {"model": "claude", "usage": {"input_tokens": 7, "output_tokens": 1}}
    for event in (
        {"type": "message_start", "message": message},
        {"type": "message_delta", "usage": {"output_tokens": 9}},
    ):
        seen.feed(sse.event(json.dumps(event).encode()))
    info = seen.end()
    assert ("claude", 7, 9) == (info.model, info.usage.input_tokens, info.usage.output_tokens)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("application/json", b"not json"),
        ("application/json", b'{"usage": {"type": "duration", "seconds": 3}}'),
        ("application/json", b'{"usage": [], "meta": 1, "response": []}'),
        ("application/json", b" " * (MAX_BYTES + 1)),
        ("application/json", b"[" * 100_000),
        ("text/event-stream", b'data: {"usage": \n\n'),
        ("text/event-stream", b'data: {"type": "message_delta", "usage": 7}\n\n'),
        ("audio/mpeg", b'{"usage": {"prompt_tokens": 7}}'),
        ("", b""),
    ],
)
def test_look_never_fails(kind: str, data: bytes):
    seen = RawAnswer(kind)
    seen.feed(data)
    assert seen.end().usage is None
