"""Claude through the gateway, called by the `openai` SDK; upstream is a stub as strict as the API.

The stub itself is first proven with Anthropic's own SDK, which checks every answer and event by its types.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import anthropic
import openai
import pytest

from support.anthropic_stub import KEY, AnthropicStub, Failure, Reply, Script, hello, text, thinking, tool_use
from support.client import CallingProgram
from support.processes import WAIT_S
from support.serving import Gateway, endpoint
from support.stored import CLIENT, SERVER, attributes

MESSAGES: list[Any] = [{"role": "user", "content": "What is a toll road?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"where": {"anyOf": [{"$ref": "#/$defs/place"}, {"type": "null"}]}},
            "$defs": {"place": {"type": "object", "properties": {"city": {"type": "string"}}}},
        },
    },
}
SONNET = "claude-sonnet-5"


@pytest.fixture(scope="module")
def served() -> Iterator[AnthropicStub]:
    stub = AnthropicStub()
    yield stub
    stub.close()


@pytest.fixture(scope="module")
def gateway(start_gateway: Any, served: AnthropicStub) -> Gateway:
    config = {"anthropic_api_key": KEY, "anthropic_api_base": f"{served.url}/v1"}
    wrong = {**config, "anthropic_api_key": "sk-ant-a-key-that-is-wrong"}
    return start_gateway(
        {
            "endpoints": [
                endpoint("claude", "anthropic", SONNET, **config),
                endpoint("newest", "anthropic", SONNET, anthropic_version="2026-10-21", **config),
                endpoint("wrong-key", "anthropic", SONNET, **wrong),
            ]
        }
    )


@pytest.fixture
def stub(served: AnthropicStub) -> Iterator[Callable[[Script], AnthropicStub]]:
    """Tells the stub what to answer during a test."""
    with ExitStack() as stack:

        def answering(script: Script | Reply | Failure) -> AnthropicStub:
            served.script = script if callable(script) else lambda body: script
            served.requests.queue.clear()
            served.headers.queue.clear()
            return served

        stack.callback(answering, hello)
        yield answering


def sdk(stub: AnthropicStub, key: str = KEY) -> anthropic.Anthropic:
    """Return Anthropic's own client, which refuses what is not of its types."""
    return anthropic.Anthropic(
        base_url=stub.url,
        api_key=key,
        max_retries=0,
        http_client=anthropic.DefaultHttpxClient(timeout=WAIT_S, trust_env=False),
        _strict_response_validation=True,
    )


EVERYTHING = Reply(
    [thinking("Roads cost."), text("Let me look. 🛣"), tool_use("toolu_1", "weather", where={"city": "Bonn"})],
    "tool_use",
    {
        "input_tokens": 5,
        "output_tokens": 7,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 20,
    },
)


def test_the_stub_answers_anthropics_client(stub: Any):
    """A whole message and a stream are of the SDK's types, and say the same."""
    with sdk(stub(EVERYTHING)) as client:
        whole = client.messages.create(model=SONNET, max_tokens=9, messages=MESSAGES)
        with client.messages.stream(model=SONNET, max_tokens=9, messages=MESSAGES) as stream:
            streamed = stream.get_final_message()
    assert EVERYTHING.content == [block.to_dict(exclude_unset=True) for block in whole.content]
    assert [b.to_dict() for b in whole.content] == [
        {key: value for key, value in b.to_dict().items() if key != "parsed_output"} for b in streamed.content
    ]
    assert (whole.stop_reason, whole.usage) == (streamed.stop_reason, streamed.usage)


def test_the_stub_takes_back_its_own_answer(stub: Any):
    """What was answered can be sent again, with the tool's result after it."""
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"}
    with sdk(stub(EVERYTHING)) as client:
        first = client.messages.create(model=SONNET, max_tokens=9, messages=MESSAGES)
        turns = [*MESSAGES, first.to_param(), {"role": "user", "content": [result]}]
        assert "msg_stub" == client.messages.create(model=SONNET, max_tokens=9, messages=turns).id


TOOL_USE = {"role": "assistant", "content": [tool_use("toolu_1", "weather")]}
TOOL = {"name": "weather", "input_schema": {"type": "object"}}


@pytest.mark.parametrize(
    "wrong",
    [
        {"messages": []},
        {"messages": [{"role": "assistant", "content": "hi"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "extra": 1}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"messages": [*MESSAGES, TOOL_USE, *MESSAGES]},
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}]},
        {
            "messages": [
                *MESSAGES,
                {"role": "assistant", "content": [{**thinking("a"), "signature": "forged"}]},
                *MESSAGES,
            ]
        },
        {"max_tokens": None},
        {"max_tokens": 0},
        {"tools": [{"name": "weather"}]},
        {"tools": [{**TOOL, "parameters": {}}]},
        {"tools": [TOOL, TOOL]},
        {"tool_choice": {"type": "auto"}},
        {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "other"}},
        {"tools": [TOOL], "tool_choice": "auto"},
        {"thinking": {"type": "enabled", "budget_tokens": 2048}},
        {"thinking": {"type": "adaptive"}, "tools": [TOOL], "tool_choice": {"type": "any"}},
        {
            "thinking": {"type": "adaptive"},
            "extra_body": {"temperature": 0.5},
            "extra_headers": {"anthropic-version": "2023-06-01"},
        },
        {"extra_body": {"temperature": 0.5}},
        {"extra_body": {"temperature": 1.5}, "extra_headers": {"anthropic-version": "2023-06-01"}},
        {"extra_headers": {"anthropic-version": "2020-01-01"}},
        {"extra_body": {"frequency_penalty": 0}},
        {"extra_body": {"stop": "END"}},
    ],
    ids=repr,
)
def test_the_stub_refuses_what_the_api_refuses(stub: Any, wrong: dict[str, Any]):
    """What is unknown, missing, of another type or against a documented rule is a 400."""
    asked = {"model": SONNET, "max_tokens": 9, "messages": MESSAGES, **wrong}
    with sdk(stub(hello)) as client, pytest.raises(anthropic.BadRequestError):
        client.messages.create(**asked)


def test_the_stub_reports_errors_as_the_api_does(stub: Any):
    """Anthropic's client reads their kinds, before a stream and within it."""
    with sdk(stub(hello), key="wrong") as client, pytest.raises(anthropic.AuthenticationError):
        client.messages.create(model=SONNET, max_tokens=9, messages=MESSAGES)
    overloaded = Failure(529, "overloaded_error", "Overloaded")
    broken = Reply(EVERYTHING.content, break_after=4, breaks=overloaded)
    for script in (overloaded, broken):
        with sdk(stub(script)) as client, pytest.raises(anthropic.APIStatusError) as error:
            list(client.messages.create(model=SONNET, max_tokens=9, messages=MESSAGES, stream=True))
        assert "overloaded_error" in str(error.value.body)


def test_chat(gateway: Gateway, program: CallingProgram, stub: Any):
    """A question goes there and its answer back, in one trace that knows provider, usage and id."""
    asked = stub(EVERYTHING)
    with program.span() as calling:
        answer = gateway.openai().chat.completions.create(
            model="claude",
            messages=[{"role": "developer", "content": "Be brief."}, *MESSAGES],
            temperature=1,
            stop="END",
            user="u-1",
            extra_headers=calling.headers,
        )
    assert ("msg_stub", SONNET) == (answer.id, answer.model)
    assert "Let me look. 🛣" == answer.choices[0].message.content
    assert answer.usage is not None
    assert (125, 7, 132) == (
        answer.usage.prompt_tokens,
        answer.usage.completion_tokens,
        answer.usage.total_tokens,
    )
    assert {
        "model": SONNET,
        "max_tokens": 8192,
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": MESSAGES[0]["content"]}]}],
        "temperature": 0.5,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u-1"},
    } == asked.next_request()
    trace = gateway.trace(calling.trace_id)
    server, client = trace.of_kind(SERVER), trace.of_kind(CLIENT)
    assert (calling.span_id, server["spanId"]) == (server["parentSpanId"], client["parentSpanId"])
    told = attributes(client)
    assert ("anthropic", "125", "7", "msg_stub") == (
        told["gen_ai.provider.name"],
        told["gen_ai.usage.input_tokens"],
        told["gen_ai.usage.output_tokens"],
        told["gen_ai.response.id"],
    )
    assert "req_stub" == told["tollway.upstream.request_id"]
    headers = asked.next_headers()
    assert client["spanId"] in headers["traceparent"]
    assert ("2023-06-01", KEY) == (headers["anthropic-version"], headers["x-api-key"])


def conversation(gateway: Gateway, streamed: bool, messages: list[Any], **more: Any) -> Any:
    """Ask as a program does that uses tools; gives the choice, whichever way it came."""
    chat = gateway.openai().chat.completions
    asked: dict[str, Any] = {"model": "claude", "messages": messages, "tools": [WEATHER], **more}
    if not streamed:
        return chat.create(**asked).choices[0]
    with chat.stream(**asked) as stream:
        return stream.get_final_completion().choices[0]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_tools_round_trip(gateway: Gateway, stub: Any, streamed: bool):
    """Thinking, text and calls come back, go there again as they were, and the results after them."""

    def script(body: dict[str, Any]) -> Reply:
        answered = [block for block in body["messages"][-1]["content"] if block["type"] == "tool_result"]
        if answered:
            return Reply([text(f"{len(answered)} results")])
        calls = [tool_use("toolu_1", "weather", where={"city": "Bonn"}), tool_use("toolu_2", "weather")]
        return Reply([thinking("Roads cost."), text("Let me look."), *calls], "tool_use")

    asked = stub(script)
    first = conversation(gateway, streamed, MESSAGES, parallel_tool_calls=True)
    message = first.message
    assert "tool_calls" == first.finish_reason
    assert ("Let me look.", "Roads cost.") == (message.content, message.reasoning_content)
    calls = [
        (call.id, call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls
    ]
    assert [("toolu_1", "weather", {"where": {"city": "Bonn"}}), ("toolu_2", "weather", {})] == calls

    results = [{"role": "tool", "tool_call_id": call.id, "content": "rain"} for call in message.tool_calls]
    again = [*MESSAGES, message.to_dict(), *results]
    second = conversation(gateway, streamed, again, reasoning_effort="high", tool_choice="auto")
    assert ("stop", "2 results") == (second.finish_reason, second.message.content)
    sent = [asked.next_request(), asked.next_request()]
    schema = WEATHER["function"]["parameters"]
    assert [{"name": "weather", "input_schema": schema}] == sent[0]["tools"]
    assert ["thinking", "text", "tool_use", "tool_use"] == [
        b["type"] for b in sent[1]["messages"][1]["content"]
    ]
    assert ({"type": "adaptive"}, {"effort": "high"}) == (sent[1]["thinking"], sent[1]["output_config"])


PNG = "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize(
    "more",
    [
        {"reasoning_effort": "high"},
        {"extra_body": {"cache_control": {"type": "ephemeral"}}},
        {
            "tool_choice": "auto",
            "temperature": 1,
            "extra_body": {"top_k": 5, "thinking": {"type": "enabled", "budget_tokens": 1024}},
        },
        {"tool_choice": "auto", "temperature": 1, "reasoning_effort": "high"},
    ],
    ids=["effort-and-forced-tool", "cache", "budget", "effort"],
)
def test_everything_that_can_be_asked_is_of_the_apis_types(gateway: Gateway, stub: Any, more: dict[str, Any]):
    """Images, files, cache marks, structured output, sampling: the strict stub refuses none of it."""
    asked = stub(hello)
    parts = [
        {"type": "text", "text": "What is this?", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "image_url", "image_url": {"url": PNG}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "high"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
    ]
    schema = {"type": "object", "properties": {"what": {"type": "string"}}, "additionalProperties": False}
    asking: dict[str, Any] = {
        "model": "claude",
        "messages": [{"role": "user", "content": parts}, {"role": "system", "content": "Be brief."}],
        "max_completion_tokens": 4096,
        "top_p": 0.5,
        "seed": 1,
        "frequency_penalty": 0.5,
        "tools": [WEATHER],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": False,
        "response_format": {"type": "json_schema", "json_schema": {"name": "what", "schema": schema}},
        "extra_body": {"top_k": 5},
    }
    gateway.openai().chat.completions.create(**{**asking, **more})
    body = asked.next_request()
    assert ["text", "image", "image", "document"] == [b["type"] for b in body["messages"][0]["content"]]
    assert {"type": "json_schema", "schema": schema} == body["output_config"]["format"]
    assert body["tool_choice"]["disable_parallel_tool_use"] is True


def test_json_is_what_a_client_gets_who_asks_for_any_object(gateway: Gateway, stub: Any):
    """The API enforces no object of any keys; the input of a tool is one, and the client sees text."""

    def by_tool(body: dict[str, Any]) -> Reply:
        return Reply([tool_use("toolu_1", body["tool_choice"]["name"], toll="1.50")], stop_reason="tool_use")

    stub(by_tool)
    asking: dict[str, Any] = {
        "model": "claude",
        "messages": MESSAGES,
        "response_format": {"type": "json_object"},
    }
    (whole,) = gateway.openai().chat.completions.create(**asking).choices
    with gateway.openai().chat.completions.stream(**asking) as stream:
        (streamed,) = stream.get_final_completion().choices

    for choice in (whole, streamed):
        assert ({"toll": "1.50"}, "stop") == (json.loads(choice.message.content or ""), choice.finish_reason)
        assert not choice.message.tool_calls


def test_a_schema_with_limits_is_taken(gateway: Gateway, stub: Any):
    """As pydantic writes it; the API refuses open objects and limits."""
    asked = stub(hello)
    toll = {
        "type": "object",
        "properties": {"usd": {"type": "number", "minimum": 0, "description": "The toll."}},
    }
    schema = {"type": "object", "properties": {"tolls": {"type": "array", "items": toll, "maxItems": 3}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "tolls", "schema": schema}}

    assert 200 == gateway.chat("claude", response_format=wanted, stop=["\n", "END"]).status_code
    body = asked.next_request()
    assert ["END"] == body["stop_sequences"]
    assert '{"minimum": 0}' in json.dumps(body["output_config"]).replace("\\", "")


def test_the_newest_version_of_the_api_can_be_spoken(gateway: Gateway, stub: Any):
    """It refuses sampling, and is not sent any."""
    asked = stub(hello)
    assert 200 == gateway.chat("newest", temperature=1, top_p=1).status_code
    assert "temperature" not in asked.next_request()
    assert "2026-10-21" == asked.next_headers()["anthropic-version"]


def test_a_stream_comes_in_pieces_and_tells_its_usage(gateway: Gateway, program: CallingProgram, stub: Any):
    """As OpenAI's do: text in several events, then why it stopped, then the usage to those who asked."""
    stub(EVERYTHING)
    with program.span() as calling:
        *events, last = gateway.openai().chat.completions.create(
            model="claude",
            messages=MESSAGES,
            stream=True,
            stream_options={"include_usage": True},
            extra_headers=calling.headers,
        )
    assert 2 == len([event for event in events if event.choices[0].delta.content])
    assert "tool_calls" == events[-1].choices[0].finish_reason
    assert {("msg_stub", SONNET)} == {(event.id, event.model) for event in [*events, last]}
    assert ([], 125) == (last.choices, last.usage.prompt_tokens)
    told = attributes(gateway.trace(calling.trace_id).of_kind(CLIENT))
    assert "125" == told["gen_ai.usage.input_tokens"]
    assert "gen_ai.response.time_to_first_chunk" in told


@pytest.mark.parametrize(
    ("upstream", "kind", "status"),
    [
        (400, "invalid_request_error", 400),
        (401, "authentication_error", 502),
        (429, "rate_limit_error", 429),
        (500, "api_error", 502),
        (529, "overloaded_error", 503),
    ],
)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_an_error_keeps_its_words(
    gateway: Gateway, stub: Any, upstream: int, kind: str, status: int, streamed: bool
):
    """And a status that the caller can act on, also when a stream was asked for."""
    stub(Failure(upstream, kind, "in Anthropic's words", {"retry-after": "7"}))
    with pytest.raises(openai.APIStatusError) as error:
        gateway.openai().chat.completions.create(model="claude", messages=MESSAGES, stream=streamed)
    assert status == error.value.status_code
    assert "in Anthropic's words" in error.value.message


def test_a_wrong_key_is_the_gateways_own_matter(gateway: Gateway, stub: Any):
    """The caller is told that it is wrong, and not what it is."""
    stub(hello)
    answer = gateway.chat("wrong-key")
    assert 502 == answer.status_code
    assert "sk-ant-a-key-that-is-wrong" not in answer.text + gateway.process.output


def test_what_claude_cannot_do_is_a_400(gateway: Gateway, stub: Any):
    """It is refused before anything is sent."""
    asked = stub(hello)
    with pytest.raises(openai.BadRequestError, match="n must be 1"):
        gateway.openai().chat.completions.create(model="claude", messages=MESSAGES, n=2)
    assert asked.requests.empty()


@pytest.mark.parametrize(
    "breaks", [None, Failure(529, "overloaded_error", "Overloaded")], ids=["cut", "with an error"]
)
def test_a_stream_that_breaks_is_an_error(gateway: Gateway, stub: Any, breaks: Failure | None):
    """What came until then is delivered; the end is an error, and never a finish."""
    stub(Reply([text("Hello there.")], break_after=5, breaks=breaks))
    events = gateway.openai().chat.completions.create(model="claude", messages=MESSAGES, stream=True)
    received: list[Any] = []
    with pytest.raises(openai.APIError) as error:
        received.extend(event.choices[0] for event in events)
    assert "Hello there." == "".join(choice.delta.content or "" for choice in received)
    assert {None} == {choice.finish_reason for choice in received}
    expected = "ended before the answer was finished" if breaks is None else "Overloaded"
    assert expected in error.value.message
