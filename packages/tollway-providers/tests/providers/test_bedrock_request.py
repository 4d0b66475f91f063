"""What Bedrock is asked: held to AWS's own description of Converse, and signed as its specification says."""

import functools
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tollway.provider import Call, Dialect, PayloadError, Target, Task, UpstreamResponse
from tollway.provider.dialects import ANTHROPIC_MESSAGES
from tollway.provider.translators import FRONTS, Sources
from tollway.providers.bedrock import BedrockProvider

pytest.importorskip("botocore", reason="needs tollway-providers[aws]")

KEYS = {
    "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "aws_region": "eu-west-1",
}
CLAUDE = "anthropic.claude-sonnet-5-v1:0"
PDF = "data:application/pdf;base64,BB"
HI = {"role": "user", "content": "hi"}


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The signer's time stands still."""
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: datetime(2026, 11, 30, tzinfo=UTC))


def made(model: str = CLAUDE, task: Task = Task.CHAT, **aws: Any) -> BedrockProvider:
    return BedrockProvider(Target("e", task, model, {"aws_config": {**KEYS, **aws}}))


@functools.cache
def shape() -> Any:
    """The input of Converse as AWS's own description of the service has it."""
    from botocore.session import Session

    return Session().get_service_model("bedrock-runtime").operation_model("Converse").input_shape


def with_bytes(value: Any, key: str = "") -> Any:
    """Return a body with the blobs that JSON has as base64."""
    if isinstance(value, dict):
        return {name: with_bytes(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [with_bytes(inner) for inner in value]
    return value.encode() if key in ("bytes", "redactedContent") else value


def body(*messages: Any, model: str = CLAUDE, **payload: Any) -> Any:
    """Return a request's body, which AWS's own validator finds nothing wrong with."""
    from botocore.validate import ParamValidator

    payload = {"model": "e", "messages": list(messages or [HI]), **payload}
    said = json.loads(made(model).request(Call(Task.CHAT, payload, b"")).body)
    report = ParamValidator().validate(with_bytes({"modelId": model, **said}), shape())
    assert not report.has_errors(), report.generate_report()
    return said


def test_where_it_asks_and_how_it_signs() -> None:
    """The colon of a model's name is escaped in the address, and signed as AWS escapes it again."""
    call = {"messages": [HI]}
    whole = made(aws_session_token="session").request(Call(Task.CHAT, call, b""))
    stream = made().request(Call(Task.CHAT, call, b"", stream=True))

    address = "https://bedrock-runtime.eu-west-1.amazonaws.com/model/anthropic.claude-sonnet-5-v1%3A0"
    assert (f"{address}/converse", f"{address}/converse-stream") == (whole.url, stream.url)
    headers = dict(whole.headers)
    assert headers["authorization"].startswith(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261130/eu-west-1/bedrock/aws4_request,"
        " SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature="
    )
    assert ("20261130T000000Z", "session") == (headers["x-amz-date"], headers["x-amz-security-token"])


def test_the_signature_is_that_of_the_specification() -> None:
    """Computed here by hand: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html."""
    import hashlib
    import hmac

    asked = made().request(Call(Task.CHAT, {"messages": [HI]}, b""))
    lines = [
        "POST",
        "/model/anthropic.claude-sonnet-5-v1%253A0/converse",
        "",
        "content-type:application/json",
        "host:bedrock-runtime.eu-west-1.amazonaws.com",
        "x-amz-date:20261130T000000Z",
        "",
        "content-type;host;x-amz-date",
        hashlib.sha256(asked.body).hexdigest(),
    ]
    scope = "20261130/eu-west-1/bedrock/aws4_request"
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n20261130T000000Z\n{scope}\n{digest}"
    key = b"AWS4" + KEYS["aws_secret_access_key"].encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()

    assert dict(asked.headers)["authorization"].endswith(f"Signature={signature}")


def test_a_key_of_bedrocks_is_a_bearer_token() -> None:
    config = {"aws_config": {"aws_bearer_token": "key", "aws_region": "cn-north-1"}}
    asked = BedrockProvider(Target("e", Task.CHAT, "m", config)).request(
        Call(Task.CHAT, {"messages": [HI]}, b"")
    )

    assert "Bearer key" == dict(asked.headers)["authorization"]
    assert asked.url.startswith("https://bedrock-runtime.cn-north-1.amazonaws.com.cn/model/m/")


@pytest.mark.parametrize(
    "aws",
    [
        {"aws_access_key_id": "a"},
        {"aws_region": "eu-west-1", "aws_regoin": "x"},
        {"aws_secret_access_key": "two\nlines", "aws_access_key_id": "a"},
    ],
)
def test_what_is_wrong_with_the_credentials_is_a_problem(aws: dict[str, Any]) -> None:
    assert ["aws_config"] == [
        problem.key for problem in BedrockProvider.check({"aws_config": aws}, Task.CHAT)
    ]


def test_turns_and_the_system() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    said = body(
        {"role": "system", "content": [{"type": "text", "text": "one", "cache_control": mark}]},
        HI,
        HI,
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": " "},
        HI,
    )

    assert [{"text": "one"}, {"cachePoint": {"type": "default", "ttl": "1h"}}] == said["system"]
    assert [("user", 2), ("assistant", 1), ("user", 1)] == [
        (t["role"], len(t["content"])) for t in said["messages"]
    ]


def test_images_and_documents() -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "s3://bucket/a.jpg"}},
        {
            "type": "file",
            "file": {"filename": "Q3_report.v2.pdf", "file_data": "data:application/pdf;base64,BB"},
        },
    ]

    assert [
        {"image": {"format": "png", "source": {"bytes": "AAAA"}}},
        {"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://bucket/a.jpg"}}}},
        {"document": {"format": "pdf", "name": "Q3 report v2", "source": {"bytes": "BB"}}},
    ] == body({"role": "user", "content": parts})["messages"][0]["content"]


def called(id: str, arguments: str) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}}


HISTORY = [
    HI,
    {
        "role": "assistant",
        "content": "let me see",
        "tool_calls": [called("functions.f:0", '{"a": 1}'), called("c2", '{"b":')],
        "thinking_blocks": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "d"},
            {"type": "thinking", "thinking": "unsigned"},
        ],
    },
    {"role": "tool", "tool_call_id": "functions.f:0", "content": "one"},
    {"role": "tool", "tool_call_id": "c2", "content": ""},
]


def test_calls_results_and_thinking() -> None:
    said = body(*HISTORY)["messages"]

    assert [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
        {"reasoningContent": {"redactedContent": "d"}},
        {"text": "let me see"},
        {"toolUse": {"toolUseId": "functions_f_0", "name": "f", "input": {"a": 1}}},
        {"toolUse": {"toolUseId": "c2", "name": "f", "input": {"INVALID_JSON": '{"b":'}}},
    ] == said[1]["content"]
    assert [
        {"toolResult": {"toolUseId": "functions_f_0", "content": [{"text": "one"}]}},
        {"toolResult": {"toolUseId": "c2", "content": [{"text": "(empty)"}]}},
    ] == said[2]["content"]


def test_tools_of_the_history_are_named_where_the_request_has_none() -> None:
    """The API refuses calls in a history without tools."""
    spec = {"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}

    assert {"tools": [spec]} == body(*HISTORY)["toolConfig"]
    assert "toolConfig" not in body(HI)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ("auto", {"auto": {}}),
        ("required", {"any": {}}),
        ({"type": "function", "function": {"name": "f"}}, {"tool": {"name": "f"}}),
    ],
)
def test_tools_and_which_to_use(choice: Any, said: Any) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}
    tool = {"type": "function", "function": {"name": "f", "description": "d", "parameters": schema}}

    config = body(tools=[tool], tool_choice=choice)["toolConfig"]

    assert {"name": "f", "description": "d", "inputSchema": {"json": schema}} == config["tools"][0][
        "toolSpec"
    ]
    assert said == config["toolChoice"]
    assert "toolConfig" not in body(tools=[tool], tool_choice="none")


def test_how_to_answer() -> None:
    """OpenAI's temperatures go from 0 to 2, these from 0 to 1."""
    payload = {
        **{
            "temperature": 1,
            "top_p": 0.5,
            "max_tokens": 9,
            "max_completion_tokens": 7,
            "stop": ["\n", "END"],
        },
        **{"seed": 1, "presence_penalty": 1, "user": "u", "logit_bias": {}, "parallel_tool_calls": False},
        **{"guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"}},
    }
    said = body(**payload)

    expected = {"maxTokens": 7, "temperature": 0.5, "topP": 0.5, "stopSequences": ["END"]}
    assert expected == said["inferenceConfig"]
    assert {"messages", "inferenceConfig", "guardrailConfig"} == set(said)


@pytest.mark.parametrize(
    ("model", "payload", "fields"),
    [
        (CLAUDE, {"top_k": 3}, {"top_k": 3}),
        (CLAUDE, {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        (
            CLAUDE,
            {"reasoning_effort": "minimal"},
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
        ),
        (CLAUDE, {"thinking": {"type": "enabled", "budget_tokens": 1024}}, None),
        ("amazon.nova-2-pro-v1:0", {"top_k": 3}, {"inferenceConfig": {"topK": 3}}),
        (
            "amazon.nova-2-pro-v1:0",
            {"reasoning_effort": "xhigh"},
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
        ),
        ("openai.gpt-oss-120b-1:0", {"reasoning_effort": "low"}, {"reasoning_effort": "low"}),
        ("meta.llama4", {"additionalModelRequestFields": {"a": 1}}, {"a": 1}),
    ],
)
def test_each_family_has_words_of_its_own(model: str, payload: Any, fields: Any) -> None:
    assert (fields or payload) == body(model=model, **payload)["additionalModelRequestFields"]


def test_claude_takes_no_sampling_beside_thinking() -> None:
    """It refuses it, and clients send theirs by habit."""
    said = body(reasoning_effort="high", temperature=1, top_p=0.5, top_k=3, max_tokens=9)

    assert {"maxTokens": 9} == said["inferenceConfig"]
    assert {"thinking", "output_config"} == set(said["additionalModelRequestFields"])
    assert 0.5 == body(reasoning_effort="none", temperature=1)["inferenceConfig"]["temperature"]


def test_a_forced_tool_leaves_claude_no_thinking_but_an_effort() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    said = body(reasoning_effort="high", temperature=1, tools=[tool], tool_choice="required")

    assert {"output_config": {"effort": "high"}} == said["additionalModelRequestFields"]
    assert {"temperature": 0.5} == said["inferenceConfig"]


def test_structured_output() -> None:
    """Schemas are closed, as the API wants them; any object is asked for in words."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "an_a", "schema": schema}}

    form = body(response_format=wanted)["outputConfig"]["textFormat"]
    words = body(response_format={"type": "json_object"})

    assert ("json_schema", "an_a") == (form["type"], form["structure"]["jsonSchema"]["name"])
    closed = {**schema, "additionalProperties": False}
    assert closed == json.loads(form["structure"]["jsonSchema"]["schema"])
    assert "one JSON object" in words["system"][-1]["text"]


@pytest.mark.parametrize(
    ("payload", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"audio": {}, "modalities": ["text", "audio"]}, "modalities"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"temperature": 3}, "temperature"),
        ({"messages": HISTORY, "tools": [], "tool_choice": "none"}, "tool_choice"),
        ({"messages": [{"role": "system", "content": "s"}]}, "messages"),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": "https://a/b.png"}]}
                ]
            },
            "messages.0.content.0.image_url.url",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
            "messages.0.content.0.file.file_data",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
            "messages.0.content.0.type",
        ),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(payload: dict[str, Any], param: str) -> None:
    with pytest.raises(PayloadError) as caught:
        body(**payload)

    assert param == caught.value.param


MARK = {"cache_control": {"type": "ephemeral"}}
POINT = {"cachePoint": {"type": "default"}}
THOUGHT = {"type": "thinking", "thinking": "Let me see", "signature": "sig"}
HIDDEN = {"type": "redacted_thinking", "data": "c2VjcmV0"}
CALLED = {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}


def messages_of(**more: Any) -> Call:
    """Return a request of Anthropic's Messages API as a Claude on Bedrock is asked it."""
    payload = {"model": "e", "max_tokens": 4000, "messages": [HI], **more}
    call = Call(Task.CHAT, payload, json.dumps(payload).encode(), dialect=Dialect(ANTHROPIC_MESSAGES))
    sources = Sources(lambda: "1", lambda: 7)
    return FRONTS[ANTHROPIC_MESSAGES](call, sources, extensions=made().extensions).call


def test_marks_for_the_cache_from_messages():
    """They stand behind what they mark: system, tools, text, and the results of tools."""
    tools = [{"name": "f", "input_schema": {"type": "object"}, **MARK}, {"name": "g", "input_schema": {}}]
    inner = [{"type": "text", "text": "Rain.", **MARK}]
    turns = [
        {"role": "user", "content": [{"type": "text", "text": "Weather?", **MARK}]},
        {"role": "assistant", "content": [CALLED]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": inner}]},
    ]
    marked = [
        *turns[:2],
        {"role": "user", "content": [{**turns[2]["content"][0], "content": "Rain.", **MARK}]},
    ]
    for messages in (turns, marked):
        system = [{"type": "text", "text": "Be brief.", **MARK}]
        call = messages_of(system=system, tools=tools, messages=messages)
        said = json.loads(made().request(call).body)
        assert [{"text": "Be brief."}, POINT] == said["system"]
        assert ["toolSpec", "cachePoint", "toolSpec"] == [
            next(iter(one)) for one in said["toolConfig"]["tools"]
        ]
        assert [{"text": "Weather?"}, POINT] == said["messages"][0]["content"]
        assert POINT == said["messages"][2]["content"][1]
        assert {"text": "Rain."} == said["messages"][2]["content"][0]["toolResult"]["content"][0]


def test_thinking_from_messages():
    """How to think passes in Claude's words, and what it signed goes back as it was."""
    thinking = {"type": "enabled", "budget_tokens": 1024}
    turns = [HI, {"role": "assistant", "content": [THOUGHT, HIDDEN, CALLED]}]
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "Rain."}]}
    said = json.loads(made().request(messages_of(thinking=thinking, messages=[*turns, result])).body)
    assert thinking == said["additionalModelRequestFields"]["thinking"]
    text = {"reasoningText": {"text": "Let me see", "signature": "sig"}}
    assert [{"reasoningContent": text}, {"reasoningContent": {"redactedContent": "c2VjcmV0"}}] == said[
        "messages"
    ][1]["content"][:2]


def test_thinking_of_an_answer_comes_back_signed():
    """Its caller by the Messages API gets the blocks that it has to send again."""
    payload = {"model": "e", "max_tokens": 10, "messages": [HI]}
    call = Call(Task.CHAT, payload, b"{}", dialect=Dialect(ANTHROPIC_MESSAGES))
    translation = FRONTS[ANTHROPIC_MESSAGES](
        call, Sources(lambda: "1", lambda: 7), extensions=made().extensions
    )
    blocks = [
        {"reasoningContent": {"reasoningText": {"text": "Let me see", "signature": "sig"}}},
        {"reasoningContent": {"redactedContent": "c2VjcmV0"}},
        {"text": "Rain."},
    ]
    body = {"output": {"message": {"role": "assistant", "content": blocks}}, "stopReason": "end_turn"}
    answer = made().response(translation.call, UpstreamResponse(200, {}, json.dumps(body).encode()))
    message = json.loads(translation.answering.whole(answer))
    assert [THOUGHT, HIDDEN] == message["content"][:2]
    assert "Rain." == message["content"][2]["text"]


@pytest.mark.parametrize(("model", "reads"), [(CLAUDE, True), ("amazon.nova-pro-v1:0", False)])
def test_only_claude_thinks_in_claudes_words(model: str, reads: bool):
    assert reads is ("thinking" in made(model).extensions)
    assert "cache_control" in made(model).extensions
