import json
from typing import Any, ClassVar

import pytest

from tollway.provider import Call, Target, Task, discovery, with_defaults
from tollway.provider.testing import ProviderContract
from tollway.providers.openai import OpenAIProvider

KEY = "sk-a-long-and-secret-key"
AZURE = {
    "openai_api_key": KEY,
    "openai_api_type": "azure",
    "openai_api_base": "https://acme.openai.azure.com/",
    "openai_api_version": "2024-10-21",
    "openai_deployment_name": "my gpt",
}


class TestContract(ProviderContract):
    provider = OpenAIProvider
    model = "gpt-4"
    config: ClassVar[Any] = {"openai_api_key": KEY}


class TestContractWithAzure(TestContract):
    config = AZURE


def request(task: Task = Task.CHAT, **config: Any) -> Any:
    settings = with_defaults(OpenAIProvider.settings, config)
    return OpenAIProvider(Target("e", task, "gpt-4", settings)).request(
        Call(task, {"model": "e"}, b'{"model":"e"}')
    )


def problems(**config: Any) -> dict[str | None, str]:
    return {problem.key: problem.message for problem in OpenAIProvider.check(config, Task.CHAT)}


def test_it_is_what_the_name_openai_means() -> None:
    assert OpenAIProvider is discovery.load("OpenAI")


def test_a_key_is_all_that_openai_itself_needs() -> None:
    asked = request(openai_api_key=KEY)

    assert {} == problems(openai_api_key=KEY)
    assert "https://api.openai.com/v1/chat/completions" == asked.url
    assert f"Bearer {KEY}" == dict(asked.headers)["authorization"]
    assert {"model": "gpt-4"} == json.loads(asked.body)


@pytest.mark.parametrize("base", ["http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1/"])
def test_a_server_of_ones_own_needs_no_key_and_its_base_may_end_in_a_slash(base: str) -> None:
    asked = request(Task.EMBEDDINGS, openai_api_base=base)

    assert {} == problems(openai_api_base=base)
    assert "http://127.0.0.1:8080/v1/embeddings" == asked.url
    assert "authorization" not in dict(asked.headers)


def test_an_organisation_is_named_in_its_header() -> None:
    headers = dict(request(openai_api_key=KEY, openai_organization="org-1").headers)

    assert "org-1" == headers["openai-organization"]


def test_azure_has_its_own_address_and_key_header() -> None:
    asked = request(**AZURE)

    assert {} == problems(**AZURE)
    expected = (
        "https://acme.openai.azure.com/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21"
    )
    assert expected == asked.url
    assert {"api-key": KEY, "content-type": "application/json"} == dict(asked.headers)


def test_an_entra_token_is_a_bearer_token() -> None:
    asked = request(**{**AZURE, "openai_api_type": "azuread"})

    assert "my%20gpt/chat/completions?api-version=2024-10-21" in asked.url
    assert {"authorization": f"Bearer {KEY}", "content-type": "application/json"} == dict(asked.headers)


def test_the_type_of_api_may_be_written_in_any_case() -> None:
    config = {**AZURE, "openai_api_type": "AZURE"}

    assert {} == problems(**config)
    assert "api-key" in dict(request(**config).headers)


@pytest.mark.parametrize("missing", [key for key in AZURE if key != "openai_api_type"])
def test_azure_names_each_setting_that_it_lacks(missing: str) -> None:
    config: ClassVar[Any] = {key: value for key, value in AZURE.items() if key != missing}

    assert {missing: f"{missing} is missing, which openai_api_type azure needs"} == problems(**config)


def test_azures_spans_say_azure() -> None:
    provider = OpenAIProvider(Target("e", Task.CHAT, "gpt-4", AZURE))

    assert "azure.ai.openai" == provider.telemetry_name


def test_a_version_is_sent_to_openai_too() -> None:
    """As MLflow's gateway means to: a service behind Azure's API management asks for it."""
    base = "https://apim.example/openai"
    asked = request(openai_api_key=KEY, openai_api_base=base, openai_api_version="2024-10-21")

    assert f"{base}/chat/completions?api-version=2024-10-21" == asked.url


def test_a_base_url_keeps_its_query() -> None:
    base = "https://a.example/v1?team=7"
    asked = request(openai_api_key=KEY, openai_api_base=base, openai_api_version="1")

    assert {} == problems(openai_api_key=KEY, openai_api_base=base)
    assert "https://a.example/v1/chat/completions?team=7&api-version=1" == asked.url


def test_openai_itself_needs_a_key() -> None:
    assert {"openai_api_key": "openai_api_key is missing"} == problems()


def test_an_unknown_type_of_api_is_refused() -> None:
    assert {"openai_api_type"} == set(problems(openai_api_key=KEY, openai_api_type="bing"))


@pytest.mark.parametrize(
    "base",
    ["", "api.openai.com/v1", "ftp://a/v1", "https://", "http://a:port/", "http://[::1", "http://a/#k"],
)
def test_what_is_no_base_url_is_refused_without_being_repeated(base: str) -> None:
    assert (
        "openai_api_base is not a base URL"
        == problems(openai_api_key=KEY, openai_api_base=base)["openai_api_base"]
    )
