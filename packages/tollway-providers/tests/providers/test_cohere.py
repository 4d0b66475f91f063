"""Cohere's wire, written after https://docs.cohere.com/reference/chat, its guide to streams, and embed."""

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
from tollway.providers.cohere import CohereProvider

KEY = "a-long-and-secret-key"
HI = {"role": "user", "content": "hi"}
USAGE = {
    "billed_units": {"input_tokens": 5, "output_tokens": 7},
    "tokens": {"input_tokens": 71, "output_tokens": 9},
    "cached_tokens": 4,
}
CITED = {"start": 0, "end": 5, "text": "Hello", "sources": [{"type": "tool", "id": "c1:0"}]}


def answer(*content: Any, finish: str = "COMPLETE", **message: Any) -> bytes:
    said = {"role": "assistant", "content": list(content), **message}
    return json.dumps({"id": "a-1", "finish_reason": finish, "message": said, "usage": USAGE}).encode()


def event(kind: str, **more: Any) -> bytes:
    return sse.event(json.dumps({"type": kind, **more}).encode(), kind.encode())


def says(kind: str, index: int = 0, **message: Any) -> bytes:
    return event(kind, index=index, delta={"message": message})


def end(finish: str = "COMPLETE", **more: Any) -> bytes:
    return event("message-end", id="a-1", delta={"finish_reason": finish, "usage": USAGE, **more})


START = event("message-start", id="a-1", delta={"message": {"role": "assistant", "content": []}})
WHOLE = answer({"type": "text", "text": "hello"})
SHORT = START + says("content-delta", content={"text": "hello"}) + end()
STREAM = b"".join(
    [
        START,
        says("content-start", content={"type": "thinking", "thinking": ""}),
        says("content-delta", content={"thinking": "Let me see"}),
        event("content-end", index=0),
        says("content-start", 1, content={"type": "text", "text": ""}),
        says("content-delta", 1, content={"text": "Grü"}),
        says("content-delta", 1, content={"text": "ße"}),
        says("citation-start", 0, citations=CITED),
        event("citation-end", index=0),
        says("tool-plan-delta", tool_plan="I will look."),
        says("tool-call-start", 2, tool_calls={"id": "c1", "type": "function", "function": {"name": "f"}}),
        says("tool-call-delta", 2, tool_calls={"function": {"arguments": '{"a"'}}),
        says("tool-call-delta", 2, tool_calls={"function": {"arguments": ": 1}"}}),
        event("tool-call-end", index=2),
        end("TOOL_CALL"),
        sse.DONE,
    ]
)
VECTORS = {"id": "e", "embeddings": {"float": [[0.5, 1]]}, "meta": {"billed_units": {"input_tokens": 2}}}


class TestContract(ProviderContract):
    provider = CohereProvider
    config: ClassVar[Any] = {"cohere_api_key": KEY}
    answers: ClassVar[Any] = {
        Task.CHAT: WHOLE,
        Task.COMPLETIONS: WHOLE,
        Task.EMBEDDINGS: json.dumps(VECTORS).encode(),
    }
    streams: ClassVar[Any] = {Task.CHAT: SHORT, Task.COMPLETIONS: SHORT}


def made(task: Task = Task.CHAT, **config: Any) -> CohereProvider:
    return CohereProvider(Target("e", task, "command-a", {"cohere_api_key": KEY, **config}))


def body(*messages: Any, **payload: Any) -> Any:
    payload = {"model": "e", "messages": list(messages or [HI]), **payload}
    return json.loads(made().request(Call(Task.CHAT, payload, b"")).body)


def asked(**payload: Any) -> Any:
    """Return what a request says beyond its model and message."""
    return {key: value for key, value in body(**payload).items() if key not in ("model", "messages")}


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


@pytest.mark.parametrize("base", [None, "https://api.cohere.com", "https://api.cohere.com/v1/"])
def test_where_it_asks(base: str | None) -> None:
    """MLflow's configs may name version 1."""
    provider = made(**({"cohere_api_base": base} if base else {}))

    assert "https://api.cohere.com/v2/chat" == provider.url_of(Task.CHAT)
    assert "https://api.cohere.com/v2/embed" == provider.url_of(Task.EMBEDDINGS)
    assert (("authorization", f"Bearer {KEY}"),) == provider.headers


def called(id: str, arguments: str) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}}


def test_a_conversation() -> None:
    """What the model thought before its calls is their plan; a cut-off call is wrapped."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}
    said = body(
        {
            "role": "developer",
            "content": [{"type": "text", "text": "be "}, {"type": "text", "text": "brief"}],
        },
        {"role": "user", "content": [{"type": "text", "text": "see"}, picture]},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "I will look.",
            "tool_calls": [called("c1", '{"a": 1}'), called("c2", '{"b":')],
        },
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "one"}]},
        {"role": "assistant", "content": "done"},
    )["messages"]

    assert [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "see"}, picture]},
        {
            "role": "assistant",
            "tool_calls": [called("c1", '{"a": 1}'), called("c2", '{"INVALID_JSON":"{\\"b\\":"}')],
            "tool_plan": "I will look.",
        },
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "assistant", "content": "done"},
    ] == said


def test_how_to_answer() -> None:
    payload = {
        **{"temperature": 0.5, "top_p": 0.5, "top_k": 3, "seed": 1, "max_tokens": 7, "stop": "END"},
        **{"presence_penalty": 0.1, "frequency_penalty": 0.2, "safety_mode": "STRICT"},
        **{"logit_bias": {"1": 1}, "user": "u", "store": False, "parallel_tool_calls": False, "n": 1},
    }

    assert {
        **{"temperature": 0.5, "p": 0.5, "k": 3, "seed": 1, "max_tokens": 7, "stop_sequences": ["END"]},
        **{"presence_penalty": 0.1, "frequency_penalty": 0.2, "safety_mode": "STRICT"},
    } == asked(**payload)


@pytest.mark.parametrize(
    ("choice", "said"),
    [("auto", None), ("required", "REQUIRED"), ("none", "NONE")],
)
def test_which_tool_to_use(choice: str, said: str | None) -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in "fg"]
    answer = asked(tools=tools, tool_choice=choice)

    assert (2, said) == (len(answer["tools"]), answer.get("tool_choice"))


def test_a_tool_that_is_named_is_the_only_one_and_required() -> None:
    """The API has no other way to say it."""
    schema = {"properties": {"a": {"type": "integer"}}}
    tools = [
        {"type": "function", "function": {"name": "f"}},
        {
            "type": "function",
            "function": {"name": "g", "description": "d", "parameters": schema, "strict": True},
        },
    ]
    said = asked(tools=tools, tool_choice={"type": "function", "function": {"name": "g"}})

    function = {"name": "g", "description": "d", "parameters": {"type": "object", **schema}}
    assert [{"type": "function", "function": function}] == said["tools"]
    assert ("REQUIRED", True) == (said["tool_choice"], said["strict_tools"])


def test_structured_output() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}

    assert {"response_format": {"type": "json_object"}} == asked(response_format={"type": "json_object"})
    with_schema = {"type": "json_object", "json_schema": schema}
    assert {"response_format": with_schema} == asked(response_format=wanted)


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({"reasoning_effort": "low"}, {"type": "enabled"}),
        ({"reasoning_effort": "none"}, {"type": "disabled"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 99}}, {"type": "enabled", "token_budget": 99}),
        ({"thinking": {"type": "disabled"}}, {"type": "disabled"}),
    ],
)
def test_how_much_to_think(payload: dict[str, Any], said: dict[str, Any]) -> None:
    assert {"thinking": said} == asked(**payload)


@pytest.mark.parametrize(
    ("payload", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"tools": [], "tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice"),
        ({"messages": [{"role": "system", "content": "s"}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "file"}]}]}, "messages.0.content.0.type"),
        ({"messages": [{"role": "tool", "content": "1"}]}, "messages.0.tool_call_id"),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(payload: dict[str, Any], param: str) -> None:
    with pytest.raises(PayloadError) as caught:
        body(**payload)

    assert param == caught.value.param


def test_a_whole_answer() -> None:
    parts = [{"type": "thinking", "thinking": "Let me see. "}, {"type": "text", "text": "Hello"}]
    more: dict[str, Any] = {
        "tool_plan": "I will look.",
        "tool_calls": [called("c1", "{}")],
        "citations": [CITED],
    }
    said = read(answer(*parts, finish="TOOL_CALL", **more))

    (choice,) = said["choices"]
    message = choice["message"]
    assert ("Hello", "tool_calls") == (message["content"], choice["finish_reason"])
    assert "Let me see. I will look." == message["reasoning_content"]
    assert ([called("c1", "{}")], [CITED]) == (message["tool_calls"], message["citations"])
    assert ("a-1", "command-a") == (said["id"], said["model"])


def test_what_is_billed_counts() -> None:
    """The tokens that Cohere adds are not billed, and the cost is of those that are."""
    usage = read(WHOLE)["usage"]

    assert (5, 7, 12) == (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"])
    assert 4 == usage["prompt_tokens_details"]["cached_tokens"]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("COMPLETE", "stop"),
        ("STOP_SEQUENCE", "stop"),
        ("MAX_TOKENS", "length"),
        ("TOOL_CALL", "tool_calls"),
        ("ERROR_TOXIC", "content_filter"),
        ("SOMETHING_NEW", "stop"),
    ],
)
def test_why_it_stopped(reason: str, finish: str) -> None:
    assert finish == read(answer(finish=reason))["choices"][0]["finish_reason"]
    assert finish == streamed(START + end(reason))[-1]["choices"][0]["finish_reason"]


@pytest.mark.parametrize("reason", ["ERROR", "TIMEOUT"])
def test_a_broken_answer_is_an_error_whole_and_streamed(reason: str) -> None:
    with pytest.raises(ProviderError) as whole:
        read(answer(finish=reason))
    with pytest.raises(ProviderError, match="it fell over") as in_stream:
        streamed(SHORT.replace(end(), end(reason, error="it fell over")))

    for error in (whole.value, in_stream.value):
        assert (502, ErrorKind.RETRYABLE) == (error.status, error.kind)


@pytest.mark.parametrize("raw", [b"{}", b'{"message": {}}', b'{"finish_reason": "COMPLETE"}'])
def test_what_is_no_answer_is_an_error(raw: bytes) -> None:
    with pytest.raises(ResponseError):
        read(raw)


def test_a_stream_adds_up() -> None:
    chunks = streamed(STREAM, stream_options={"include_usage": True})
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]

    assert "Let me seeI will look." == "".join(one.get("reasoning_content", "") for one in deltas)
    assert "Grüße" == "".join(one.get("content") or "" for one in deltas)
    calls = [call for one in deltas for call in one.get("tool_calls", ())]
    assert ("c1", "f", 0) == (calls[0]["id"], calls[0]["function"]["name"], calls[0]["index"])
    assert '{"a": 1}' == "".join(call["function"]["arguments"] for call in calls)
    assert [{"index": 0, **CITED}] == [cited for one in deltas for cited in one.get("citations", ())]
    assert 12 == chunks[-1]["usage"]["total_tokens"]


def test_a_stream_cut_at_any_byte_never_passes_for_an_end() -> None:
    for cut in range(len(STREAM) - len(sse.DONE)):
        decoder = made().stream(Call(Task.CHAT, {}, b"", stream=True))
        out = decoder.feed(STREAM[:cut]) + decoder.end()
        assert decoder.complete is (decoder.error is None) is out.endswith(sse.DONE), cut
        assert not decoder.complete or STREAM[:cut].endswith((b"}", b"}\n")), cut


def test_embeddings() -> None:
    provider = made(Task.EMBEDDINGS)
    call = Call(Task.EMBEDDINGS, {"input": ["a", "b"], "dimensions": 256, "input_type": "search_query"}, b"")

    assert {
        **{"model": "command-a", "texts": ["a", "b"], "input_type": "search_query"},
        **{"embedding_types": ["float"], "output_dimension": 256},
    } == json.loads(provider.request(call).body)
    raw = json.dumps(VECTORS).encode()
    said = json.loads(provider.response(call, UpstreamResponse(200, {}, raw)).body)
    assert ([0.5, 1], 2) == (said["data"][0]["embedding"], said["usage"]["prompt_tokens"])


@pytest.mark.parametrize(
    ("status", "shown"), [(401, 502), (429, 429), (400, 400), (422, 422), (503, 503), (500, 502)]
)
def test_errors(status: int, shown: int) -> None:
    error = made().error(UpstreamResponse(status, {}, b'{"id": "1", "message": "it failed"}'))

    assert shown == error.status
    assert "it failed" in error.message
