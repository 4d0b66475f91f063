"""OpenAI, and everything that speaks its dialect; Azure's variant of it too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from tollway.provider import HTTPProvider, Setting, SettingProblem, Target, Task
from tollway.provider.dialects import OPENAI_RESPONSES, Passthrough, Speaker

from ._base_url import check_base_url

_SETTINGS = (
    Setting("openai_api_key", "the key of your OpenAI account, best as $OPENAI_API_KEY", secret=True),
    Setting(
        "openai_api_type",
        "openai, azure (a key) or azuread (a Microsoft Entra token as the key)",
        default="openai",
    ),
    Setting("openai_api_base", "the base URL, such as https://api.openai.com/v1"),
    Setting("openai_api_version", "the `api-version` that Azure asks for, such as 2024-10-21"),
    Setting("openai_deployment_name", "the name of the Azure deployment"),
    Setting("openai_organization", "the organisation that is billed, if your key has several"),
    Setting(
        "openai_responses",
        "whether the service has the Responses API itself; by default only OpenAI's own is taken to",
        type=bool,
    ),
)

_API_TYPES = ("openai", "azure", "azuread")
_AZURE_NEEDS = ("openai_api_key", "openai_api_base", "openai_api_version", "openai_deployment_name")


class OpenAIProvider(HTTPProvider):
    """OpenAI's API at any base URL; a server of one's own needs no key.

    Azure: https://learn.microsoft.com/azure/ai-foundry/openai/reference#rest-api-versioning
    """

    telemetry_name = "openai"
    settings = _SETTINGS
    base_url = "https://api.openai.com/v1"
    base_url_setting = "openai_api_base"
    key_setting = "openai_api_key"

    @classmethod
    def check(cls, config: Mapping[str, Any], task: Task) -> Iterable[SettingProblem]:
        """Add to the checks of single settings those of what they need of one another."""
        yield from super().check(config, task)
        yield from _check_type_and_needs(config)
        yield from check_base_url(
            "openai_api_base", config.get("openai_api_base"), "https://api.openai.com/v1"
        )

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        config = target.config
        api_type = _api_type(config)
        if api_type != "openai":
            self.telemetry_name = "azure.ai.openai"
            self.url += (
                f"/openai/deployments/{quote(str(config.get('openai_deployment_name') or ''), safe='')}"
            )
        self.query = with_version(self.query, config.get("openai_api_version"))
        if api_type == "azure":
            self.headers = (("api-key", str(config.get("openai_api_key") or "")),)
        if config.get("openai_organization"):
            self.headers += (("openai-organization", config["openai_organization"]),)
        self._has_responses = api_type == "openai" and config.get("openai_responses", self._is_openais())

    def speaking(self, dialect: str) -> Speaker | None:
        """Return what passes on requests for the Responses API, where the service has it."""
        if dialect != OPENAI_RESPONSES or not self._has_responses or self.target.task is not Task.CHAT:
            return None
        return Passthrough(
            dialect,
            lambda query: self.address(f"/responses?{query}" if query else "/responses"),
            self.target.model,
            self.headers,
            redact=self.redact,
            error=self.error,
        )

    def _is_openais(self) -> bool:
        return urlsplit(self.url).hostname == urlsplit(self.base_url).hostname


def _api_type(config: Mapping[str, Any]) -> str:
    """Return the type of API, which may be written in any case."""
    return str(config.get("openai_api_type") or "openai").lower()


def with_version(query: str, version: Any) -> str:
    """Return the query of a base URL with the version of the API, unless it names one itself."""
    if not version or "api-version" in parse_qs(query):
        return query
    return "&".join(filter(None, (query, urlencode({"api-version": version}))))


def _check_type_and_needs(config: Mapping[str, Any]) -> Iterator[SettingProblem]:
    api_type = _api_type(config)
    if api_type not in _API_TYPES:
        allowed = ", ".join(_API_TYPES)
        yield SettingProblem("openai_api_type", "openai_api_type is unknown", f"use one of: {allowed}")
    why = ""
    needed: tuple[str, ...] = () if config.get("openai_api_base") else ("openai_api_key",)
    if api_type in ("azure", "azuread"):
        needed, why = _AZURE_NEEDS, f", which openai_api_type {api_type} needs"
    for setting in _SETTINGS:
        if setting.name in needed and not config.get(setting.name):
            yield SettingProblem(setting.name, f"{setting.name} is missing{why}", f"add it: {setting.help}")
