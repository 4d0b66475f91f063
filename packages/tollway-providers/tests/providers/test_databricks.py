"""Databricks' wire, and how a service principal gets its tokens."""

import io
import json
import urllib.request
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from tollway.provider import Call, ErrorKind, Target, Task, UpstreamError, UpstreamResponse
from tollway.provider.testing import OPENAI_ANSWERS, ProviderContract
from tollway.providers._tokens import EARLY_S, Token, TokenSource
from tollway.providers.databricks import DatabricksProvider

KEY = "dapi-a-long-and-secret-token"
HOST = "https://acme.cloud.databricks.com"
PRINCIPAL = {"host": HOST, "client_id": "me", "client_secret": "a-very-secret-secret"}


class TestContract(ProviderContract):
    provider = DatabricksProvider
    config: ClassVar[Any] = {"host": HOST, "token": KEY}


def request(**config: Any) -> Any:
    provider = DatabricksProvider(Target("e", Task.CHAT, "my-model", config))
    return provider.request(Call(Task.CHAT, {"model": "e"}, b'{"model":"e"}'))


def problems(**config: Any) -> list[str | None]:
    return [problem.key for problem in DatabricksProvider.check(config, Task.CHAT)]


@pytest.mark.parametrize("host", [HOST, HOST + "/", "acme.cloud.databricks.com", HOST + "/serving-endpoints"])
def test_the_workspace_is_found_however_it_is_written(host: str) -> None:
    asked = request(host=host, token=KEY)

    assert HOST + "/serving-endpoints/chat/completions" == asked.url
    assert [] == problems(host=host, token=KEY)
    assert f"Bearer {KEY}" == dict(asked.headers)["authorization"]


def test_there_has_to_be_one_way_to_authenticate() -> None:
    assert ["client_id", "client_secret"] == problems(host=HOST)
    assert [] == problems(**PRINCIPAL)


def test_a_service_principal_asks_the_workspace_for_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[urllib.request.Request] = []

    def answer(request: urllib.request.Request, timeout: float) -> io.BytesIO:
        asked.append(request)
        return io.BytesIO(b'{"access_token": "fresh", "expires_in": 3600, "token_type": "Bearer"}')

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    monkeypatch.setattr("tollway.providers._tokens._in_a_thread", lambda run: run())
    headers = dict(request(**PRINCIPAL).headers)

    assert "Bearer fresh" == headers["authorization"]
    assert [HOST + "/oidc/v1/token"] == [one.full_url for one in asked]
    assert b"grant_type=client_credentials&scope=all-apis" == asked[0].data
    assert "Basic bWU6YS12ZXJ5LXNlY3JldC1zZWNyZXQ=" == asked[0].get_header("Authorization")


def test_reasoning_parts_become_reasoning_beside_text() -> None:
    answer = json.loads(OPENAI_ANSWERS[Task.CHAT])
    answer["choices"][0]["message"]["content"] = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hmm"}]},
        {"type": "text", "text": "hello"},
    ]
    provider = DatabricksProvider(Target("e", Task.CHAT, "m", {"host": HOST, "token": KEY}))

    read = provider.response(Call(Task.CHAT, {}, b""), UpstreamResponse(200, {}, json.dumps(answer).encode()))

    assert {"role": "assistant", "content": "hello", "reasoning_content": "Hmm"} == json.loads(read.body)[
        "choices"
    ][0]["message"]


class Source:
    """A source of tokens whose fetches run when the test says so."""

    def __init__(self, *tokens: Token | Exception) -> None:
        self.now_s = 0.0
        self.waiting: list[Callable[[], None]] = []
        self._tokens = list(tokens)
        self.tokens = TokenSource(self._fetch, clock_s=lambda: self.now_s, start=self.waiting.append)

    def _fetch(self) -> Token:
        token = self._tokens.pop(0)
        if isinstance(token, Exception):
            raise token
        return token

    def run(self) -> None:
        self.waiting.pop()()


def test_until_there_is_a_token_a_retry_can_help() -> None:
    source = Source(Token("one", 3600))

    with pytest.raises(UpstreamError, match="being fetched") as caught:
        source.tokens.get()
    source.run()

    assert ErrorKind.RETRYABLE is caught.value.kind
    assert "one" == source.tokens.get()


def test_a_token_is_fetched_again_before_it_ends_and_serves_until_then() -> None:
    source = Source(Token("one", 3600), Token("two", 3600))
    source.run()
    source.now_s = 3600 - EARLY_S

    assert "one" == source.tokens.get()
    assert "one" == source.tokens.get()
    assert 1 == len(source.waiting)
    source.run()
    assert "two" == source.tokens.get()


def test_a_fetch_that_failed_says_why_and_is_tried_again_after_a_second() -> None:
    source = Source(OSError("no route"), Token("one", 3600))
    source.run()

    with pytest.raises(UpstreamError, match="OSError: no route"):
        source.tokens.get()
    assert [] == source.waiting
    source.now_s = 1.0
    with pytest.raises(UpstreamError):
        source.tokens.get()
    source.run()

    assert "one" == source.tokens.get()


def test_a_token_that_ended_is_not_used() -> None:
    source = Source(Token("one", 3600))
    source.run()
    source.now_s = 3600

    with pytest.raises(UpstreamError):
        source.tokens.get()
