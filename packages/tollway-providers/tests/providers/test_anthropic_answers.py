"""What Anthropic answers, whole and as a stream: the two say the same."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollway.provider import (
    Answer,
    Call,
    Target,
    Task,
    UpstreamResponse,
    Usage,
    UsageDetails,
    sse,
    with_defaults,
)
from tollway.provider.predictions import collect
from tollway.providers.anthropic import AnthropicProvider

TARGET = Target(
    "e",
    Task.CHAT,
    "claude-1",
    with_defaults(AnthropicProvider.settings, {"anthropic_api_key": "k"}),
)
USAGE = {
    "input_tokens": 5,
    "cache_creation_input_tokens": 20,
    "cache_read_input_tokens": 100,
    "output_tokens": 7,
    "output_tokens_details": {"thinking_tokens": 3},
}
THINKING = {"type": "thinking", "thinking": "hm, let me see", "signature": "sig"}
REDACTED = {"type": "redacted_thinking", "data": "secret"}
TEXT = {"type": "text", "text": "Grüße 🛣"}
CALL_1 = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": {"b": [1, "ü"]}}}
CALL_2 = {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}}


class FixedClock(AnthropicProvider):
    def now_s(self) -> float:
        return 1_700_000_000.5


def message(*content: Any, stop_reason: str | None = "end_turn", **more: Any) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-1-20260101",
        "content": list(content),
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": USAGE,
        **more,
    }


def whole(*content: Any, **more: Any) -> Answer:
    response = UpstreamResponse(200, {}, json.dumps(message(*content, **more)).encode())
    return FixedClock(TARGET).response(Call(Task.CHAT, {}, b""), response)


def said(*content: Any, **more: Any) -> Any:
    return json.loads(whole(*content, **more).body)


def deltas_of(block: dict[str, Any]) -> list[dict[str, Any]]:
    """Return how the API streams a block: in pieces, the signature last."""
    if block["type"] == "text":
        return [{"type": "text_delta", "text": letter} for letter in block["text"]]
    if block["type"] == "thinking":
        words = [{"type": "thinking_delta", "thinking": letter} for letter in block["thinking"]]
        return [*words, {"type": "signature_delta", "signature": block["signature"]}]
    if block["type"] == "tool_use":
        text = json.dumps(block["input"]) if block["input"] else ""
        return [{"type": "input_json_delta", "partial_json": piece} for piece in ("", text[:5], text[5:])]
    return []


def stream(*content: Any, stop_reason: str | None = "end_turn", **more: Any) -> bytes:
    """Return a message as the API streams it."""
    empty = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}, "tool_use": {"input": {}}}
    start = message(stop_reason=None) | {"usage": {**USAGE, "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for index, block in enumerate(content):
        opening = {**block, **empty.get(block["type"], {})}
        events.append({"type": "content_block_start", "index": index, "content_block": opening})
        events += [{"type": "content_block_delta", "index": index, "delta": d} for d in deltas_of(block)]
        events.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": stop_reason, "stop_sequence": None, **more}
    usage = {"output_tokens": 7, "cache_read_input_tokens": None}
    events += [{"type": "message_delta", "delta": delta, "usage": usage}, {"type": "message_stop"}]
    return b"".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events)


def decoder(**options: Any) -> Any:
    return FixedClock(TARGET).stream(Call(Task.CHAT, {"stream_options": options}, b"", stream=True))


def chunks(sent: bytes, **options: Any) -> list[Any]:
    reader = decoder(**options)
    out = reader.feed(sent) + reader.end()
    assert reader.error is None, reader.error
    *events, done = [event.data or b"" for event in sse.Parser().feed(out)]
    assert b"[DONE]" == done
    return [json.loads(event) for event in events]


def test_text() -> None:
    answer = said(TEXT, {"type": "text", "text": "!"})

    assert "Grüße 🛣!" == answer["choices"][0]["message"]["content"]
    assert ("msg_1", "claude-1-20260101") == (answer["id"], answer["model"])
    assert ("chat.completion", 1_700_000_000) == (answer["object"], answer["created"])


def test_text_beside_calls() -> None:
    given = said(TEXT, CALL_1, CALL_2, stop_reason="tool_use")["choices"][0]

    assert "tool_calls" == given["finish_reason"]
    assert TEXT["text"] == given["message"]["content"]
    calls = given["message"]["tool_calls"]
    assert [("toolu_1", "function", "f"), ("toolu_2", "function", "g")] == [
        (call["id"], call["type"], call["function"]["name"]) for call in calls
    ]
    assert [CALL_1["input"], {}] == [json.loads(call["function"]["arguments"]) for call in calls]


def test_calls_alone_have_no_text() -> None:
    assert said(CALL_1, stop_reason="tool_use")["choices"][0]["message"]["content"] is None


def test_an_answer_without_words_is_empty_text() -> None:
    assert "" == said()["choices"][0]["message"]["content"]


def test_thinking_is_readable_and_can_be_sent_back() -> None:
    given = said(THINKING, REDACTED, TEXT)["choices"][0]["message"]

    assert THINKING["thinking"] == given["reasoning_content"]
    assert [THINKING, REDACTED] == given["thinking_blocks"]


def test_what_is_not_known_is_left_out() -> None:
    assert "Grüße 🛣" == said({"type": "hologram"}, TEXT)["choices"][0]["message"]["content"]


FINISHES = [
    ("end_turn", "stop"),
    ("stop_sequence", "stop"),
    ("pause_turn", "stop"),
    ("tool_use", "tool_calls"),
    ("max_tokens", "length"),
    ("model_context_window_exceeded", "length"),
    ("refusal", "content_filter"),
    ("of the future", "stop"),
]


@pytest.mark.parametrize(("stop_reason", "finish"), FINISHES)
def test_why_it_stopped(stop_reason: str, finish: str) -> None:
    answer = whole(TEXT, stop_reason=stop_reason)

    assert finish == json.loads(answer.body)["choices"][0]["finish_reason"]
    assert (finish,) == answer.info.finish_reasons
    assert finish == chunks(stream(TEXT, stop_reason=stop_reason))[-1]["choices"][0]["finish_reason"]


def test_a_refusal_is_explained() -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "It is about germs."}
    answer = said(stop_reason="refusal", stop_details=details)
    last = chunks(stream(stop_reason="refusal", stop_details=details))[-1]

    assert "It is about germs." == answer["choices"][0]["message"]["refusal"]
    assert "It is about germs." == last["choices"][0]["delta"]["refusal"]


EXPECTED_USAGE = {
    "prompt_tokens": 125,
    "completion_tokens": 7,
    "total_tokens": 132,
    "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 20},
    "completion_tokens_details": {"reasoning_tokens": 3},
}


def test_the_caches_tokens_are_among_those_of_the_input() -> None:
    """OpenAI counts them so; a stream tells them only to those who ask, and to telemetry."""
    answer = whole(TEXT)
    expected = Usage(125, 7, 100, 3, UsageDetails(20))

    assert EXPECTED_USAGE == json.loads(answer.body)["usage"]
    assert expected == answer.info.usage
    told = chunks(stream(TEXT), include_usage=True)[-1]
    assert ([], EXPECTED_USAGE) == (told["choices"], told["usage"])
    assert not [chunk for chunk in chunks(stream(TEXT)) if "usage" in chunk]
    reader = decoder()
    reader.feed(stream(TEXT))
    assert expected == reader.info.usage


@pytest.mark.parametrize(
    "content",
    [
        (TEXT,),
        (THINKING, TEXT),
        (THINKING, REDACTED, TEXT, CALL_1, CALL_2),
        (CALL_2,),
        (TEXT, CALL_1, {"type": "text", "text": "and"}, CALL_2),
        (),
    ],
    ids=len,
)
def test_a_stream_adds_up_to_the_whole_answer(content: tuple[Any, ...]) -> None:
    """Each piece is passed on as it came; joined as a client joins them, they say what the whole says."""
    pieces = chunks(stream(*content))
    call = Call(Task.CHAT, {}, b"")
    thinking = [
        {key: value for key, value in block.items() if key != "index"}
        for piece in pieces
        for block in piece["choices"][0]["delta"].pop("thinking_blocks", [])
    ]
    joined = json.loads(collect(pieces, call, TARGET, new_id=str, now_s=lambda: 0).body)["choices"][0]
    expected = said(*content)["choices"][0]["message"]

    assert expected.pop("thinking_blocks", []) == thinking
    for key in ("content", "reasoning_content", "refusal"):
        assert (expected.pop(key, None) or None) == (joined["message"].pop(key, None) or None)
    for calls in (expected.get("tool_calls", []), joined["message"].get("tool_calls", [])):
        for one in calls:
            one["function"]["arguments"] = json.loads(one["function"]["arguments"])
    assert expected == joined["message"]


def test_arguments_are_passed_on_as_they_come() -> None:
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks(stream(TEXT, CALL_1))]
    calls = [delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta]

    assert ("toolu_1", "function", "f") == (calls[0]["id"], calls[0]["type"], calls[0]["function"]["name"])
    text = json.dumps(CALL_1["input"])
    assert ["", text[:5], text[5:]] == [call["function"]["arguments"] for call in calls]
    assert {0} == {call["index"] for call in calls}


def test_events_that_are_not_known_are_passed_over() -> None:
    unknown = b'event: confetti\ndata: {"type": "confetti"}\n\n: a comment\n\n'
    assert chunks(stream(TEXT)) == chunks(
        unknown + stream(TEXT).replace(b"event: ping", unknown + b"event: ping")
    )


@pytest.mark.parametrize(
    ("garbage", "said"),
    [(b"{}", ""), (b"[]", ""), (b"3", ""), (b'{"type": 3}', ""), (b"{", ": {"), (b"THE END", ": THE END")],
)
def test_what_is_no_event_is_an_error_that_quotes_it(garbage: bytes, said: str) -> None:
    reader = decoder()
    assert b"[DONE]" not in reader.feed(b"data: " + garbage + b"\n\n" + stream(TEXT))
    assert "the model's stream carried something that is not an event" + said == str(reader.error)


def test_nothing_follows_the_end() -> None:
    assert chunks(stream(TEXT)) == chunks(stream(TEXT) + stream(CALL_1))


def test_a_stream_that_never_says_why_it_stopped_is_an_error() -> None:
    reader = decoder()
    assert b"[DONE]" not in reader.feed(stream(TEXT, stop_reason=None)) + reader.end()
    assert reader.error is not None
    assert not reader.complete


def test_an_event_beyond_all_measure_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 64)
    reader = decoder()
    reader.feed(b"data: " + b"x" * 99)
    assert reader.error is not None


BLOCKS = st.lists(st.sampled_from([TEXT, THINKING, REDACTED, CALL_1, CALL_2]), max_size=4)
CUTS = st.lists(st.integers(0, 4000), max_size=12).map(sorted)


@settings(deadline=None)
@given(BLOCKS, CUTS, st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_any_split_of_a_stream_gives_the_same_events(
    content: list[Any], cuts: list[int], line_end: bytes
) -> None:
    """However the network cuts it, and whichever line end it is written with."""
    sent = stream(*content)
    expected = decoder(include_usage=True).feed(sent)
    written = sent.replace(b"\n", line_end)
    reader = decoder(include_usage=True)
    edges = [0, *[min(cut, len(written)) for cut in cuts], len(written)]
    out = b"".join([reader.feed(written[a:b]) for a, b in pairwise(edges)]) + reader.end()

    assert expected == out
    assert reader.complete
