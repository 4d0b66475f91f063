"""OpenAI's Responses API over models of every dialect, called by the `openai` SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from support import anthropic_stub
from support.anthropic_stub import AnthropicStub
from support.chat_stub import script as chat_script
from support.serving import Gateway, endpoint
from support.upstream import Exchange, Upstream

WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "recorded",
    "output": [
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Hello.", "annotations": []}],
        }
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
}
ODD = 100000000000000000001


def script(exchange: Exchange) -> None:
    """Answer by both of OpenAI's APIs."""
    if not exchange.path.startswith("/v1/responses"):
        chat_script(exchange)
        return
    if not json.loads(exchange.body).get("stream"):
        exchange.answer(RESPONSE)
        return
    exchange.begin_stream()
    begun = {**RESPONSE, "status": "in_progress", "output": []}
    delta = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "Hello.", "logprobs": []}
    events = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_text.delta", **delta},
        {"type": "response.completed", "response": RESPONSE},
    ]
    for number, event in enumerate(events):
        exchange.event({**event, "sequence_number": number})
    exchange.send(b"0\r\n\r\n")


@pytest.fixture(scope="module")
def openais() -> Iterator[Upstream]:
    stub = Upstream(script)
    yield stub
    stub.close()


@pytest.fixture(scope="module")
def claude() -> Iterator[AnthropicStub]:
    stub = AnthropicStub()
    yield stub
    stub.close()


@pytest.fixture(scope="module")
def gateway(start_gateway: Any, openais: Upstream, claude: AnthropicStub, llm: Any) -> Gateway:
    remote = {"openai_api_key": "k", "openai_api_base": f"{openais.url}/v1"}
    native = {"anthropic_api_key": anthropic_stub.KEY, "anthropic_api_base": claude.url}
    return start_gateway(
        {
            "endpoints": [
                endpoint("native", "openai", "m", openai_responses=True, **remote),
                endpoint("chat", "openai", "m", **remote),
                endpoint("claude", "anthropic", "claude-sonnet-5", **native),
                endpoint("real", "openai", llm.model, openai_api_key="k", openai_api_base=llm.url),
                endpoint("embedded", "local", "smollm2-135m-instruct"),
            ]
        }
    )


@pytest.fixture
def client(gateway: Gateway) -> openai.OpenAI:
    return gateway.openai()


def asked(openais: Upstream) -> Any:
    """Return what the upstream was asked last."""
    exchange = openais.requests.get_nowait()
    while not openais.requests.empty():
        exchange = openais.requests.get_nowait()
    return json.loads(exchange.body)


def test_bytes_pass_where_the_service_has_the_api(gateway: Gateway, openais: Upstream):
    """A number beyond 64 bits and an unknown field are as they were."""
    body = b'{"input":"Hi", "model":"native" ,"x_odd":%d}' % ODD
    answer = gateway.client.post("/v1/responses", content=body)
    exchange = openais.requests.get_nowait()

    assert RESPONSE == answer.json()
    assert body.replace(b'"native"', b'"m"') == exchange.body


@pytest.mark.parametrize("model", ["native", "chat", "claude"])
def test_an_answer_whole_and_streamed(client: openai.OpenAI, model: str):
    whole = client.responses.create(model=model, input="Hi", instructions="Be short.")
    events = list(client.responses.create(model=model, input="Hi", stream=True))
    last: Any = events[-1]

    assert ["Hello."] * 2 == [answer.output_text for answer in (whole, last.response)]
    assert "Hello." == "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert list(range(len(events))) == [event.sequence_number for event in events]
    assert whole.usage is not None
    assert whole.usage.total_tokens == last.response.usage.total_tokens > 0


def test_a_tool_is_called_and_its_output_goes_back(client: openai.OpenAI, openais: Upstream):
    """The conversation so far is kept under the answer's id."""
    reasoning: Any = {"effort": "low"}
    first = client.responses.create(model="chat", input="Weather?", tools=[WEATHER], reasoning=reasoning)
    output: Any = {"type": "function_call_output", "call_id": "call_1", "output": "Rain."}
    client.responses.create(model="chat", input=[output], previous_response_id=first.id)
    said = asked(openais)["messages"]

    assert ["reasoning", "message", "function_call"] == [item.type for item in first.output]
    assert ["user", "assistant", "tool"] == [message["role"] for message in said]
    assert "call_1" == said[1]["tool_calls"][0]["id"] == said[2]["tool_call_id"]


def test_a_streamed_call_of_a_tool(client: openai.OpenAI):
    with client.responses.stream(model="chat", input="Weather?", tools=[WEATHER]) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()

    assert '{"city": "Linz"}' == final.output[1].arguments  # type: ignore[union-attr]  # one of a union
    assert "response.function_call_arguments.done" in kinds
    assert "response.completed" == kinds[-1]


def test_a_custom_tool_takes_text(client: openai.OpenAI):
    """As the patches of a coding agent: chat has functions alone, whose one argument holds the text."""
    tool: Any = {"type": "custom", "name": "weather", "description": "Tells the weather."}
    answer = client.responses.create(model="chat", input="Weather?", tools=[tool])

    assert ("custom_tool_call", '{"city": "Linz"}') == (answer.output[1].type, answer.output[1].input)  # type: ignore[union-attr]  # one of a union


def test_an_id_that_nobody_keeps(client: openai.OpenAI):
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="chat", input="Hi", previous_response_id="resp_unknown")

    assert ("previous_response_not_found", "previous_response_id") == (
        refused.value.code,
        refused.value.param,
    )


def test_a_conversation_moves_to_the_service_that_keeps_its_own(client: openai.OpenAI, openais: Upstream):
    """What is kept here is sent along, for the service knows nothing of it."""
    first = client.responses.create(model="claude", input="Hi")
    client.responses.create(model="native", input="And?", previous_response_id=first.id)
    said = asked(openais)

    assert "previous_response_id" not in said
    assert ["user", "assistant", "user"] == [item["role"] for item in said["input"]]


def test_structured_output(client: openai.OpenAI, openais: Upstream):
    wanted: Any = {
        "format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}
    }
    client.responses.create(model="chat", input="Hi", text=wanted)

    schema = {"name": "n", "schema": {"type": "object"}, "strict": True}
    assert {"type": "json_schema", "json_schema": schema} == asked(openais)["response_format"]


@pytest.mark.parametrize("field", ["background", "conversation"])
def test_what_a_model_cannot_be_told_is_a_400_that_names_it(client: openai.OpenAI, field: str):
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="chat", input="Hi", extra_body={field: True})

    assert field == refused.value.param


@pytest.mark.parametrize("model", ["real", "embedded"])
def test_real_models(client: openai.OpenAI, model: str):
    whole = client.responses.create(model=model, input="What is a toll road?", max_output_tokens=16)
    stream = client.responses.create(model=model, input="Hi", max_output_tokens=16, stream=True)
    last: Any = list(stream)[-1]

    assert whole.output_text
    assert last.response.output_text
    assert last.type in ("response.completed", "response.incomplete")
