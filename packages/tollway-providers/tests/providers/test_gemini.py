"""Gemini's wire, written after https://ai.google.dev/api/generate-content and the guides beside it."""

import json
from typing import Any, ClassVar

import pytest

from tollway.provider import (
    Call,
    ErrorKind,
    PayloadError,
    ProviderError,
    ResponseError,
    Target,
    Task,
    UpstreamResponse,
    sse,
)
from tollway.provider.testing import ProviderContract
from tollway.providers.gemini import GeminiProvider

KEY = "AIza-a-long-and-secret-key"
HI = {"role": "user", "content": "hi"}
USAGE = {
    "promptTokenCount": 10,
    "candidatesTokenCount": 3,
    "thoughtsTokenCount": 4,
    "cachedContentTokenCount": 8,
    "totalTokenCount": 17,
}
HEAD = {"modelVersion": "gemini-3-flash", "responseId": "resp-1", "usageMetadata": USAGE}


def candidate(*parts: Any, finish: str | None = None, **more: Any) -> dict[str, Any]:
    reason = {"finishReason": finish} if finish else {}
    return {"content": {"role": "model", "parts": list(parts)}, "index": 0, **reason, **more}


def response(*candidates: Any, **more: Any) -> dict[str, Any]:
    return {"candidates": list(candidates), **HEAD, **more}


def sent(*responses: Any) -> bytes:
    return b"".join(b"data: %b\r\n\r\n" % json.dumps(one).encode() for one in responses)


WHOLE = json.dumps(response(candidate({"text": "hello"}, finish="STOP"))).encode()
STREAM = sent(
    response(candidate({"text": "Let me see", "thought": True})),
    response(candidate({"text": "Grüße"})),
    response(candidate({"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "sig"})),
    response(candidate({"text": ""}, finish="STOP")),
)
VECTORS = {"embeddings": [{"values": [0.5, 1]}], "usageMetadata": {"promptTokenCount": 2}}


class TestContract(ProviderContract):
    provider = GeminiProvider
    model = "gemini-3-flash"
    config: ClassVar[Any] = {"gemini_api_key": KEY}
    answers: ClassVar[Any] = {
        Task.CHAT: WHOLE,
        Task.COMPLETIONS: WHOLE,
        Task.EMBEDDINGS: json.dumps(VECTORS).encode(),
    }
    streams: ClassVar[Any] = {Task.CHAT: STREAM, Task.COMPLETIONS: STREAM}


class Fixed(GeminiProvider):
    def now_s(self) -> float:
        return 1_700_000_000.5


def made(task: Task = Task.CHAT, model: str = "gemini-3-flash", **config: Any) -> GeminiProvider:
    return Fixed(Target("e", task, model, {"gemini_api_key": KEY, **config}))


def body(*messages: Any, model: str = "gemini-3-flash", **payload: Any) -> Any:
    payload = {"model": "e", "messages": list(messages or [HI]), **payload}
    return json.loads(made(model=model).request(Call(Task.CHAT, payload, b"")).body)


def config_of(model: str = "gemini-3-flash", **payload: Any) -> Any:
    return body(model=model, **payload).get("generationConfig")


def refused(*messages: Any, **payload: Any) -> str | None:
    with pytest.raises(PayloadError) as caught:
        body(*messages, **payload)
    return caught.value.param


def read(*candidates: Any, **more: Any) -> Any:
    raw = json.dumps(response(*candidates, **more)).encode()
    return json.loads(made().response(Call(Task.CHAT, {}, b""), UpstreamResponse(200, {}, raw)).body)


def streamed(raw: bytes, **payload: Any) -> list[Any]:
    decoder = made().stream(Call(Task.CHAT, payload, b"", stream=True))
    out = decoder.feed(raw) + decoder.end()
    if decoder.error is not None:
        raise decoder.error
    *events, done = [event.data or b"" for event in sse.Parser().feed(out)]
    assert b"[DONE]" == done
    return [json.loads(event) for event in events]


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


def test_a_whole_answer() -> None:
    said = read(
        candidate(
            {"text": "Let me see", "thought": True},
            {"text": "Hel"},
            {"text": "lo"},
            {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "sig"},
            {"functionCall": {"id": "own", "name": "g"}},
            finish="STOP",
        )
    )

    (choice,) = said["choices"]
    first = {
        **{"id": "call_resp-1_0_0", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        "extra_content": {"google": {"thought_signature": "sig"}},
    }
    second = {"id": "own", "type": "function", "function": {"name": "g", "arguments": "{}"}}
    assert "tool_calls" == choice["finish_reason"]
    assert ("Hello", "Let me see") == (choice["message"]["content"], choice["message"]["reasoning_content"])
    assert [first, second] == choice["message"]["tool_calls"]
    assert ("resp-1", "gemini-3-flash", 1_700_000_000) == (said["id"], said["model"], said["created"])


def test_usage_is_said_as_openai_does() -> None:
    """Thoughts are a part of the completion there, and stand beside it here."""
    assert {
        "prompt_tokens": 10,
        "completion_tokens": 7,
        "total_tokens": 17,
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 4},
    } == read(candidate({"text": "a"}, finish="STOP"))["usage"]


def test_pictures_and_log_probabilities() -> None:
    tops = {"candidates": [{"token": "a", "logProbability": -0.5}, {"token": "b", "logProbability": -2}]}
    result = {"chosenCandidates": [{"token": "a", "logProbability": -0.5}], "topCandidates": [tops]}
    picture = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}

    (choice,) = read(candidate(picture, finish="STOP", logprobsResult=result))["choices"]

    assert "data:image/png;base64,AAAA" == choice["message"]["images"][0]["image_url"]["url"]
    (token,) = choice["logprobs"]["content"]
    assert ("a", -0.5, [97]) == (token["token"], token["logprob"], token["bytes"])
    assert ["a", "b"] == [top["token"] for top in token["top_logprobs"]]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SOMETHING_NEW", "stop"),
    ],
)
def test_why_it_stopped(reason: str, finish: str) -> None:
    assert finish == read(candidate({"text": "a"}, finish=reason))["choices"][0]["finish_reason"]
    assert (
        finish
        == streamed(sent(response(candidate({"text": "a"}, finish=reason))))[-1]["choices"][0][
            "finish_reason"
        ]
    )


BLOCKED = {**HEAD, "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
MALFORMED = response(candidate(finish="MALFORMED_FUNCTION_CALL", finishMessage="print(default_api.f("))


@pytest.mark.parametrize(
    ("said", "status", "kind"),
    [(BLOCKED, 400, ErrorKind.CONTENT_FILTER), (MALFORMED, 502, ErrorKind.RETRYABLE)],
)
def test_what_is_no_answer_is_an_error_whole_and_streamed(said: Any, status: int, kind: ErrorKind) -> None:
    """A blocked prompt has no candidates, and a broken call no content: an empty answer would hide it."""
    whole = UpstreamResponse(200, {}, json.dumps(said).encode())
    with pytest.raises(ProviderError) as caught:
        made().response(Call(Task.CHAT, {}, b""), whole)
    with pytest.raises(ProviderError) as in_stream:
        streamed(sent(response(candidate({"text": "a"})), said))

    for error in (caught.value, in_stream.value):
        assert (status, kind) == (error.status, error.kind)


@pytest.mark.parametrize("raw", [{"candidates": []}, {"candidates": [candidate({"text": "a"})]}, {}, []])
def test_an_answer_without_its_end_is_none(raw: Any) -> None:
    whole = UpstreamResponse(200, {}, json.dumps(raw).encode())
    with pytest.raises(ResponseError):
        made().response(Call(Task.CHAT, {}, b""), whole)


def test_a_stream_adds_up() -> None:
    chunks = streamed(STREAM, stream_options={"include_usage": True})
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]

    assert "assistant" == deltas[0]["role"]
    assert "Let me see" == "".join(delta.get("reasoning_content", "") for delta in deltas)
    assert "Grüße" == "".join(delta.get("content") or "" for delta in deltas)
    (call,) = [call for delta in deltas for call in delta.get("tool_calls", ())]
    assert (0, "f", '{"a":1}') == (call["index"], call["function"]["name"], call["function"]["arguments"])
    assert ["tool_calls"] == [
        c["finish_reason"] for chunk in chunks for c in chunk["choices"] if c["finish_reason"]
    ]
    assert 17 == chunks[-1]["usage"]["total_tokens"]


def test_the_end_that_a_proxy_adds_is_one_only_of_what_is_finished() -> None:
    whole = response(candidate({"text": "a"}, finish="STOP"))

    assert "stop" == streamed(sent(whole) + sse.DONE)[-1]["choices"][0]["finish_reason"]
    with pytest.raises(ProviderError, match="before the answer was finished"):
        streamed(sent(response(candidate({"text": "a"}))) + sse.DONE)


def test_calls_of_one_stream_are_counted_on() -> None:
    call = {"functionCall": {"name": "f", "args": {}}}
    chunks = streamed(sent(response(candidate(call)), response(candidate(call, call, finish="STOP"))))
    calls = [
        call for c in chunks for choice in c["choices"] for call in choice["delta"].get("tool_calls", ())
    ]

    assert [0, 1, 2] == [call["index"] for call in calls]
    assert 3 == len({call["id"] for call in calls})


def test_a_list_of_responses_is_no_stream_of_events() -> None:
    """What the API sends without `alt=sse`, and in errors of streams."""
    error = [{"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}]
    with pytest.raises(ProviderError, match="overloaded") as caught:
        streamed(json.dumps(error).encode())

    assert 503 == caught.value.status


def test_embeddings() -> None:
    provider = made(Task.EMBEDDINGS, "gemini-embedding-001")
    call = Call(Task.EMBEDDINGS, {"input": ["a", "b"], "dimensions": 256}, b"")
    request = provider.request(call)
    one = {"model": "models/gemini-embedding-001", "outputDimensionality": 256}

    assert request.url.endswith("models/gemini-embedding-001:batchEmbedContents")
    assert {"requests": [{**one, "content": {"parts": [{"text": text}]}} for text in "ab"]} == json.loads(
        request.body
    )
    answer = provider.response(call, UpstreamResponse(200, {}, json.dumps(VECTORS).encode()))
    said = json.loads(answer.body)
    assert ([0.5, 1], 2) == (said["data"][0]["embedding"], said["usage"]["prompt_tokens"])


def google_error(code: int, status: str, *details: Any) -> ProviderError:
    said = {"error": {"code": code, "message": "It failed.", "status": status, "details": list(details)}}
    return made().error(UpstreamResponse(code, {}, json.dumps(said).encode()))


def test_errors() -> None:
    """https://ai.google.dev/gemini-api/docs/troubleshooting."""
    info = "type.googleapis.com/google.rpc.ErrorInfo"
    key = google_error(400, "INVALID_ARGUMENT", {"@type": info, "reason": "API_KEY_INVALID"})
    delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
    limit = google_error(429, "RESOURCE_EXHAUSTED", delay)

    assert (502, "upstream_authentication") == (key.status, key.code)
    assert (429, 34.5, ErrorKind.RETRYABLE) == (limit.status, limit.retry_after_s, limit.kind)
    assert 400 == google_error(400, "INVALID_ARGUMENT").status
    assert 503 == google_error(503, "UNAVAILABLE").status


def test_completions_are_asked_as_chats() -> None:
    provider = made(Task.COMPLETIONS)
    call = Call(Task.COMPLETIONS, {"prompt": ["Once"], "max_tokens": 3, "best_of": 1}, b"")
    said = json.loads(provider.request(call).body)

    assert [{"role": "user", "parts": [{"text": "Once"}]}] == said["contents"]
    assert {"maxOutputTokens": 3} == said["generationConfig"]
    answer = json.loads(provider.response(call, UpstreamResponse(200, {}, WHOLE)).body)
    assert ("text_completion", "hello") == (answer["object"], answer["choices"][0]["text"])


@pytest.mark.parametrize(
    ("payload", "param"),
    [
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": "a", "suffix": "b"}, "suffix"),
        ({"prompt": "a", "echo": True}, "echo"),
        ({"prompt": "a", "logprobs": 3}, "logprobs"),
    ],
)
def test_completions_that_no_chat_can_say_are_refused(payload: dict[str, Any], param: str) -> None:
    with pytest.raises(PayloadError) as caught:
        made(Task.COMPLETIONS).request(Call(Task.COMPLETIONS, payload, b""))

    assert param == caught.value.param
