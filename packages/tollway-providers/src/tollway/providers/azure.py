"""Azure OpenAI under a name of its own, as MLflow's gateway has it; `openai` serves it too.

https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from tollway.provider import HTTPProvider, Setting, SettingProblem, Target, Task

from ._base_url import check_base_url
from ._headers import EXTRA_HEADERS, check_extra_headers, extra_headers
from .compatible import first_of
from .openai import with_version

_EXAMPLE = "https://my-resource.openai.azure.com"
_V1 = "/openai/v1"

_KEYS = ("azure_api_key", "api_key", "openai_api_key")
_BASES = ("azure_api_base", "api_base", "openai_api_base")
_VERSIONS = ("azure_api_version", "api_version", "openai_api_version")
_DEPLOYMENTS = ("azure_deployment_name", "deployment_name", "openai_deployment_name")
_TYPES = ("azure_api_type", "openai_api_type")


class AzureProvider(HTTPProvider):
    """Azure OpenAI: with an API version the address of a deployment, without one its v1 API.

    The deployment is the model's name unless the config names it.
    """

    telemetry_name = "azure.ai.openai"
    settings = (
        *(Setting(name, "the key of the resource, best as $ENV", secret=True) for name in _KEYS),
        *(Setting(name, f"the resource's address, such as {_EXAMPLE}") for name in _BASES),
        *(Setting(name, "such as 2024-10-21; without one, the v1 API is asked") for name in _VERSIONS),
        *(Setting(name, "the deployment; without one, the model's name") for name in _DEPLOYMENTS),
        *(Setting(name, "azure (a key) or azuread (a Microsoft Entra token as the key)") for name in _TYPES),
        EXTRA_HEADERS,
    )

    @classmethod
    def check(cls, config: Mapping[str, Any], task: Task) -> Iterable[SettingProblem]:
        """Add to the checks of single settings what they need of one another."""
        yield from super().check(config, task)
        for names, what in ((_KEYS, "the key of the resource"), (_BASES, "the resource's address")):
            if not first_of(names, config):
                yield SettingProblem(names[0], f"{names[0]} is missing", f"add it: {what}")
        for name in _BASES:
            if config.get(name):
                yield from check_base_url(name, config[name], _EXAMPLE)
        for name in _TYPES:
            if str(config.get(name) or "azure").lower() not in ("azure", "azuread"):
                yield SettingProblem(name, f"{name} is unknown", "use one of: azure, azuread")
        yield from check_extra_headers(config)

    def __init__(self, target: Target) -> None:
        config = target.config
        deployment = first_of(_DEPLOYMENTS, config) or target.model
        super().__init__(Target(target.endpoint, target.task, deployment, config))
        base, _, self.query = first_of(_BASES, config).partition("?")
        self.url = base.rstrip("/").removesuffix(_V1).removesuffix("/openai")
        version = first_of(_VERSIONS, config)
        self.url += f"/openai/deployments/{quote(deployment, safe='')}" if version else _V1
        self.query = with_version(self.query, version)
        key = first_of(_KEYS, config)
        entra = first_of(_TYPES, config).lower() == "azuread"
        self.headers = (
            ("authorization", f"Bearer {key}") if entra else ("api-key", key),
            *extra_headers(config),
        )
