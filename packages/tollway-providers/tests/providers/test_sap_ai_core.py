"""SAP AI Core's orchestration: OpenAI's dialect in a wrapping, both ways."""

import json
from typing import Any, ClassVar

import pytest

from tollway.provider import Call, ProviderError, Target, Task, UpstreamResponse, sse
from tollway.provider.testing import OPENAI_ANSWERS, OPENAI_STREAMS, ProviderContract
from tollway.providers.sap_ai_core import SapAiCoreProvider

BASE = "https://api.ai.example.com/v2/inference/deployments/d1"
KEY = "a-long-and-secret-token"
REPORT = {"templating": [{"role": "user", "content": "hi"}]}


def wrapped(answer: bytes) -> bytes:
    final = json.loads(answer)
    return json.dumps({"request_id": "r", "intermediate_results": REPORT, "final_result": final}).encode()


def wrapped_stream(stream: bytes) -> bytes:
    events = [event.data or b"" for event in sse.Parser().feed(stream)]
    chunks = [data if data == b"[DONE]" else wrapped(data) for data in events]
    report = json.dumps({"request_id": "r", "intermediate_results": REPORT}).encode()
    return b"".join(sse.event(data) for data in (chunks[0], report, *chunks[1:]))


WHOLE = wrapped(OPENAI_ANSWERS[Task.CHAT])
STREAM = wrapped_stream(OPENAI_STREAMS[Task.CHAT])


class TestContract(ProviderContract):
    provider = SapAiCoreProvider
    config: ClassVar[Any] = {"api_base": BASE, "api_key": KEY}
    answers: ClassVar[Any] = dict.fromkeys((Task.CHAT, Task.COMPLETIONS), WHOLE)
    streams: ClassVar[Any] = dict.fromkeys((Task.CHAT, Task.COMPLETIONS), STREAM)


def made(**config: Any) -> SapAiCoreProvider:
    return SapAiCoreProvider(Target("e", Task.CHAT, "gpt-5", {"api_base": BASE, **config}))


@pytest.mark.parametrize("base", [BASE, BASE + "/", BASE + "/v2/completion"])
def test_a_request_is_wrapped(base: str) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    payload = {
        "model": "e",
        "messages": [{"role": "user", "content": "hi"}],
        "tools": tools,
        "temperature": 1,
    }
    asked = made(api_base=base, api_key=KEY).request(Call(Task.CHAT, payload, b"", stream=True))

    assert BASE + "/v2/completion" == asked.url
    headers = dict(asked.headers)
    assert ("default", f"Bearer {KEY}") == (headers["ai-resource-group"], headers["authorization"])
    prompt = {"template": payload["messages"], "tools": tools}
    templating = {"prompt": prompt, "model": {"name": "gpt-5", "params": {"temperature": 1}}}
    config = {"modules": {"prompt_templating": templating}, "stream": {"enabled": True}}
    assert {"config": config, "placeholder_values": {}} == json.loads(asked.body)


def test_a_proxy_may_bring_the_token() -> None:
    assert "authorization" not in dict(made().headers)


def test_a_body_in_the_streams_place_is_read() -> None:
    decoder = made().stream(Call(Task.CHAT, {}, b"", stream=True))
    out = decoder.feed(WHOLE) + decoder.end()

    assert decoder.complete
    assert b"hello" in out


def test_an_error_has_its_words_whole_and_streamed() -> None:
    raw = b'{"error": {"request_id": "r", "code": 400, "message": "no such model", "location": "LLM"}}'
    with pytest.raises(ProviderError, match="no such model") as whole:
        made().response(Call(Task.CHAT, {}, b""), UpstreamResponse(200, {}, raw))
    decoder = made().stream(Call(Task.CHAT, {}, b"", stream=True))
    decoder.feed(sse.event(raw))

    assert decoder.error is not None
    assert [400, 400] == [whole.value.status, decoder.error.status]
