import json
from typing import Any, ClassVar

import pytest

from tollway.provider import Call, Target, Task, UpstreamResponse, discovery, with_defaults
from tollway.provider.testing import ProviderContract
from tollway.providers.anthropic import AnthropicProvider

KEY = "sk-ant-a-long-and-secret-key"
USAGE = {"input_tokens": 5, "output_tokens": 2}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-1",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": USAGE,
}


def events(*said: dict[str, Any]) -> bytes:
    """Return events as the API sends them, each named by its type."""
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in said)


START = {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}}
STOP = {"type": "message_stop"}


def delta(index: int, kind: str, **said: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **said}}


def block(index: int, kind: str, *deltas: dict[str, Any], **said: Any) -> list[dict[str, Any]]:
    start = {"type": "content_block_start", "index": index, "content_block": {"type": kind, **said}}
    return [start, *deltas, {"type": "content_block_stop", "index": index}]


def finish(stop_reason: str = "end_turn", **more: Any) -> dict[str, Any]:
    changed = {"stop_reason": stop_reason, "stop_sequence": None, **more}
    return {"type": "message_delta", "delta": changed, "usage": {"output_tokens": 2}}


HELLO = block(0, "text", delta(0, "text_delta", text="he"), delta(0, "text_delta", text="llo"), text="")


class TestContract(ProviderContract):
    provider = AnthropicProvider
    model = "claude-1"
    config: ClassVar[Any] = {"anthropic_api_key": KEY}
    answers: ClassVar[Any] = dict.fromkeys((Task.CHAT, Task.COMPLETIONS), json.dumps(MESSAGE).encode())
    streams: ClassVar[Any] = {
        Task.CHAT: events(START, {"type": "ping"}, *HELLO, finish(), STOP),
        Task.COMPLETIONS: events(START, *HELLO, finish(), STOP),
    }


def test_completions_are_asked_as_chats() -> None:
    """As MLflow's gateway lets Claude serve them."""
    provider = make()
    call = Call(Task.COMPLETIONS, {"prompt": "hi", "max_tokens": 3}, b"")
    asked = json.loads(provider.request(call).body)
    answer = provider.response(call, UpstreamResponse(200, {}, json.dumps(MESSAGE).encode()))

    assert [{"role": "user", "content": [{"type": "text", "text": "hi"}]}] == asked["messages"]
    said = json.loads(answer.body)
    assert ("text_completion", "hello") == (said["object"], said["choices"][0]["text"])


def make(**config: Any) -> AnthropicProvider:
    settings = with_defaults(AnthropicProvider.settings, {"anthropic_api_key": KEY, **config})
    return AnthropicProvider(Target("e", Task.CHAT, "claude-1", settings))


def problems(**config: Any) -> dict[str | None, str]:
    return {problem.key: problem.message for problem in AnthropicProvider.check(config, Task.CHAT)}


def test_it_is_what_the_name_anthropic_means() -> None:
    assert AnthropicProvider is discovery.load("Anthropic")


def test_the_key_and_the_version_are_headers() -> None:
    asked = make().request(Call(Task.CHAT, {"messages": [{"role": "user", "content": "hi"}]}, b""))

    assert "https://api.anthropic.com/v1/messages" == asked.url
    expected = {"content-type": "application/json", "x-api-key": KEY, "anthropic-version": "2023-06-01"}
    assert expected == dict(asked.headers)


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://127.0.0.1:80/v1/", "http://127.0.0.1:80/v1/messages"),
        ("http://127.0.0.1:80", "http://127.0.0.1:80/v1/messages"),
        ("http://127.0.0.1:80/claude", "http://127.0.0.1:80/claude/messages"),
    ],
)
def test_the_base_is_written_as_for_mlflow_or_as_for_anthropics_client(base: str, url: str) -> None:
    assert url == make(anthropic_api_base=base).url_of(Task.CHAT)


def test_what_is_wrong_in_a_config_is_told() -> None:
    wrong = {"anthropic_api_base": "api.anthropic.com", "anthropic_max_tokens": 0}

    assert {} == problems(anthropic_api_key=KEY)
    assert {"anthropic_api_key", *wrong} == set(problems(**wrong))


ERRORS = [
    (400, "invalid_request_error", 400),
    (401, "authentication_error", 502),
    (403, "permission_error", 502),
    (404, "not_found_error", 502),
    (413, "request_too_large", 413),
    (429, "rate_limit_error", 429),
    (500, "api_error", 502),
    (504, "timeout_error", 504),
    (529, "overloaded_error", 503),
]


def error(kind: str) -> dict[str, Any]:
    return {
        "type": "error",
        "error": {"type": kind, "message": "in Anthropic's words"},
        "request_id": "req_1",
    }


@pytest.mark.parametrize(("upstream", "kind", "status"), ERRORS)
def test_an_error_has_anthropics_words_and_a_status_that_the_caller_understands(
    upstream: int, kind: str, status: int
) -> None:
    """The key and the model are the gateway's, so what is wrong with them is no fault of the caller's."""
    read = make().error(UpstreamResponse(upstream, {"retry-after": "3"}, json.dumps(error(kind)).encode()))

    assert status == read.status
    assert "in Anthropic's words" in read.message
    assert 3 == read.retry_after_s


@pytest.mark.parametrize(("kind", "status"), [(kind, status) for _, kind, status in ERRORS])
def test_an_error_in_mid_stream_is_like_one_before_it(kind: str, status: int) -> None:
    """What was said before it is passed on, and nothing after it."""
    decoder = make().stream(Call(Task.CHAT, {}, b"", stream=True))
    out = decoder.feed(events(START, *HELLO, error(kind), finish(), STOP))

    assert b"llo" in out
    assert b"[DONE]" not in out
    assert decoder.error is not None
    assert status == decoder.error.status
    assert "in Anthropic's words" in decoder.error.message


def test_an_answer_that_is_an_error_is_told_in_its_words() -> None:
    with pytest.raises(Exception, match="in Anthropic's words"):
        make().response(
            Call(Task.CHAT, {}, b""), UpstreamResponse(200, {}, json.dumps(error("api_error")).encode())
        )
