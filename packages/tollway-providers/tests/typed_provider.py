"""What a plugin author writes, as the type checker sees it; run by test_typing."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar, assert_type

from tollway.provider import (
    Answer,
    AnswerInfo,
    BaseProvider,
    Call,
    HTTPProvider,
    Provider,
    ProviderError,
    Setting,
    StreamDecoder,
    Target,
    Task,
    UpstreamRequest,
    UpstreamResponse,
    Usage,
    discovery,
)
from tollway.provider.testing import ProviderContract


class Plain(BaseProvider):
    settings = (Setting("api_key", "a key", secret=True),)

    def predict(self, payload: dict[str, Any]) -> str:
        return "hello"


class Async(BaseProvider):
    async def predict(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"content": "hello"}


class Yields(BaseProvider):
    def predict(self, payload: dict[str, Any]) -> Iterator[str | dict[str, Any]]:
        yield "hello"


class YieldsAsync(BaseProvider):
    async def predict(self, payload: dict[str, Any]) -> AsyncIterator[str | dict[str, Any]]:
        yield "hello"


class Acme(HTTPProvider):
    base_url = "https://acme.example/v1"
    key_setting = "api_key"

    def request(self, call: Call) -> UpstreamRequest:
        request = super().request(call)
        return UpstreamRequest(request.url, (*request.headers, ("x-acme", "1")), request.body)


class TestAcme(ProviderContract):
    provider = Acme
    model = "acme-1"
    config: ClassVar = {"api_key": "made-up"}


acme = Acme(Target("endpoint", Task.CHAT, "acme-1"))
call = Call(Task.CHAT, {}, b"{}")
assert_type(acme.response(call, UpstreamResponse(200, {}, b"")), Answer)
assert_type(acme.stream(call), StreamDecoder)
assert_type(acme.error(UpstreamResponse(500, {}, b"")), ProviderError)
assert_type(AnswerInfo().usage, Usage | None)
assert_type(discovery.load("acme"), type[Provider])
assert_type(acme.url, str)
