"""The contract passes what is right, and catches what is wrong."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, ClassVar

import pytest

from tollway.provider import (
    Answer,
    AnswerInfo,
    BaseProvider,
    Call,
    HTTPProvider,
    ProviderError,
    Setting,
    StreamDecoder,
    Target,
    Task,
    UpstreamRequest,
    UpstreamResponse,
)
from tollway.provider.testing import ProviderContract

SECRET = "a-long-and-secret-key"


class Acme(HTTPProvider):
    base_url = "https://acme.test/v1"
    key_setting = "api_key"
    settings: ClassVar[Any] = (Setting("api_key", "a key", required=True, secret=True),)


class TestARowOfData(ProviderContract):
    provider = Acme
    config: ClassVar[Any] = {"api_key": SECRET}


class Text(BaseProvider):
    tasks = frozenset({Task.CHAT, Task.COMPLETIONS})
    settings = ()

    def predict(self, payload: dict[str, Any]) -> Any:
        return "hello"


class Async(Text):
    async def predict(self, payload: dict[str, Any]) -> Any:
        return {"content": "hello"}


class Yields(Text):
    def predict(self, payload: dict[str, Any]) -> Iterator[Any]:
        yield "hel"
        yield "lo"


class YieldsAsync(Text):
    async def predict(self, payload: dict[str, Any]) -> AsyncIterator[Any]:
        yield "hello"


class Embeds(BaseProvider):
    tasks = frozenset({Task.EMBEDDINGS})
    settings = None

    def predict(self, payload: dict[str, Any]) -> Any:
        return [[0.5, 1.0]]


class TestText(ProviderContract):
    provider = Text


class TestAsync(ProviderContract):
    provider = Async


class TestYields(ProviderContract):
    provider = Yields


class TestYieldsAsync(ProviderContract):
    provider = YieldsAsync


class TestEmbeds(ProviderContract):
    provider = Embeds


class PassesOff(Acme):
    def stream(self, call: Call) -> StreamDecoder:
        decoder: Any = super().stream(call)
        return _PassesOff(decoder)


class _PassesOff:
    """A decoder that takes any end for a good one."""

    error = None
    complete = False

    def __init__(self, decoder: Any) -> None:
        self.info: AnswerInfo = decoder.info
        self.feed = decoder.feed

    def end(self) -> bytes:
        self.complete = True
        return b""


class Raises(Acme):
    def response(self, call: Call, response: UpstreamResponse) -> Answer:
        return Answer(
            response.body, AnswerInfo(model=super().response(call, response).body.decode("ascii")[99999])
        )

    def error(self, response: UpstreamResponse) -> ProviderError:
        raise ValueError(response.body)


class Quotes(Acme):
    def error(self, response: UpstreamResponse) -> ProviderError:
        return ProviderError(response.body.decode("utf-8", "replace") or "empty")


class Changes(Acme):
    def request(self, call: Call) -> UpstreamRequest:
        call.payload["model"] = self.target.model
        return super().request(call)


class Elsewhere(Acme):
    def url_of(self, task: Task) -> str:
        return "https://elsewhere.test/"


class Shows(Acme):
    def __repr__(self) -> str:
        return str(self.headers)


class Incoherent(Acme):
    settings: ClassVar[Any] = (Setting("api_key", "a key", default="in-the-code", secret=True),)


class Unusable(Text):
    def predict(self, payload: dict[str, Any]) -> Any:
        return ["text", "in", "a", "list"]


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (PassesOff, "test_a_stream_that_was_cut_is_never_passed_off_as_finished"),
        (PassesOff, "test_garbage_in_a_stream_is_an_error"),
        (Raises, "test_any_error_is_read"),
        (Raises, "test_a_whole_answer_is_read"),
        (Quotes, "test_an_upstream_that_repeats_a_secret_is_not_quoted"),
        (Quotes, "test_a_retry_after_is_read"),
        (Changes, "test_a_request_is_made_of_the_call_alone"),
        (Elsewhere, "test_a_request_can_be_sent"),
        (Shows, "test_secrets_are_never_shown"),
        (Incoherent, "test_settings_are_coherent"),
        (Unusable, "test_predict_answers_every_task"),
    ],
)
def test_a_provider_that_breaks_a_rule_fails_that_rule(broken: Any, rule: str) -> None:
    contract: Any = type(
        "Contract", (ProviderContract,), {"provider": broken, "config": {"api_key": SECRET}}
    )()
    check: Callable[[], None] = getattr(contract, rule)

    with pytest.raises((AssertionError, ProviderError, ValueError, LookupError)):
        check()


def test_a_predict_that_cannot_run_where_the_tests_do_is_not_called() -> None:
    contract = type("Contract", (ProviderContract,), {"provider": Text, "predicts": False})

    assert not hasattr(contract, "test_predict_answers_every_task")


def test_rules_of_the_other_kind_are_left_out() -> None:
    assert not hasattr(TestText, "test_any_error_is_read")
    assert not hasattr(TestARowOfData, "test_predict_answers_every_task")


def test_a_target_does_not_show_its_config() -> None:
    assert SECRET not in repr(Target("e", Task.CHAT, "m", {"api_key": SECRET}))
