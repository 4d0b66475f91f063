"""What other models and cut-off answers left in a history, as Claude takes it."""

import json
import re
from typing import Any

import pytest

from tollway.provider import Call, Target, Task, with_defaults
from tollway.providers.anthropic import AnthropicProvider

HI = {"role": "user", "content": "hi"}
PROVIDER = AnthropicProvider(
    Target("e", Task.CHAT, "claude-1", with_defaults(AnthropicProvider.settings, {"anthropic_api_key": "k"}))
)


def turns(*messages: Any) -> Any:
    call = Call(Task.CHAT, {"model": "e", "messages": list(messages)}, b"")
    return json.loads(PROVIDER.request(call).body)["messages"]


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def called(*calls: tuple[str, str]) -> dict[str, Any]:
    """Return an assistant's message that calls `f` with these ids and arguments."""
    functions = [
        {"id": id, "type": "function", "function": {"name": "f", "arguments": said}} for id, said in calls
    ]
    return {"role": "assistant", "content": None, "tool_calls": functions}


@pytest.mark.parametrize("arguments", ['{"path": "a.py", "text": "impo', "[1]", '"x"', "}"])
def test_a_call_that_was_cut_off_does_not_end_the_conversation(arguments: str) -> None:
    """What the model said goes back in the form that the API documents for it."""
    said = turns(HI, called(("c1", arguments)), {"role": "tool", "tool_call_id": "c1", "content": "no JSON"})

    assert {"INVALID_JSON": arguments} == said[1]["content"][0]["input"]


SIGNED = {"type": "thinking", "thinking": "hm", "signature": "s"}
REDACTED = {"type": "redacted_thinking", "data": "d"}


@pytest.mark.parametrize(
    "kept",
    [
        {"thinking_blocks": [SIGNED, REDACTED], "content": "a"},
        {"content": [SIGNED, REDACTED, text("a")]},
        {
            "content": [
                {"type": "reasoning", "reasoning": "hm", "extras": {"signature": "s"}},
                REDACTED,
                text("a"),
            ]
        },
        {
            "content": "a",
            "reasoning_details": [
                {"type": "reasoning.text", "text": "hm", "signature": "s", "format": "anthropic-claude-v1"},
                {"type": "reasoning.encrypted", "data": "d"},
            ],
        },
    ],
    ids=["LiteLLM", "Anthropic", "LangChain", "OpenRouter"],
)
def test_thinking_is_read_in_every_form_that_clients_keep(kept: dict[str, Any]) -> None:
    assert [SIGNED, REDACTED, text("a")] == turns(HI, {"role": "assistant", **kept}, HI)[1]["content"]


@pytest.mark.parametrize(
    "unsigned",
    [
        {"type": "thinking", "thinking": "hm"},
        {"type": "reasoning", "reasoning": "hm"},
        {"type": "redacted_thinking"},
    ],
)
def test_thinking_without_its_signature_is_left_out(unsigned: dict[str, Any]) -> None:
    """The API would refuse it."""
    assert [text("a")] == turns(HI, {"role": "assistant", "content": [unsigned, text("a")]}, HI)[1]["content"]


def test_the_id_of_another_models_call_is_taken() -> None:
    """Kimi's ids hold dots and colons, which the API refuses; different ids stay different."""
    ids = ["functions.f:0", "functions.f:1", "toolu_1-a"]
    said = turns(
        HI,
        called(*((id, "{}") for id in ids)),
        *({"role": "tool", "tool_call_id": id, "content": "1"} for id in ids),
    )

    sent = [block["id"] for block in said[1]["content"]]
    assert sent == [block["tool_use_id"] for block in said[2]["content"]]
    assert all(re.fullmatch("[a-zA-Z0-9_-]+", id) for id in sent)
    assert (3, "toolu_1-a") == (len(set(sent)), sent[2])
