import json
from typing import Any, ClassVar

import pytest

from tollway.provider import (
    Call,
    PayloadError,
    ProviderError,
    ResponseError,
    Target,
    Task,
    UpstreamResponse,
    discovery,
    sse,
    with_defaults,
)
from tollway.provider.testing import OPENAI_ANSWERS, ProviderContract
from tollway.providers.mlflow_model_serving import MLflowModelServingProvider

URL = "http://127.0.0.1:5000"
CHAT = {"messages": [{"role": "user", "content": "hello"}]}


def predicted(answer: bytes) -> bytes:
    return b'{"predictions": [%b]}' % answer


class TestContract(ProviderContract):
    provider = MLflowModelServingProvider
    config: ClassVar[Any] = {"model_server_url": URL}
    answers: ClassVar[Any] = {task: predicted(answer) for task, answer in OPENAI_ANSWERS.items()}
    streams: ClassVar[Any] = answers

    def test_a_stream_that_was_cut_is_never_passed_off_as_finished(self) -> None:
        """Its bytes are one JSON object, which is whole with its last brace alone."""
        for task in self.tasks(stream=True):
            for cut in range(len(self.streams[task])):
                decoder = make(task).stream(self.call(task, stream=True))
                assert b"" == decoder.feed(self.streams[task][:cut]) + decoder.end()
                assert decoder.error is not None
                assert not decoder.complete

    def test_garbage_in_a_stream_is_an_error(self) -> None:
        """What is not JSON is no answer, whatever is in it."""
        for task in self.tasks(stream=True):
            decoder = make(task).stream(self.call(task, stream=True))
            assert b"" == decoder.feed(self.streams[task] + b"{") + decoder.end()
            assert isinstance(decoder.error, ResponseError)


class TestContractWithWholeRequests(TestContract):
    config: ClassVar[Any] = {"model_server_url": URL, "model_server_input": "openai"}
    answers: ClassVar[Any] = OPENAI_ANSWERS
    streams: ClassVar[Any] = answers


def make(task: Task = Task.CHAT, **config: Any) -> MLflowModelServingProvider:
    settings = with_defaults(MLflowModelServingProvider.settings, {"model_server_url": URL, **config})
    return MLflowModelServingProvider(Target("e", task, "m", settings))


def asked(payload: dict[str, Any], task: Task = Task.CHAT, **config: Any) -> Any:
    return json.loads(make(task, **config).request(Call(task, payload, b"")).body)


def answered(body: Any, task: Task = Task.CHAT, payload: dict[str, Any] | None = None) -> Any:
    response = UpstreamResponse(200, {}, json.dumps(body).encode())
    return json.loads(make(task).response(Call(task, payload or {}, b""), response).body)


def test_it_is_what_the_name_means() -> None:
    assert MLflowModelServingProvider is discovery.load("MLflow_Model_Serving")


@pytest.mark.parametrize("url", ["http://models:5000/", "http://models:5000"])
def test_every_task_has_one_address(url: str) -> None:
    urls = {make(task, model_server_url=url).url_of(task) for task in Task}
    assert {"http://models:5000/invocations"} == urls


def test_the_query_of_its_url_stays() -> None:
    assert "http://models/invocations?a=b" == make(model_server_url="http://models/?a=b").url_of(Task.CHAT)


@pytest.mark.parametrize("url", ["models:5000", "ftp://models", "http://", "http://models/#a"])
def test_what_is_no_url_is_refused(url: str) -> None:
    problems = list(MLflowModelServingProvider.check({"model_server_url": url}, Task.CHAT))
    assert ["model_server_url is not a base URL"] == [problem.message for problem in problems]


def test_texts_are_inputs_and_the_rest_are_params() -> None:
    """As MLflow's own gateway asks; what the request says to the gateway stays with it."""
    more = {"model": "e", "stream": True, "stream_options": {"include_usage": True}}
    settings = {"temperature": 0.5, "max_tokens": 3, "stop": None}
    params = {"temperature": 0.5, "max_tokens": 3}

    assert {"inputs": ["hello"], "params": params} == asked({**CHAT, **more, **settings})
    assert {"inputs": ["a"]} == asked({"prompt": "a", **more}, Task.COMPLETIONS)
    assert {"inputs": ["a", "b"]} == asked({"prompt": ["a", "b"]}, Task.COMPLETIONS)
    assert {"inputs": ["a"]} == asked({"input": "a", "encoding_format": "base64"}, Task.EMBEDDINGS)


def test_the_text_of_parts_is_one_text() -> None:
    parts = [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]
    assert {"inputs": ["hello"]} == asked({"messages": [{"role": "user", "content": parts}]})


IMAGE = {"type": "image_url", "image_url": {"url": "https://a/b.png"}}


@pytest.mark.parametrize(
    ("payload", "task"),
    [
        ({}, Task.CHAT),
        ({"messages": []}, Task.CHAT),
        ({"messages": ["hello"]}, Task.CHAT),
        ({"messages": [{"role": "user"}]}, Task.CHAT),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, Task.CHAT),
        ({"messages": CHAT["messages"] * 2}, Task.CHAT),
        ({"prompt": [1, 2]}, Task.COMPLETIONS),
        ({"input": [[1, 2]]}, Task.EMBEDDINGS),
        ({"input": []}, Task.EMBEDDINGS),
    ],
)
def test_what_a_model_of_texts_cannot_be_asked_is_refused(payload: dict[str, Any], task: Task) -> None:
    with pytest.raises(PayloadError):
        asked(payload, task)


def test_a_model_of_conversations_gets_the_whole_request() -> None:
    """With `model_server_input: openai`; only what the request says to the gateway stays with it."""
    payload = {"messages": CHAT["messages"] * 3, "temperature": 1}
    assert payload == asked({"model": "e", "stream": True, **payload}, model_server_input="openai")


OPENAI = {"choices": [{"message": {"role": "assistant", "content": "hi"}, "finish_reason": "length"}]}


@pytest.mark.parametrize(
    "body",
    [
        {"predictions": ["hi"]},
        {"predictions": "hi"},
        {"predictions": [["hi"]]},
        {"predictions": [{"0": "hi"}]},
        {"predictions": {"candidates": ["hi"]}},
        {"predictions": {"choices": ["hi"]}},
        {"predictions": [{"content": "hi"}]},
        {"predictions": [{"message": {"role": "assistant", "content": "hi"}}]},
        {"predictions": OPENAI},
        {"predictions": [OPENAI]},
        OPENAI,
    ],
)
def test_an_answer_is_read_in_every_usual_shape(body: Any) -> None:
    answer = answered(body)

    assert ["hi"] == [choice["message"]["content"] for choice in answer["choices"]]
    assert ("chat.completion", "m") == (answer["object"], answer["model"])
    assert answer["id"].startswith("chatcmpl-")


def test_each_prompt_has_a_choice() -> None:
    answer = answered({"predictions": ["one", "two"]}, Task.COMPLETIONS)
    assert [(0, "one"), (1, "two")] == [(choice["index"], choice["text"]) for choice in answer["choices"]]


@pytest.mark.parametrize(
    "body",
    [
        {"predictions": [[1, 2.5]]},
        {"predictions": [1, 2.5]},
        {"predictions": {"embeddings": [[1, 2.5]]}},
        {"predictions": {"data": [{"embedding": [1, 2.5]}]}},
        {"data": [{"embedding": [1, 2.5]}]},
    ],
)
def test_vectors_are_read_in_every_usual_shape(body: Any) -> None:
    answer = answered(body, Task.EMBEDDINGS)
    assert [(0, [1, 2.5])] == [(one["index"], one["embedding"]) for one in answer["data"]]


def test_vectors_are_packed_for_those_who_ask() -> None:
    answer = answered({"predictions": [[1.0]]}, Task.EMBEDDINGS, {"encoding_format": "base64"})
    assert "AACAPw==" == answer["data"][0]["embedding"]


@pytest.mark.parametrize("body", [{}, {"outputs": ["hi"]}, ["hi"], [{"0": "hi"}], {"choices": "hi"}, "hi"])
def test_an_answer_without_predictions_is_an_error(body: Any) -> None:
    """Whatever else is in it: the protocol has one place for what the model said."""
    with pytest.raises(ResponseError):
        answered(body)


@pytest.mark.parametrize("body", [["hi"], [{"0": "hi"}], {"predictions": ["hi"]}])
def test_a_request_that_came_whole_is_answered_bare(body: Any) -> None:
    """MLflow wraps what a model returns only for requests in its own words."""
    provider = make(Task.CHAT, model_server_input="openai")
    response = UpstreamResponse(200, {}, json.dumps(body).encode())
    answer = json.loads(provider.response(Call(Task.CHAT, {}, b""), response).body)
    assert "hi" == answer["choices"][0]["message"]["content"]


@pytest.mark.parametrize("body", [{"predictions": []}, {"predictions": [3]}, {"predictions": {"a": 1}}, 3])
def test_what_cannot_be_read_is_an_error(body: Any) -> None:
    with pytest.raises(ResponseError):
        answered(body)


def test_a_stream_is_the_whole_answer_as_a_stream() -> None:
    """Text, finish and `[DONE]`, as of a model that streams."""
    decoder = make().stream(Call(Task.CHAT, CHAT, b"", stream=True))

    assert b"" == decoder.feed(b'{"predictions": ["h')
    assert b"" == decoder.feed(b'i"]}')
    *events, done = [event.data or b"" for event in sse.Parser().feed(decoder.end())]
    assert b"[DONE]" == done
    (choice,) = [choice for event in events for choice in json.loads(event)["choices"]]
    assert ("hi", "stop") == (choice["delta"]["content"], choice["finish_reason"])
    assert ("stop",) == decoder.info.finish_reasons


def test_an_answer_beyond_all_measure_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 8)
    decoder = make().stream(Call(Task.CHAT, CHAT, b"", stream=True))

    assert b"" == decoder.feed(b'{"predictions": ["hi"]}') + decoder.end()
    assert decoder.error is not None


def test_an_error_says_mlflows_words_and_no_stack_trace() -> None:
    body = {"error_code": "BAD_REQUEST", "message": "no such column", "stack_trace": "Traceback"}
    error = make().error(UpstreamResponse(400, {}, json.dumps(body).encode()))

    assert (400, "BAD_REQUEST", "no such column") == (error.status, error.code, error.message)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error_code": "BAD_REQUEST", "message": "no such column", "stack_trace": "Traceback"}, 400),
        ({"error": {"message": "no such column", "code": 422}}, 422),
        ({"detail": "no such column"}, 502),
        ("no such column", 502),
    ],
)
def test_an_error_under_a_200_has_the_status_that_it_says(body: Any, status: int) -> None:
    """A whole answer and a stream say the same."""
    with pytest.raises(ProviderError, match="no such column") as caught:
        answered(body)
    decoder = make().stream(Call(Task.CHAT, CHAT, b"", stream=True))
    decoder.feed(json.dumps(body).encode())
    decoder.end()

    assert decoder.error is not None
    assert [status, status] == [caught.value.status, decoder.error.status]


def test_an_error_page_under_a_200_is_quoted() -> None:
    page = UpstreamResponse(200, {}, b"<title>Sign in</title>")
    with pytest.raises(ResponseError, match="Sign in"):
        make().response(Call(Task.CHAT, CHAT, b""), page)
