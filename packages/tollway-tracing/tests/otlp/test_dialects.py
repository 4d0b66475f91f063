"""What a receiver reads is made of our attributes at export, in both formats; ours are sent too."""

import json

import pytest
from hypothesis import given
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from support.otlp_spans import ANYTHING, ATTRIBUTES, ended_span, make, parse
from tollway.tracing.otlp import Encoder, ProtobufEncoder
from tollway.tracing.semconv.dialects import DIALECTS

CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4",
    "gen_ai.response.model": "gpt-4-0613",
    "gen_ai.request.temperature": 0.5,
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 10,
    "gen_ai.usage.cache_read.input_tokens": 40,
    "gen_ai.usage.reasoning.output_tokens": 4,
    "gen_ai.usage.cost": 0.25,
    "gen_ai.conversation.id": "s1",
    "enduser.id": "u1",
    "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"hi"}]}]',
    "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"so"},'
    '{"type":"tool_call","id":"c1","name":"add","arguments":{"a":1}}]}]',
}
TOOL = {
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "add",
    "tollway.inputs": '{"a":1}',
    "tollway.outputs": "2",
}


def added(dialect, attributes):
    """Return what a dialect adds; it takes nothing away."""
    said = DIALECTS[dialect](attributes)
    assert attributes == {name: said[name] for name in attributes}
    return {name: value for name, value in said.items() if name not in attributes}


class TestGenAI:
    def test_a_tools_arguments_and_result_have_the_conventions_names(self):
        wanted = {"gen_ai.tool.call.arguments": '{"a":1}', "gen_ai.tool.call.result": "2"}
        assert wanted == added("genai", TOOL)

    @pytest.mark.parametrize(
        ("inputs", "messages"),
        [
            ('"hi"', [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]),
            (
                '{"messages":[{"role":"system","content":"brief"}]}',
                [{"role": "system", "parts": [{"type": "text", "content": "brief"}]}],
            ),
            ('{"q":1}', [{"role": "user", "parts": [{"type": "text", "content": '{"q":1}'}]}]),
        ],
    )
    def test_a_chats_inputs_are_messages(self, inputs, messages):
        said = added("genai", {"gen_ai.operation.name": "chat", "tollway.inputs": inputs})
        assert messages == json.loads(said["gen_ai.input.messages"])

    def test_a_span_that_has_neither_is_left_as_it_is(self):
        assert CHAT is DIALECTS["genai"](CHAT)


def test_phoenix_reads_kind_messages_tokens_session_and_user():
    said = added("openinference", CHAT)
    assert {
        "openinference.span.kind": "LLM",
        "llm.model_name": "gpt-4-0613",
        "llm.provider": "openai",
        "llm.token_count.prompt": 100,
        "llm.token_count.completion": 10,
        "llm.token_count.total": 110,
        "llm.token_count.prompt_details.cache_read": 40,
        "llm.token_count.completion_details.reasoning": 4,
        "llm.cost.total": 0.25,
        "session.id": "s1",
        "user.id": "u1",
        "input.value": CHAT["gen_ai.input.messages"],
        "input.mime_type": "application/json",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": "hi",
        "llm.output_messages.0.message.content": "so",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "add",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"a":1}',
    }.items() <= said.items()
    assert {"temperature": 0.5} == json.loads(said["llm.invocation_parameters"])


@pytest.mark.parametrize(
    ("attributes", "openinference", "mlflow", "langfuse"),
    [
        ({"gen_ai.operation.name": "chat"}, "LLM", "CHAT_MODEL", "generation"),
        ({"gen_ai.operation.name": "text_completion"}, "LLM", "LLM", "generation"),
        ({"gen_ai.operation.name": "embeddings"}, "EMBEDDING", "EMBEDDING", "embedding"),
        ({"gen_ai.operation.name": "execute_tool"}, "TOOL", "TOOL", "tool"),
        ({"gen_ai.operation.name": "invoke_agent"}, "AGENT", "AGENT", "agent"),
        ({"gen_ai.operation.name": "retrieval"}, "RETRIEVER", "RETRIEVER", "retriever"),
        ({"tollway.kind": "chain"}, "CHAIN", "CHAIN", "chain"),
        ({"tollway.kind": "guardrail"}, "GUARDRAIL", "GUARDRAIL", "guardrail"),
        ({"tollway.kind": "anything"}, "CHAIN", "UNKNOWN", "span"),
        ({}, "CHAIN", "UNKNOWN", "span"),
    ],
)
def test_every_kind_has_each_tools_word(attributes, openinference, mlflow, langfuse):
    assert openinference == added("openinference", attributes)["openinference.span.kind"]
    assert mlflow == json.loads(added("mlflow", attributes)["mlflow.spanType"])
    assert langfuse == added("langfuse", attributes)["langfuse.observation.type"]


def test_mlflow_reads_inputs_outputs_and_usage_as_json():
    said = added("mlflow", TOOL)
    assert ('{"a":1}', "2") == (said["mlflow.spanInputs"], said["mlflow.spanOutputs"])
    assert {
        "input_tokens": 100,
        "output_tokens": 10,
        "total_tokens": 110,
        "cache_read_input_tokens": 40,
    } == json.loads(added("mlflow", CHAT)["mlflow.chat.tokenUsage"])


def test_langfuse_adds_up_counts_that_are_no_parts_of_each_other():
    said = added("langfuse", CHAT)
    assert {"input": 60, "input_cached_tokens": 40, "output": 6, "output_reasoning_tokens": 4} == json.loads(
        said["langfuse.observation.usage_details"]
    )
    assert ("s1", "u1", "gpt-4-0613") == (
        said["langfuse.session.id"],
        said["langfuse.user.id"],
        said["langfuse.observation.model.name"],
    )


@pytest.mark.parametrize("dialect", DIALECTS)
def test_earlier_names_are_read(dialect):
    """Of libraries that follow older conventions."""
    old = {
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "openai",
        "gen_ai.usage.prompt_tokens": 3,
        "gen_ai.usage.completion_tokens": 4,
    }
    said = {str(value) for value in DIALECTS[dialect](old).values()}
    wanted = {
        "genai": "3",
        "openinference": "7",
        "mlflow": '{"input_tokens":3,"output_tokens":4,"total_tokens":7}',
        "langfuse": '{"input":3,"output":4}',
    }
    assert wanted[dialect] in said


@pytest.mark.parametrize("dialect", DIALECTS)
@given(attributes=ATTRIBUTES)
def test_both_formats_say_the_same_of_our_spans(dialect, attributes):
    span = ended_span("s", {**TOOL, **attributes})
    translate = DIALECTS[dialect]
    data = TracesData.FromString(ProtobufEncoder(translate).traces_data([span]))
    assert parse(Encoder(translate).traces_data([span])) == data


@pytest.mark.parametrize("dialect", DIALECTS)
@given(attributes=ANYTHING)
def test_no_value_is_trouble(dialect, attributes):
    """Whatever stands in the attributes that a dialect reads: the span is sent."""
    odd = {**dict.fromkeys(CHAT, attributes), "tollway.inputs": attributes, "tollway.kind": attributes}
    for found in (odd, {**odd, "gen_ai.operation.name": "chat"}):
        data = TracesData.FromString(ProtobufEncoder(DIALECTS[dialect]).traces_data([make(found)]))
        assert 1 == len(data.resource_spans)
        assert 1 == len(data.resource_spans[0].scope_spans[0].spans)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_records_and_spans_of_others_are_translated_too(dialect):
    """Spans that came as OTLP, and the SDK's own, say what ours do."""
    encoder = ProtobufEncoder(DIALECTS[dialect])
    foreign = make(TOOL)
    (record,) = Encoder().records([foreign])
    assert TracesData.FromString(encoder.traces_data([foreign])) == TracesData.FromString(
        encoder.traces_data([record])
    )
