"""One deployment of a LiteLLM proxy (`litellm_params`) as one of our models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .written import literal

_ENVIRONMENT = "os.environ/"


@dataclass(frozen=True, slots=True)
class Service:
    """Our name of LiteLLM's provider, the prefix of its settings, and the variable that has its key."""

    provider: str
    prefix: str
    variable: str | None


def _service(provider: str, prefix: str | None = None, variable: str | None = "") -> Service:
    prefix = prefix or provider.replace("-", "_").replace(".", "_")
    return Service(provider, prefix, f"{prefix.upper()}_API_KEY" if variable == "" else variable)


SERVICES: Mapping[str, Service] = {
    "openai": _service("openai"),
    "text-completion-openai": _service("openai"),
    "custom_openai": _service("openai", variable=None),
    "openai_like": _service("openai", variable=None),
    "azure": _service("azure"),
    "azure_text": _service("azure"),
    "anthropic": _service("anthropic"),
    "gemini": _service("gemini"),
    "vertex_ai": _service("vertex-ai", "vertex", None),
    "bedrock": _service("bedrock", "bedrock", None),
    "cohere": _service("cohere"),
    "cohere_chat": _service("cohere"),
    "mistral": _service("mistral"),
    "groq": _service("groq"),
    "deepseek": _service("deepseek"),
    "xai": _service("xai"),
    "openrouter": _service("openrouter"),
    "perplexity": _service("perplexity", variable="PERPLEXITYAI_API_KEY"),
    "cerebras": _service("cerebras"),
    "sambanova": _service("sambanova"),
    "moonshot": _service("moonshot"),
    "ai21": _service("ai21labs", variable="AI21_API_KEY"),
    "ai21_chat": _service("ai21labs", variable="AI21_API_KEY"),
    "together_ai": _service("togetherai"),
    "fireworks_ai": _service("fireworks", variable="FIREWORKS_AI_API_KEY"),
    "nvidia_nim": _service("nvidia", variable="NVIDIA_NIM_API_KEY"),
    "dashscope": _service("qwen", variable="DASHSCOPE_API_KEY"),
    "zai": _service("zhipu", variable="ZAI_API_KEY"),
    "ollama": _service("ollama", variable=None),
    "ollama_chat": _service("ollama", variable=None),
    "hosted_vllm": _service("vllm", variable=None),
    "vllm": _service("vllm", variable=None),
    "lm_studio": _service("lm-studio", variable=None),
    "huggingface": _service("tgi", "huggingface_text_generation_inference", None),
    "litellm_proxy": _service("litellm", variable=None),
}

_BY_BEGINNING = {"claude": "anthropic", "gemini": "gemini", "command": "cohere", "mistral": "mistral"}
"""LiteLLM knows some models without a provider in front; others are OpenAI's."""

_VERTEX = ("vertex_project", "vertex_location", "vertex_credentials")
_OF_ONE = (
    ("azure", "api_version", "azure_api_version"),
    ("openai", "organization", "openai_organization"),
)
"""Settings of a single provider: whose, LiteLLM's name, ours."""

_AWS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")


def value_of(given: object) -> Any:
    """Return a value of LiteLLM's file as ours: `os.environ/NAME` is `$NAME`."""
    if isinstance(given, str):
        if given.startswith(_ENVIRONMENT):
            return f"${given.removeprefix(_ENVIRONMENT)}"
        return literal(given)
    return given


def model_of(params: dict[str, Any]) -> tuple[dict[str, Any] | None, str | None]:
    """Return our `model` of a deployment, and a note; takes the keys that it understands out of `params`."""
    provider, name = _provider_and_name(params)
    note = None
    if provider not in SERVICES:
        if not params.keys() & {"api_base", "base_url"}:
            return (
                None,
                f"dropped: there is no provider {provider!r} here, and no api_base to call it as OpenAI's",
            )
        note = f"provider {provider!r} is called as OpenAI's, at its api_base"
        provider = "openai_like"
    if "*" in name:
        return None, "dropped: an endpoint asks for one model; name each that callers use"
    service = SERVICES[provider]
    return {"provider": service.provider, "name": name, "config": _config_of(service, params)}, note


def _provider_and_name(params: dict[str, Any]) -> tuple[str, str]:
    """Return LiteLLM's provider of a deployment and the model's name there: `azure/gpt-4o` says both."""
    named = str(params.pop("model", ""))
    before, slash, after = named.partition("/")
    stated = params.pop("custom_llm_provider", None)
    if stated is not None:
        return str(stated), after if before == stated else named
    if slash:
        return before, after
    return next((one for start, one in _BY_BEGINNING.items() if named.startswith(start)), "openai"), named


def _config_of(service: Service, params: dict[str, Any]) -> dict[str, Any]:
    if service.provider == "bedrock":
        return {"aws_config": _aws_config(params)}
    base = params.pop("api_base", None) or params.pop("base_url", None)
    if service.provider == "vertex-ai":
        config = {key: value_of(params.pop(key)) for key in _VERTEX if key in params}
    else:
        config = _key_of(service, params)
    if base is not None:
        config[f"{service.prefix}_api_base"] = value_of(base)
    for provider, theirs, ours in _OF_ONE:
        if service.provider == provider and theirs in params:
            config[ours] = value_of(params.pop(theirs))
    return config


def _key_of(service: Service, params: dict[str, Any]) -> dict[str, Any]:
    key = value_of(params.pop("api_key", None)) or (f"${service.variable}" if service.variable else None)
    if key is None and service.provider == "openai":
        key = "not-needed"
    return {} if key is None else {f"{service.prefix}_api_key": key}


def _aws_config(params: dict[str, Any]) -> dict[str, Any]:
    aws = {"aws_region": value_of(params.pop("aws_region_name", "$AWS_REGION"))}
    aws.update({key: value_of(params.pop(key)) for key in _AWS if key in params})
    if "aws_role_name" in params:
        aws["aws_role_arn"] = value_of(params.pop("aws_role_name"))
    return aws
