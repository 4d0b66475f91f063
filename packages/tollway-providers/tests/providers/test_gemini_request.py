"""What Gemini is asked, written after https://ai.google.dev/api/generate-content and the guides beside it."""

import json
from typing import Any

import pytest

from tollway.provider import Call, PayloadError, Target, Task
from tollway.providers.gemini import GeminiProvider

KEY = "AIza-a-long-and-secret-key"
HI = {"role": "user", "content": "hi"}


def made(task: Task = Task.CHAT, model: str = "gemini-3-flash", **config: Any) -> GeminiProvider:
    return GeminiProvider(Target("e", task, model, {"gemini_api_key": KEY, **config}))


def body(*messages: Any, model: str = "gemini-3-flash", **payload: Any) -> Any:
    payload = {"model": "e", "messages": list(messages or [HI]), **payload}
    return json.loads(made(model=model).request(Call(Task.CHAT, payload, b"")).body)


def config_of(model: str = "gemini-3-flash", **payload: Any) -> Any:
    return body(model=model, **payload).get("generationConfig")


def refused(*messages: Any, **payload: Any) -> str | None:
    with pytest.raises(PayloadError) as caught:
        body(*messages, **payload)
    return caught.value.param


@pytest.mark.parametrize(
    "base",
    [
        None,
        "https://generativelanguage.googleapis.com",
        "https://generativelanguage.googleapis.com/v1beta/",
        "https://generativelanguage.googleapis.com/v1beta/models",
    ],
)
def test_where_and_with_which_key_it_asks(base: str | None) -> None:
    """The base may be written as MLflow has it, with `models`."""
    provider = made(**({"gemini_api_base": base} if base else {}))
    call = {"messages": [HI]}
    whole = provider.request(Call(Task.CHAT, call, b""))
    stream = provider.request(Call(Task.CHAT, call, b"", stream=True))

    address = "https://generativelanguage.googleapis.com/v1beta/models/gemini-3-flash"
    assert f"{address}:generateContent" == whole.url
    assert f"{address}:streamGenerateContent?alt=sse" == stream.url
    assert KEY == dict(whole.headers)["x-goog-api-key"]


def test_a_query_of_the_base_stays_beside_that_of_the_stream() -> None:
    call = Call(Task.CHAT, {"messages": [HI]}, b"", stream=True)

    assert made(gemini_api_base="https://a.example/v1?team=7").request(call).url.endswith("?alt=sse&team=7")


def test_a_tuned_model_is_named_whole() -> None:
    assert (
        made(model="tunedModels/mine").url_of(Task.CHAT).endswith("/v1beta/tunedModels/mine:generateContent")
    )


def test_turns_and_the_systems_instruction() -> None:
    said = body(
        {"role": "system", "content": "one"},
        HI,
        {"role": "assistant", "content": "hello"},
        {"role": "developer", "content": [{"type": "text", "text": "two"}]},
        HI,
        HI,
    )

    assert {"parts": [{"text": "one"}, {"text": "two"}]} == said["systemInstruction"]
    turns = [("user", 1), ("model", 1), ("user", 2)]
    assert turns == [(turn["role"], len(turn["parts"])) for turn in said["contents"]]


def test_images_audio_and_files() -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "https://a.example/b.png?x=1"}},
        {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "wav"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,CCCC"}},
        {"type": "file", "file": {"file_id": "https://generativelanguage.googleapis.com/v1beta/files/abc"}},
    ]

    assert [
        {"inlineData": {"mimeType": "image/jpeg", "data": "AAAA"}},
        {"fileData": {"fileUri": "https://a.example/b.png?x=1", "mimeType": "image/png"}},
        {"inlineData": {"mimeType": "audio/wav", "data": "BBBB"}},
        {"inlineData": {"mimeType": "application/pdf", "data": "CCCC"}},
        {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc"}},
    ] == body({"role": "user", "content": parts})["contents"][0]["parts"]


def called(id: str, arguments: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}, **more}


def test_calls_and_results() -> None:
    """A result is found by its call's id and goes by the function's name; its text is an object there."""
    signed = called("c1", '{"a": 1}', extra_content={"google": {"thought_signature": "sig"}})
    said = body(
        HI,
        {"role": "assistant", "content": None, "tool_calls": [signed, called("c2", '{"b":')]},
        {"role": "tool", "tool_call_id": "c2", "content": "no JSON"},
        {"role": "tool", "tool_call_id": "c1", "content": '{"found": true}'},
    )["contents"]

    assert [
        {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "sig"},
        {"functionCall": {"name": "f", "args": {"INVALID_JSON": '{"b":'}}},
    ] == said[1]["parts"]
    assert [
        {"functionResponse": {"name": "f", "response": {"output": "no JSON"}}},
        {"functionResponse": {"name": "f", "response": {"found": True}}},
    ] == said[2]["parts"]


@pytest.mark.parametrize(("model", "signed"), [("gemini-3-pro", True), ("gemini-2.5-flash", False)])
def test_a_signature_that_the_client_lost_is_not_asked_for(model: str, signed: bool) -> None:
    """Newer models refuse a call without one, unless it is the documented word."""
    said = body(
        HI,
        {"role": "assistant", "tool_calls": [called("c1", "{}"), called("c2", "{}")]},
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
        model=model,
    )["contents"][1]["parts"]

    word = ["skip_thought_signature_validator", None] if signed else [None, None]
    assert word == [part.get("thoughtSignature") for part in said]


def test_tools_and_which_to_use() -> None:
    schema = {"type": "object", "properties": {"a": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/b"}]}}}
    tool = {"type": "function", "function": {"name": "f", "description": "d", "parameters": schema}}
    plain = {"type": "function", "function": {"name": "g"}}

    said = body(tools=[tool, plain], tool_choice={"type": "function", "function": {"name": "f"}})

    declared = [{"name": "f", "description": "d", "parametersJsonSchema": schema}, {"name": "g"}]
    assert [{"functionDeclarations": declared}] == said["tools"]
    assert {"mode": "ANY", "allowedFunctionNames": ["f"]} == said["toolConfig"]["functionCallingConfig"]
    for choice, mode in (("auto", "AUTO"), ("required", "ANY"), ("none", "NONE")):
        config = body(tools=[tool], tool_choice=choice)["toolConfig"]["functionCallingConfig"]
        assert {"mode": mode} == config


def test_how_to_answer() -> None:
    payload = {
        **{"temperature": 1.5, "top_p": 0.5, "top_k": 3, "seed": 1, "n": 2, "stop": "END"},
        **{"presence_penalty": 0.1, "frequency_penalty": 0.2, "max_tokens": 9, "max_completion_tokens": 7},
        **{"logprobs": True, "top_logprobs": 3, "modalities": ["text", "image"]},
        **{"logit_bias": {"1": 1}, "user": "u", "store": False, "parallel_tool_calls": False},
    }

    assert {
        **{
            "temperature": 1.5,
            "topP": 0.5,
            "topK": 3,
            "seed": 1,
            "candidateCount": 2,
            "stopSequences": ["END"],
        },
        **{"presencePenalty": 0.1, "frequencyPenalty": 0.2, "maxOutputTokens": 7},
        **{"responseLogprobs": True, "logprobs": 3, "responseModalities": ["TEXT", "IMAGE"]},
    } == config_of(**payload)


def test_structured_output() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    json_type = {"responseMimeType": "application/json"}

    assert json_type == config_of(response_format={"type": "json_object"})
    assert {**json_type, "responseJsonSchema": schema} == config_of(response_format=wanted)
    assert config_of(response_format={"type": "text"}) is None


@pytest.mark.parametrize(
    ("model", "payload", "config"),
    [
        ("gemini-3-flash", {"reasoning_effort": "minimal"}, {"thinkingLevel": "minimal"}),
        ("gemini-3-pro", {"reasoning_effort": "minimal"}, {"thinkingLevel": "low"}),
        ("gemini-3-pro", {"reasoning_effort": "xhigh"}, {"thinkingLevel": "high"}),
        ("gemini-2.5-flash", {"reasoning_effort": "medium"}, {"thinkingBudget": 8192}),
        ("gemini-2.5-pro", {"thinking": {"type": "enabled", "budget_tokens": 99}}, {"thinkingBudget": 99}),
    ],
)
def test_how_much_to_think(model: str, payload: dict[str, Any], config: dict[str, Any]) -> None:
    assert {"thinkingConfig": {**config, "includeThoughts": True}} == config_of(model, **payload)


@pytest.mark.parametrize("payload", [{"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}])
def test_no_thinking(payload: dict[str, Any]) -> None:
    assert {"thinkingConfig": {"thinkingBudget": 0}} == config_of("gemini-2.5-flash", **payload)


def test_googles_own_words_pass() -> None:
    """As its own compatible API takes them."""
    own = {
        "thinking_config": {"thinking_budget": 1},
        "cached_content": "cachedContents/1",
        "safety_settings": [],
    }

    said = body(extra_body={"google": own})

    assert {"thinkingConfig": {"thinking_budget": 1}} == said["generationConfig"]
    assert ("cachedContents/1", []) == (said["cachedContent"], said["safetySettings"])


@pytest.mark.parametrize(
    ("payload", "param"),
    [
        ({"audio": {"voice": "a"}}, "audio"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"function_call": "auto"}, "function_call"),
        ({"tools": [{"type": "custom"}]}, "tools.0"),
        ({"tools": [{"function": {"name": "f"}}], "tool_choice": "any"}, "tool_choice"),
        ({"response_format": {"type": "grammar"}}, "response_format"),
        ({"reasoning_effort": "a lot"}, "reasoning_effort"),
        ({"stop": 3}, "stop"),
        ({"messages": [{"role": "system", "content": "s"}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "messages.0.content.0.type"),
        ({"messages": [{"role": "tool", "tool_call_id": "c", "content": "1"}]}, "messages.0.tool_call_id"),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(payload: dict[str, Any], param: str) -> None:
    assert param == refused(**payload)
