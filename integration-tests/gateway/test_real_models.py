"""Real models through the gateway, called by the `openai` SDK; the whole way is one trace on disk."""

from __future__ import annotations

import openai
import pytest

from support.client import CallingProgram, CallingSpan
from support.serving import Gateway, endpoint
from support.stored import CLIENT, SERVER, StoredTrace, attributes

CHAT, COMPLETIONS, EMBEDDINGS = "llm/v1/chat", "llm/v1/completions", "llm/v1/embeddings"
MESSAGES = [{"role": "user", "content": "What is a toll road?"}]
PROVIDERS = {"remote": "openai", "embedded": "local"}


@pytest.fixture(scope="module")
def gateway(start_gateway, llm, mlflow):
    remote = {"openai_api_key": "no-key-needed", "openai_api_base": llm.url}
    return start_gateway(
        {
            "endpoints": [
                endpoint("remote-chat", "openai", llm.model, CHAT, **remote),
                endpoint("remote-text", "openai", llm.model, COMPLETIONS, **remote),
                endpoint("embedded-chat", "local", "smollm2-135m-instruct", CHAT),
                endpoint("embedded-text", "local", "smollm2-135m-instruct", COMPLETIONS),
                endpoint("mlflow-chat", "mlflow-model-serving", "m", CHAT, model_server_url=mlflow.texts),
                endpoint(
                    "mlflow-agent",
                    "mlflow-model-serving",
                    "m",
                    CHAT,
                    model_server_url=mlflow.texts,
                    model_server_input="openai",
                ),
                endpoint(
                    "mlflow-text", "mlflow-model-serving", "m", COMPLETIONS, model_server_url=mlflow.texts
                ),
                endpoint(
                    "mlflow-vec", "mlflow-model-serving", "m", EMBEDDINGS, model_server_url=mlflow.embeddings
                ),
            ]
        }
    )


def assert_one_tree(gateway: Gateway, calling: CallingSpan, provider: str) -> StoredTrace:
    """The SERVER span is under the caller's span, and the CLIENT span is under the SERVER span."""
    trace = gateway.trace(calling.trace_id)
    server, client = trace.of_kind(SERVER), trace.of_kind(CLIENT)
    assert calling.span_id == server["parentSpanId"]
    assert server["spanId"] == client["parentSpanId"]
    assert {calling.trace_id} == {span["traceId"] for span in trace.spans}
    assert provider == attributes(client)["gen_ai.provider.name"]
    return trace


@pytest.mark.parametrize("where", PROVIDERS)
def test_chat(gateway: Gateway, program: CallingProgram, where: str):
    """A whole answer comes back, with its usage, and the usage is on the CLIENT span."""
    with program.span() as calling:
        answer = gateway.openai().chat.completions.create(
            model=f"{where}-chat", messages=MESSAGES, max_tokens=16, extra_headers=calling.headers
        )
    assert answer.choices[0].message.content
    trace = assert_one_tree(gateway, calling, PROVIDERS[where])
    told = attributes(trace.of_kind(CLIENT))
    assert answer.usage is not None
    assert str(answer.usage.prompt_tokens) == told["gen_ai.usage.input_tokens"]
    assert str(answer.usage.completion_tokens) == told["gen_ai.usage.output_tokens"]


@pytest.mark.parametrize("where", PROVIDERS)
def test_streamed_chat(gateway: Gateway, program: CallingProgram, where: str):
    """A stream comes in several events that end with a reason, and its trace is like any other."""
    with program.span() as calling:
        events = list(
            gateway.openai().chat.completions.create(
                model=f"{where}-chat",
                messages=MESSAGES,
                max_tokens=16,
                stream=True,
                extra_headers=calling.headers,
            )
        )
    texts = [event.choices[0].delta.content for event in events if event.choices]
    assert len([text for text in texts if text]) > 1
    assert [event.choices[0].finish_reason for event in events if event.choices][-1] in ("stop", "length")
    trace = assert_one_tree(gateway, calling, PROVIDERS[where])
    assert "gen_ai.response.time_to_first_chunk" in attributes(trace.of_kind(CLIENT))


@pytest.mark.parametrize("where", PROVIDERS)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_completions(gateway: Gateway, program: CallingProgram, where: str, streamed: bool):
    """A prompt is completed, in one piece or in many."""
    with program.span() as calling:
        answer = gateway.openai().completions.create(
            model=f"{where}-text",
            prompt="Once upon a time",
            max_tokens=16,
            stream=streamed,
            extra_headers=calling.headers,
        )
        events = list(answer) if streamed else [answer]
    assert "".join(event.choices[0].text for event in events if event.choices)
    assert streamed == (len(events) > 1)
    assert_one_tree(gateway, calling, PROVIDERS[where])


def test_the_streams_usage_is_that_of_the_whole_answer(gateway: Gateway):
    """Asked for it, a stream tells its usage as OpenAI does: in one last event without choices."""
    *_, last = gateway.openai().chat.completions.create(
        model="embedded-chat",
        messages=MESSAGES,
        max_tokens=4,
        stream=True,
        stream_options={"include_usage": True},
    )
    assert [] == last.choices
    assert last.usage is not None
    assert 4 == last.usage.completion_tokens


def test_mlflow_chat(gateway: Gateway, program: CallingProgram):
    """A real `mlflow models serve` answers a chat."""
    with program.span() as calling:
        answer = gateway.openai().chat.completions.create(
            model="mlflow-chat",
            messages=[{"role": "user", "content": "123456"}],
            extra_headers=calling.headers,
        )
    assert "6 characters" == answer.choices[0].message.content
    assert_one_tree(gateway, calling, "mlflow-model-serving")


def test_mlflow_streamed_chat(gateway: Gateway, program: CallingProgram):
    """MLflow's protocol has no streams: the whole answer comes as one, and says why it stopped."""
    with program.span() as calling:
        events = list(
            gateway.openai().chat.completions.create(
                model="mlflow-chat",
                messages=[{"role": "user", "content": "123456"}],
                stream=True,
                extra_headers=calling.headers,
            )
        )
    assert "6 characters" == "".join(event.choices[0].delta.content or "" for event in events)
    assert "stop" == events[-1].choices[0].finish_reason
    assert_one_tree(gateway, calling, "mlflow-model-serving")


def test_a_conversation_is_too_much_for_a_model_of_texts(gateway: Gateway):
    """It is refused, and the way to serve conversations is told."""
    with pytest.raises(openai.BadRequestError, match="model_server_input: openai"):
        gateway.openai().chat.completions.create(model="mlflow-chat", messages=MESSAGES * 2)


def test_mlflow_takes_a_whole_request(gateway: Gateway):
    """With `model_server_input: openai` its server hands on all of it; this model reads its keys."""
    answer = gateway.openai().chat.completions.create(model="mlflow-agent", messages=MESSAGES * 2)
    assert "8 characters" == answer.choices[0].message.content


def test_mlflow_completions(gateway: Gateway, program: CallingProgram):
    """A real `mlflow models serve` completes a prompt."""
    with program.span() as calling:
        answer = gateway.openai().completions.create(
            model="mlflow-text", prompt="12345", extra_headers=calling.headers
        )
    assert "5 characters" == answer.choices[0].text
    assert_one_tree(gateway, calling, "mlflow-model-serving")


def test_mlflow_embeddings(gateway: Gateway, program: CallingProgram):
    """A real `mlflow models serve` embeds several texts at once."""
    with program.span() as calling:
        answer = gateway.openai().embeddings.create(
            model="mlflow-vec", input=["a b", "c"], encoding_format="float", extra_headers=calling.headers
        )
    assert [[3.0, 2.0], [1.0, 1.0]] == [one.embedding for one in answer.data]
    assert_one_tree(gateway, calling, "mlflow-model-serving")
