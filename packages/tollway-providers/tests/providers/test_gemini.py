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
