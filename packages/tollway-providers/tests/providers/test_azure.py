"""Azure OpenAI under its own name."""

from typing import Any, ClassVar

import pytest

from tollway.provider import Call, Target, Task
from tollway.provider.testing import ProviderContract
from tollway.providers.azure import AzureProvider

KEY = "a-long-and-secret-key"
BASE = "https://acme.openai.azure.com"
CONFIG = {"api_key": KEY, "api_base": BASE, "api_version": "2024-10-21", "deployment_name": "my gpt"}


class TestContract(ProviderContract):
    provider = AzureProvider
    config: ClassVar[Any] = {"azure_api_key": KEY, "azure_api_base": BASE}


class TestContractOfADeployment(ProviderContract):
    provider = AzureProvider
    config: ClassVar[Any] = CONFIG


def request(**config: Any) -> Any:
    return AzureProvider(Target("e", Task.CHAT, "gpt-5", config)).request(
        Call(Task.CHAT, {"model": "e"}, b'{"model":"e"}')
    )


def problems(**config: Any) -> list[str | None]:
    return [problem.key for problem in AzureProvider.check(config, Task.CHAT)]


def test_with_a_version_it_is_the_address_of_the_deployment() -> None:
    asked = request(**CONFIG)

    assert f"{BASE}/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21" == asked.url
    assert KEY == dict(asked.headers)["api-key"]


@pytest.mark.parametrize("base", [BASE, BASE + "/", BASE + "/openai/v1/", BASE + "/openai"])
def test_without_a_version_it_is_the_v1_api(base: str) -> None:
    asked = request(api_key=KEY, api_base=base)

    assert f"{BASE}/openai/v1/chat/completions" == asked.url
    assert b'{"model":"gpt-5"}' == asked.body


def test_a_version_in_the_base_url_is_not_said_twice() -> None:
    asked = request(api_key=KEY, api_base=BASE + "?api-version=preview", api_version="2024-10-21")

    assert asked.url.endswith("?api-version=preview")


def test_mlflows_names_for_openai_on_azure_are_read() -> None:
    config = {"openai_api_key": KEY, "openai_api_base": BASE, "openai_api_type": "azuread"}

    assert [] == problems(**config)
    assert f"Bearer {KEY}" == dict(request(**config).headers)["authorization"]


def test_each_setting_that_is_missing_is_named() -> None:
    assert ["azure_api_key", "azure_api_base"] == problems()


def test_an_unknown_type_of_api_is_refused() -> None:
    assert ["openai_api_type"] == problems(**CONFIG, openai_api_type="bing")
