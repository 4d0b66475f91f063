"""Mistral's wire: https://docs.mistral.ai/api/endpoint/chat and https://docs.mistral.ai/capabilities/reasoning."""

import json
from typing import Any, ClassVar

import pytest

from tollway.provider import Call, HTTPProvider, Target, Task, UpstreamResponse, sse
from tollway.provider.testing import OPENAI_ANSWERS, OPENAI_STREAMS, ProviderContract
from tollway.providers.mistral import MistralProvider, tool_call_id

KEY = "a-long-and-secret-key"

THOUGHT = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "Two and two. "}], "closed": True},
    {"type": "text", "text": "Four"},
    {"type": "reference", "reference_ids": [1]},
    {"type": "text", "text": "."},
]


def line(**fields: Any) -> bytes:
    head = {"id": "cmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "magistral-medium"}
    return b"data: %b\n\n" % json.dumps({**head, **fields}).encode()


STREAM = b"".join(
    [
        line(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]),
        line(choices=[{"index": 0, "delta": {"content": THOUGHT[:1]}, "finish_reason": None}]),
        line(choices=[{"index": 0, "delta": {"content": THOUGHT[1:]}, "finish_reason": None}]),
        line(
            choices=[{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}],
            usage={"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14},
        ),
        b"data: [DONE]\n\n",
    ]
)


class TestContract(ProviderContract):
    provider = MistralProvider
    config: ClassVar[Any] = {"mistral_api_key": KEY}
    answers = OPENAI_ANSWERS
    streams: ClassVar[Any] = {**OPENAI_STREAMS, Task.CHAT: STREAM}


def made() -> HTTPProvider:
    return MistralProvider(Target("e", Task.CHAT, "mistral-small", {"mistral_api_key": KEY}))


def asked(**payload: Any) -> Any:
    call = Call(Task.CHAT, {"model": "e", **payload}, b"", stream=True)
    return json.loads(made().request(call).body)


def test_its_own_names_are_used_and_what_it_refuses_is_left_out() -> None:
    said = asked(
        seed=3, max_completion_tokens=9, user="u", store=False, stream_options={"include_usage": True}
    )

    assert {"model": "mistral-small", "random_seed": 3, "max_tokens": 9} == said


def test_what_another_service_answered_goes_back_in_its_words() -> None:
    call = {"id": "call_abcdefghijklmnop", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    before = {"role": "assistant", "content": None, "refusal": None, "annotations": [], "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": "call_abcdefghijklmnop", "content": "1", "name": "f"}

    assistant, tool = asked(messages=[before, result])["messages"]

    assert {"role", "tool_calls"} == set(assistant)
    assert assistant["tool_calls"][0]["id"] == tool["tool_call_id"]
    assert 9 == len(tool["tool_call_id"])
    assert tool["tool_call_id"].isalnum()


@pytest.mark.parametrize("given", ["abcDEF123", "D681PevKs"])
def test_an_id_of_its_own_stays(given: str) -> None:
    assert given == tool_call_id(given)


def test_different_ids_stay_different() -> None:
    assert 1000 == len({tool_call_id(f"call_{number}") for number in range(1000)})


def test_a_developers_message_is_the_systems() -> None:
    assert [{"role": "system", "content": "a"}] == asked(messages=[{"role": "developer", "content": "a"}])[
        "messages"
    ]


def test_what_it_thought_is_beside_the_text() -> None:
    answer = json.loads(OPENAI_ANSWERS[Task.CHAT])
    answer["choices"][0]["message"]["content"] = THOUGHT

    read = made().response(Call(Task.CHAT, {}, b""), UpstreamResponse(200, {}, json.dumps(answer).encode()))

    message = json.loads(read.body)["choices"][0]["message"]
    assert "Four." == message["content"]
    assert "Two and two. " == message["reasoning_content"]


def test_odd_choices_pass_as_they_came() -> None:
    """A look at an answer never breaks it."""
    odd = line(choices=None, note={"content": [1]}) + line(choices=[None], note={"content": [1]})
    decoder = made().stream(Call(Task.CHAT, {}, b"", stream=True))

    assert decoder.feed(odd).count(b"data: ") == 2


def test_a_stream_holds_text_and_reasoning_apart() -> None:
    decoder = made().stream(Call(Task.CHAT, {}, b"", stream=True))
    events = sse.Parser().feed(decoder.feed(STREAM) + decoder.end())
    deltas = [json.loads(event.data or b"")["choices"][0]["delta"] for event in events[:-1]]

    assert "Four." == "".join(delta["content"] for delta in deltas)
    assert "Two and two. " == "".join(delta.get("reasoning_content", "") for delta in deltas)
    assert decoder.complete
