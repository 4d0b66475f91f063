"""The services of the table `_services`, and the names under which they are found."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tollway.provider import (
    Call,
    HTTPProvider,
    PayloadError,
    Target,
    Task,
    UpstreamResponse,
    discovery,
    sse,
    with_defaults,
)
from tollway.provider.testing import OPENAI_ANSWERS, ProviderContract
from tollway.providers._services import SERVICES, Service
from tollway.providers.compatible import attribute_of, provider_of
from tollway.providers.litellm import LiteLLMProvider

KEY = "a-long-and-secret-key"

MLFLOW_NAMES = (
    *("openai", "anthropic", "ai21labs", "mlflow-model-serving", "mosaicml", "palm", "azure", "groq"),
    *("gemini", "vertex_ai", "bedrock", "amazon-bedrock", "cohere", "sap-ai-core"),
    *("huggingface-text-generation-inference", "databricks-model-serving", "databricks", "mistral"),
    *("deepseek", "xai", "openrouter", "ollama", "portkey", "typesafe", "togetherai", "litellm"),
)

WELL_KNOWN = {
    "groq": "groq",
    "deepseek": "deepseek",
    "xai": "x_ai",
    "perplexity": "perplexity",
    "moonshot": "moonshot_ai",
    "mistral": "mistral_ai",
    "azure": "azure.ai.openai",
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "gcp.gemini",
    "vertex_ai": "gcp.vertex_ai",
    "bedrock": "aws.bedrock",
    "cohere": "cohere",
}
"""`gen_ai.provider.name` by the GenAI conventions v0.1.0."""

DIFFERENT = Service(
    name="acme.ai",
    title="Acme",
    docs="https://acme.example",
    base_url="https://acme.example/v1",
    key_header="x-acme-key",
    header_settings={"acme_team": "x-acme-team"},
    paths={Task.COMPLETIONS: "/beta/completions"},
    renamed={"max_completion_tokens": "max_tokens", "seed": "random_seed"},
    dropped=("user", "stream_options"),
    refused=("n", "logprobs"),
)


class TestContractOfARow(ProviderContract):
    provider = provider_of(DIFFERENT)
    config: ClassVar[Any] = {"api_key": KEY, "extra_headers": {"x-more": "1"}}


def _short_stream(task: Task) -> bytes:
    said = {"delta": {"content": "hi"}} if task is Task.CHAT else {"text": "hi"}
    first = {"id": "1", "model": "m", "choices": [{"index": 0, **said, "finish_reason": None}]}
    last = {**first, "choices": [{"index": 0, "delta": {}, "text": "", "finish_reason": "stop"}]}
    usage = {"usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
    return b"".join(sse.event(json.dumps(chunk).encode()) for chunk in (first, last | usage)) + sse.DONE


def _of_completions(service: Service) -> Task:
    """Return as what a service answers completions."""
    return Task.COMPLETIONS if Task.COMPLETIONS in service.tasks else Task.CHAT


for _service in SERVICES:  # one contract a row
    _name = f"TestContractOf{provider_of(_service).__name__}"
    globals()[_name] = type(
        _name,
        (ProviderContract,),
        {
            "provider": provider_of(_service),
            "config": {"api_key": KEY, "api_base": _service.base_url},
            "answers": {**OPENAI_ANSWERS, Task.COMPLETIONS: OPENAI_ANSWERS[_of_completions(_service)]},
            "streams": {
                Task.CHAT: _short_stream(Task.CHAT),
                Task.COMPLETIONS: _short_stream(_of_completions(_service)),
            },
        },
    )


def made(service: Service, task: Task = Task.CHAT, **config: Any) -> HTTPProvider:
    kind = provider_of(service)
    return kind(Target("e", task, "model-1", with_defaults(kind.settings, config)))


def request(
    service: Service, payload: Any, task: Task = Task.CHAT, *, stream: bool = False, **config: Any
) -> Any:
    call = Call(task, payload, json.dumps(payload).encode(), stream)
    return made(service, task, **{"api_key": KEY, **config}).request(call)


def problems(kind: Any, config: dict[str, Any], task: Task = Task.CHAT) -> dict[str | None, str]:
    return {problem.key: problem.message for problem in kind.check(config, task)}


def names_of(service: Service) -> tuple[str, ...]:
    return (service.name, *service.aliases)


@pytest.mark.parametrize("name", MLFLOW_NAMES)
@pytest.mark.parametrize("spell", [str.lower, str.upper, lambda name: name.replace("-", "_")])
def test_every_name_of_mlflows_loads_however_it_is_spelt(name: str, spell: Any) -> None:
    assert issubclass(discovery.load(spell(name)), HTTPProvider)


@pytest.mark.parametrize("name", [name for service in SERVICES for name in names_of(service)])
def test_every_name_of_a_row_is_an_entry_point(name: str) -> None:
    entries = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"][
        "entry-points"
    ]
    (service,) = [service for service in SERVICES if name in names_of(service)]

    assert f"tollway.providers.compatible:{attribute_of(service.name)}" == entries["tollway.providers"][name]
    assert discovery.load(name) is discovery.load(service.name)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_row_is_whole(service: Service) -> None:
    """Its config with a key and a base is accepted, and a request goes to where the row says."""
    kind = discovery.load(service.name)
    assert issubclass(kind, HTTPProvider)

    for task in service.tasks:
        assert {} == problems(kind, {"api_key": KEY, "api_base": service.base_url}, task)
        asked = request(service, {"model": "e"}, task)
        assert asked.url.startswith(service.base_url + "/")
        assert "model-1" == json.loads(asked.body)["model"]
        assert KEY in "".join(dict(asked.headers).values())
    assert service.docs.startswith("https://")


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_service_that_needs_a_key_says_so(service: Service) -> None:
    config = {"api_base": service.base_url}
    name = f"{attribute_of(service.name)}_api_key"

    expected = {name: f"{name} is missing"} if service.needs_key else {}
    assert expected == problems(provider_of(service), config, service.tasks[0])


@pytest.mark.parametrize(("name", "value"), WELL_KNOWN.items())
def test_spans_carry_the_well_known_name(name: str, value: str) -> None:
    assert value == discovery.load(name).telemetry_name


@pytest.mark.parametrize("key", ["togetherai_api_key", "api_key"])
def test_mlflows_own_keys_are_read(key: str) -> None:
    kind = discovery.load("togetherai")
    assert issubclass(kind, HTTPProvider)
    provider = kind(Target("e", Task.CHAT, "m", {key: KEY}))

    assert {} == problems(kind, {key: KEY})
    assert (("authorization", f"Bearer {KEY}"),) == provider.headers


def test_an_empty_key_is_the_one_that_is_missing() -> None:
    assert {"api_key": "api_key is missing"} == problems(discovery.load("groq"), {"api_key": ""})


def test_only_the_provider_that_is_named_is_imported() -> None:
    """No other dialect, and none of the libraries that only some of them need."""
    program = (
        "import sys; from tollway.provider import discovery; discovery.load('groq');"
        "signs = ('tollway.providers.', 'google', 'boto');"
        "print(*(name for name in sys.modules if name.startswith(signs)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    loaded = {name for name in ran.stdout.split() if not name.startswith("tollway.providers._")}
    assert {"tollway.providers.compatible"} == loaded


def test_two_keys_that_differ_are_a_problem() -> None:
    found = problems(discovery.load("groq"), {"groq_api_key": KEY, "api_key": "another"})

    assert {"api_key": "groq_api_key and api_key differ"} == found


class TestContractOfLiteLLM(ProviderContract):
    provider = LiteLLMProvider
    config: ClassVar[Any] = {"litellm_provider": "anthropic", "litellm_auth_config": {"api_key": KEY}}


def test_litellms_models_have_their_provider_in_the_name() -> None:
    """MLflow's keys are those of the proxy."""
    auth = {"api_key": KEY, "api_base": "http://litellm:4000"}
    config = {"litellm_provider": "anthropic", "litellm_auth_config": auth}
    provider = LiteLLMProvider(Target("e", Task.CHAT, "claude", config))
    asked = provider.request(Call(Task.CHAT, {"model": "e"}, b'{"model":"e"}'))

    assert {} == problems(LiteLLMProvider, config)
    assert "http://litellm:4000/v1/chat/completions" == asked.url
    assert {"model": "anthropic/claude"} == json.loads(asked.body)
    assert f"Bearer {KEY}" == dict(asked.headers)["authorization"]
    assert "litellm_auth_config" in problems(LiteLLMProvider, {"litellm_auth_config": {"aws_region": "a"}})


def test_a_server_of_text_generation_inference_has_to_be_named() -> None:
    kind = discovery.load("tgi")
    assert issubclass(kind, HTTPProvider)

    assert ["huggingface_text_generation_inference_api_base"] == list(problems(kind, {}))
    assert {} == problems(kind, {"hf_server_url": "http://tgi:3000"})
    assert "http://tgi:3000/v1" == kind(Target("e", Task.CHAT, "m", {"hf_server_url": "http://tgi:3000"})).url


def test_a_base_url_with_a_path_is_taken_as_it_is() -> None:
    ollama = next(service for service in SERVICES if service.name == "ollama")

    assert "http://gpu:11434/v1" == made(ollama, api_base="http://gpu:11434").url
    assert "http://gpu/ollama" == made(ollama, api_base="http://gpu/ollama/").url


def test_a_base_url_keeps_its_query() -> None:
    asked = request(DIFFERENT, {"model": "e"}, api_base="https://a.example/v1/?team=7&x=")

    assert "https://a.example/v1/chat/completions?team=7&x=" == asked.url


def test_fields_are_renamed_dropped_and_refused_as_the_row_says() -> None:
    payload = {"model": "e", "max_completion_tokens": 5, "seed": 1, "user": "u", "n": 1, "logprobs": False}
    before = json.dumps(payload)

    asked = request(DIFFERENT, payload, stream=True)

    expected = {"model": "model-1", "max_tokens": 5, "random_seed": 1, "n": 1, "logprobs": False}
    assert expected == json.loads(asked.body)
    assert before == json.dumps(payload)


def test_the_new_name_of_a_field_wins() -> None:
    asked = request(DIFFERENT, {"model": "e", "max_completion_tokens": 5, "max_tokens": 3})

    assert {"model": "model-1", "max_tokens": 3} == json.loads(asked.body)


@pytest.mark.parametrize(("field", "value"), [("n", 2), ("logprobs", True)])
def test_what_the_service_would_silently_not_do_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(PayloadError, match=f"Acme does not support {field}") as caught:
        request(DIFFERENT, {"model": "e", field: value})

    assert field == caught.value.param


def test_bytes_pass_where_nothing_differs() -> None:
    body = b'{"model": "model-1",  "big": 100000000000000000001}'
    provider = made(DIFFERENT, api_key=KEY)

    assert body == provider.request(Call(Task.CHAT, json.loads(body), body)).body


def test_headers_come_from_the_key_its_settings_and_the_extra_ones() -> None:
    asked = request(DIFFERENT, {"model": "e"}, acme_team="blue", extra_headers={"X-More": 1})

    expected = {"content-type": "application/json", "x-acme-key": KEY, "x-acme-team": "blue", "x-more": "1"}
    assert expected == dict(asked.headers)


def test_a_path_of_its_own_is_used() -> None:
    assert (
        "https://acme.example/v1/beta/completions" == request(DIFFERENT, {"model": "e"}, Task.COMPLETIONS).url
    )


def test_a_service_that_only_chats_answers_completions_as_chats() -> None:
    perplexity = next(service for service in SERVICES if service.name == "perplexity")
    provider = made(perplexity, Task.COMPLETIONS, api_key=KEY)
    call = Call(Task.COMPLETIONS, {"prompt": "hi"}, b"")
    asked = provider.request(call)
    answer = provider.response(call, UpstreamResponse(200, {}, OPENAI_ANSWERS[Task.CHAT]))

    assert "https://api.perplexity.ai/chat/completions" == asked.url
    assert [{"role": "user", "content": "hi"}] == json.loads(asked.body)["messages"]
    assert "hello" == json.loads(answer.body)["choices"][0]["text"]


@pytest.mark.parametrize(
    "headers", [{"host": "a"}, {"content-length": "1"}, {"a b": "x"}, {"": "x"}, {"x": "a\r\nb"}, {"x": []}]
)
def test_a_header_that_cannot_be_sent_is_a_problem(headers: dict[str, Any]) -> None:
    found = problems(provider_of(DIFFERENT), {"api_key": KEY, "extra_headers": headers})

    assert ["extra_headers"] == list(found)


@pytest.mark.parametrize(
    ("name", "instead"),
    [("palm", "gemini"), ("mosaicml", "databricks"), ("typesafe", "remove this endpoint")],
)
def test_a_retired_service_says_what_replaced_it(name: str, instead: str) -> None:
    config = {f"{name}_api_key": KEY}

    (problem,) = discovery.load(name).check(config, Task.CHAT)

    assert instead in problem.hint
