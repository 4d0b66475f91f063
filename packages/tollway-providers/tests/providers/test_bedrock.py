"""Bedrock's wire, written after the API reference of Converse, ConverseStream and InvokeModel."""

import json
import struct
import zlib
from datetime import UTC, datetime
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
from tollway.providers.bedrock import BedrockProvider

pytest.importorskip("botocore", reason="needs tollway-providers[aws]")

KEYS = {
    "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "aws_region": "eu-west-1",
}
CLAUDE = "anthropic.claude-sonnet-5-v1:0"
USAGE = {"inputTokens": 5, "outputTokens": 7, "totalTokens": 132, "cacheReadInputTokens": 100}
WRITTEN = {"cacheWriteInputTokens": 20, "cacheDetails": [{"ttl": "1h", "inputTokens": 15}]}
THOUGHT = {"reasoningContent": {"reasoningText": {"text": "Let me see", "signature": "sig"}}}
REDACTED = {"reasoningContent": {"redactedContent": "c2VjcmV0"}}
CALLED = {"toolUse": {"toolUseId": "tooluse_1", "name": "f", "input": {"a": 1}}}


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The signer's time stands still."""
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: datetime(2026, 11, 30, tzinfo=UTC))


def answer(*content: Any, stop: str | None = "end_turn", **more: Any) -> bytes:
    message = {"role": "assistant", "content": list(content)}
    said = {"output": {"message": message}, "stopReason": stop, "usage": {**USAGE, **WRITTEN}, **more}
    return json.dumps(said).encode()


def frame(payload: Any, **headers: str) -> bytes:
    """Write one message of the event stream."""
    named = b"".join(
        bytes([len(name) + 1])
        + b":"
        + name.replace("_", "-").encode()
        + b"\x07"
        + struct.pack(">H", len(value))
        + value.encode()
        for name, value in headers.items()
    )
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(named) + len(body), len(named))
    raw = prelude + struct.pack(">I", zlib.crc32(prelude)) + named + body
    return raw + struct.pack(">I", zlib.crc32(raw))


def event(kind: str, **payload: Any) -> bytes:
    return frame(payload, event_type=kind, content_type="application/json", message_type="event")


def test_the_frames_of_these_tests_are_aws_own() -> None:
    from botocore.eventstream import EventStreamBuffer

    buffer = EventStreamBuffer()
    buffer.add_data(STREAM)
    read = [message.headers[":event-type"] for message in buffer]

    assert (14, "messageStart", "metadata") == (len(read), read[0], read[-1])


def delta(block: int, **said: Any) -> bytes:
    return event("contentBlockDelta", contentBlockIndex=block, delta=said)


STREAM = b"".join(
    [
        event("messageStart", role="assistant"),
        delta(0, reasoningContent={"text": "Let me "}),
        delta(0, reasoningContent={"text": "see"}),
        delta(0, reasoningContent={"signature": "sig"}),
        event("contentBlockStop", contentBlockIndex=0),
        delta(1, text="Grü"),
        delta(1, text="ße"),
        event("contentBlockStop", contentBlockIndex=1),
        event("contentBlockStart", contentBlockIndex=2, start={"toolUse": {"toolUseId": "t1", "name": "f"}}),
        delta(2, toolUse={"input": '{"a"'}),
        delta(2, toolUse={"input": ": 1}"}),
        event("contentBlockStop", contentBlockIndex=2),
        event("messageStop", stopReason="tool_use"),
        event("metadata", usage={**USAGE, **WRITTEN}, metrics={"latencyMs": 9}),
    ]
)
SHORT = b"".join(
    [
        event("messageStart", role="assistant"),
        delta(0, text="hello"),
        event("messageStop", stopReason="end_turn"),
        event("metadata", usage=USAGE),
    ]
)
THROTTLED = frame({"message": "Too fast."}, exception_type="throttlingException", message_type="exception")


class Framed(ProviderContract):
    """The contract of a stream that is framed as AWS does it."""

    garbage: ClassVar[tuple[bytes, ...]] = (
        b"\x00" * 16,
        event("contentBlockDelta", delta=1)[:-1] + b"!",
        THROTTLED,
        frame(b"{", event_type="contentBlockDelta", message_type="event"),
    )

    def first_event(self, stream: bytes) -> bytes:
        return stream[: struct.unpack(">I", stream[:4])[0]]


class TestContract(Framed):
    provider = BedrockProvider
    model = "amazon.titan-embed-text-v2:0"
    config: ClassVar[Any] = {"aws_config": KEYS}
    answers: ClassVar[Any] = {
        Task.CHAT: answer({"text": "hello"}),
        Task.COMPLETIONS: answer({"text": "hello"}),
        Task.EMBEDDINGS: b'{"embedding": [0.5, 1], "inputTextTokenCount": 3}',
    }
    streams: ClassVar[Any] = {Task.CHAT: SHORT, Task.COMPLETIONS: SHORT}


class TestContractWithAKeyOfBedrocks(TestContract):
    config: ClassVar[Any] = {
        "aws_config": {"aws_bearer_token": "a-long-and-secret-key", "aws_region": "us-east-1"}
    }


def made(model: str = CLAUDE, task: Task = Task.CHAT, **aws: Any) -> BedrockProvider:
    return BedrockProvider(Target("e", task, model, {"aws_config": {**KEYS, **aws}}))


def read(raw: bytes) -> Any:
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
    said = read(answer(THOUGHT, REDACTED, {"text": "Hello"}, CALLED, stop="tool_use"))

    (choice,) = said["choices"]
    message = choice["message"]
    assert ("Hello", "Let me see", "tool_calls") == (
        message["content"],
        message["reasoning_content"],
        choice["finish_reason"],
    )
    signed = {"type": "thinking", "thinking": "Let me see", "signature": "sig"}
    assert [signed, {"type": "redacted_thinking", "data": "c2VjcmV0"}] == message["thinking_blocks"]
    function = {"name": "f", "arguments": '{"a":1}'}
    assert [{"id": "tooluse_1", "type": "function", "function": function}] == message["tool_calls"]
    assert CLAUDE == said["model"]
    assert said["id"].startswith("chatcmpl-")


def test_what_the_cache_gave_and_took_is_input_too() -> None:
    """The API counts it beside, OpenAI among all of the prompt."""
    response = UpstreamResponse(200, {}, answer({"text": "a"}))
    usage = made().response(Call(Task.CHAT, {}, b""), response).info.usage

    assert usage is not None
    assert usage.details is not None
    assert (125, 7, 100) == (usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens)
    assert (20, 15) == (usage.details.cache_write_input_tokens, usage.details.cache_write_1h_input_tokens)


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("something_new", "stop"),
    ],
)
def test_why_it_stopped(stop: str, finish: str) -> None:
    assert finish == read(answer({"text": "a"}, stop=stop))["choices"][0]["finish_reason"]
    chunks = streamed(event("messageStart", role="assistant") + event("messageStop", stopReason=stop))
    assert finish == chunks[-1]["choices"][0]["finish_reason"]


def test_a_broken_answer_is_an_error_whole_and_streamed() -> None:
    with pytest.raises(ProviderError) as whole:
        read(answer(stop="malformed_tool_use"))
    with pytest.raises(ProviderError) as in_stream:
        streamed(delta(0, text="a") + event("messageStop", stopReason="malformed_tool_use"))

    for error in (whole.value, in_stream.value):
        assert (502, ErrorKind.RETRYABLE) == (error.status, error.kind)


@pytest.mark.parametrize("raw", [b"{}", answer({"text": "a"}, stop=None), b'{"output": {"message": {}}}'])
def test_what_is_no_answer_is_an_error(raw: bytes) -> None:
    with pytest.raises(ResponseError):
        read(raw)


def test_a_stream_adds_up() -> None:
    chunks = streamed(STREAM, stream_options={"include_usage": True})
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]

    assert "Let me see" == "".join(one.get("reasoning_content", "") for one in deltas)
    assert "Grüße" == "".join(one.get("content") or "" for one in deltas)
    calls = [call for one in deltas for call in one.get("tool_calls", ())]
    assert ("t1", "f") == (calls[0]["id"], calls[0]["function"]["name"])
    assert '{"a": 1}' == "".join(call["function"]["arguments"] for call in calls)
    (block,) = [block for one in deltas for block in one.get("thinking_blocks", ())]
    assert {"index": 0, "type": "thinking", "thinking": "Let me see", "signature": "sig"} == block
    assert 132 == chunks[-1]["usage"]["total_tokens"]


def test_a_stream_cut_at_any_byte_never_passes_for_an_end() -> None:
    whole = len(STREAM) - len(event("metadata", usage={**USAGE, **WRITTEN}, metrics={"latencyMs": 9}))
    for cut in range(len(STREAM)):
        decoder = made().stream(Call(Task.CHAT, {}, b"", stream=True))
        out = decoder.feed(STREAM[:cut]) + decoder.end()
        assert (cut >= whole) is decoder.complete is out.endswith(sse.DONE), cut
        assert decoder.complete is (decoder.error is None), cut


@pytest.mark.parametrize(
    ("exception", "status"),
    [
        ("throttlingException", 429),
        ("validationException", 400),
        ("serviceUnavailableException", 503),
        ("internalServerException", 502),
        ("modelStreamErrorException", 502),
    ],
)
def test_an_exception_in_a_stream_has_its_status(exception: str, status: int) -> None:
    failed = frame({"message": "It failed."}, exception_type=exception, message_type="exception")
    with pytest.raises(ProviderError, match="It failed") as caught:
        streamed(delta(0, text="a") + failed)

    assert status == caught.value.status


def test_an_error_without_a_payload_is_quoted() -> None:
    failed = frame(b"", error_code="InternalError", error_message="It failed.", message_type="error")
    with pytest.raises(ProviderError, match="It failed"):
        streamed(failed)


def test_a_body_in_the_streams_place_is_read() -> None:
    chunks = streamed(answer({"text": "hello"}))

    assert "hello" == "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    with pytest.raises(ProviderError, match="too fast"):
        streamed(b'{"message": "too fast"}')


def test_garbage_before_the_end_is_an_error_however_it_comes() -> None:
    """In one piece with the messages before it, or after them."""
    before = SHORT[: -len(event("metadata", usage=USAGE))]
    for cut in (0, len(before)):
        decoder = made().stream(Call(Task.CHAT, {}, b"", stream=True))
        garbage = before + b"no message at all"
        out = decoder.feed(garbage[:cut]) + decoder.feed(garbage[cut:]) + decoder.end()
        assert decoder.error is not None
        assert b"hello" in out


@pytest.mark.parametrize("flipped", [0, 9, 14, 30, 60])
def test_a_message_that_was_changed_on_its_way_is_an_error(flipped: int) -> None:
    raw = bytearray(delta(0, text="hello"))
    raw[flipped] ^= 1
    decoder = made().stream(Call(Task.CHAT, {}, b"", stream=True))
    decoder.feed(bytes(raw))
    decoder.end()

    assert decoder.error is not None


def failed(status: int, kind: str, said: str = "It failed.") -> ProviderError:
    headers = {"x-amzn-errortype": f"{kind}:http://internal.amazon.com/coral/"}
    return made().error(UpstreamResponse(status, headers, json.dumps({"message": said}).encode()))


@pytest.mark.parametrize(
    ("status", "kind", "shown", "error"),
    [
        (429, "ThrottlingException", 429, ErrorKind.RETRYABLE),
        (400, "ValidationException", 400, ErrorKind.NEVER),
        (403, "AccessDeniedException", 502, ErrorKind.NEVER),
        (424, "ModelErrorException", 424, ErrorKind.RETRYABLE),
        (503, "ServiceUnavailableException", 503, ErrorKind.RETRYABLE),
    ],
)
def test_errors(status: int, kind: str, shown: int, error: ErrorKind) -> None:
    found = failed(status, kind)

    assert (shown, error) == (found.status, found.kind)


def test_a_prompt_that_is_too_long_is_known() -> None:
    found = failed(400, "ValidationException", "Input is too long for requested model.")

    assert ErrorKind.CONTEXT_LENGTH is found.kind


def test_embeddings_of_titan_and_cohere() -> None:
    titan = made("amazon.titan-embed-text-v2:0", Task.EMBEDDINGS)
    cohere = made("cohere.embed-v4:0", Task.EMBEDDINGS)
    one = titan.request(Call(Task.EMBEDDINGS, {"input": "a", "dimensions": 256}, b""))
    two = cohere.request(Call(Task.EMBEDDINGS, {"input": ["a", "b"]}, b""))

    assert one.url.endswith("/model/amazon.titan-embed-text-v2%3A0/invoke")
    assert {"inputText": "a", "dimensions": 256} == json.loads(one.body)
    assert {"texts": ["a", "b"], "input_type": "search_document"} == json.loads(two.body)
    call = Call(Task.EMBEDDINGS, {"input": ["a", "b"]}, b"")
    for vectors in ([[1, 0.5]], {"float": [[1, 0.5]]}):
        raw = json.dumps({"embeddings": vectors}).encode()
        data = json.loads(cohere.response(call, UpstreamResponse(200, {}, raw)).body)["data"]
        assert [1, 0.5] == data[0]["embedding"]
    with pytest.raises(PayloadError, match="one text at a time"):
        titan.request(call)
