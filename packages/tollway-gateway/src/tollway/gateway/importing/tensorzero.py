"""TensorZero's TOML as our configuration.

Models become endpoints, their further providers fallbacks, functions routes. Clients go on asking for
`tensorzero::model_name::NAME` and `tensorzero::function_name::NAME`, which are routes here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .written import Imported, UnreadableConfigError, literal, name_of, per_million

_CHAT, _EMBEDDINGS = "llm/v1/chat", "llm/v1/embeddings"


@dataclass(frozen=True, slots=True)
class _Service:
    provider: str
    prefix: str
    variable: str | None


_SERVICES: Mapping[str, _Service] = {
    "openai": _Service("openai", "openai", "OPENAI_API_KEY"),
    "azure": _Service("azure", "azure", "AZURE_API_KEY"),
    "anthropic": _Service("anthropic", "anthropic", "ANTHROPIC_API_KEY"),
    "google_ai_studio_gemini": _Service("gemini", "gemini", "GOOGLE_AI_STUDIO_API_KEY"),
    "gcp_vertex_gemini": _Service("vertex-ai", "vertex", None),
    "aws_bedrock": _Service("bedrock", "bedrock", None),
    "mistral": _Service("mistral", "mistral", "MISTRAL_API_KEY"),
    "groq": _Service("groq", "groq", "GROQ_API_KEY"),
    "deepseek": _Service("deepseek", "deepseek", "DEEPSEEK_API_KEY"),
    "xai": _Service("xai", "xai", "XAI_API_KEY"),
    "openrouter": _Service("openrouter", "openrouter", "OPENROUTER_API_KEY"),
    "together": _Service("togetherai", "togetherai", "TOGETHER_API_KEY"),
    "fireworks": _Service("fireworks", "fireworks", "FIREWORKS_API_KEY"),
    "vllm": _Service("vllm", "vllm", "VLLM_API_KEY"),
    "tgi": _Service("tgi", "huggingface_text_generation_inference", "TGI_API_KEY"),
}


@dataclass(slots=True)
class _Import:
    made: Imported = field(default_factory=Imported)
    endpoints: dict[str, dict[str, Any]] = field(default_factory=dict)
    routes: list[dict[str, Any]] = field(default_factory=list)


def from_tensorzero(text: str) -> Imported:
    """Return our configuration. Raises UnreadableConfigError where nothing of the file can be served."""
    try:
        source = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UnreadableConfigError(f"not valid TOML: {error}") from error
    this = _Import()
    for section, kind in (("models", _CHAT), ("embedding_models", _EMBEDDINGS)):
        for name, model in source.pop(section, {}).items():
            _add_model(this, f"{section}.{name}", name_of(name), kind, dict(model))
    if not this.endpoints:
        raise UnreadableConfigError("\n".join(["no model can be imported:", *this.made.notes]))
    for name, function in source.pop("functions", {}).items():
        _add_function(this, f"functions.{name}", name_of(name), dict(function))
    this.made.config["endpoints"] = list(this.endpoints.values())
    if this.routes:
        this.made.config["routes"] = this.routes
    this.made.dropped("", source)
    return this.made


def _add_model(this: _Import, place: str, name: str, kind: str, model: dict[str, Any]) -> None:
    providers = model.pop("providers", {})
    order = model.pop("routing", list(providers))
    made: list[dict[str, Any]] = []
    for one in order:
        found = _model_of(this, f"{place}.providers.{one}", dict(providers.get(one, {})))
        if found is not None:
            named = name if not made else f"{name}-{name_of(one)}"
            made.append({"name": named, "endpoint_type": kind, **found})
    timeouts = _timeouts(model.pop("timeouts", {}))
    for endpoint in made:
        if timeouts:
            endpoint["timeout"] = timeouts
        this.endpoints[endpoint["name"]] = endpoint
    if made:
        if len(made) > 1:
            made[0]["fallback"] = [endpoint["name"] for endpoint in made[1:]]
        _add_route(this, f"tensorzero::model_name::{name}", kind, [{"name": name}], "FALLBACK")
    this.made.dropped(place, model)


def _model_of(this: _Import, place: str, provider: dict[str, Any]) -> dict[str, Any] | None:
    kind = provider.pop("type", None)
    service = _SERVICES.get(str(kind))
    if service is None:
        this.made.note(place, f"dropped: there is no provider for type {kind!r} here")
        return None
    named = next(
        (provider.pop(key) for key in ("model_name", "model_id", "deployment_id") if key in provider), None
    )
    model = {"provider": service.provider, "name": str(named), "config": _config_of(service, provider)}
    found: dict[str, Any] = {"model": model, **_prices(provider.pop("cost", None))}
    this.made.dropped(place, provider)
    return found


def _config_of(service: _Service, provider: dict[str, Any]) -> dict[str, Any]:
    if service.provider == "bedrock":
        return {"aws_config": {"aws_region": provider.pop("region", "us-east-1")}}
    if service.provider == "vertex-ai":
        taken = {"project_id": "vertex_project", "location": "vertex_location"}
        return {ours: literal(provider.pop(theirs)) for theirs, ours in taken.items() if theirs in provider}
    config: dict[str, Any] = {}
    location = str(provider.pop("api_key_location", ""))
    if location == "none":
        config[f"{service.prefix}_api_key"] = "not-needed"
    elif location.startswith("env::"):
        config[f"{service.prefix}_api_key"] = f"${location.removeprefix('env::')}"
    elif location.startswith("path::"):
        config[f"{service.prefix}_api_key"] = location.removeprefix("path::")
    elif service.variable is not None:
        config[f"{service.prefix}_api_key"] = f"${service.variable}"
    base = next((provider.pop(key) for key in ("api_base", "endpoint") if key in provider), None)
    if base is not None:
        config[f"{service.prefix}_api_base"] = literal(base)
    return config


def _prices(cost: Any) -> dict[str, Any]:
    """Return the price, from costs such as `{pointer = "/usage/prompt_tokens", cost_per_million = 3}`."""
    pointers = {"/usage/prompt_tokens": "input", "/usage/completion_tokens": "output"}
    price: dict[str, Any] = {}
    for one in cost if isinstance(cost, list) else ():
        tier = pointers.get(one.get("pointer"))
        if tier and "cost_per_million" in one:
            price[tier] = one["cost_per_million"]
        elif tier and "cost_per_unit" in one:
            price[tier] = per_million(one["cost_per_unit"])
    return {"price": {"input": 0, "output": 0, **price, "per": "1M"}} if price else {}


def _timeouts(timeouts: Mapping[str, Any]) -> dict[str, str]:
    total = timeouts.get("non_streaming", {}).get("total_ms")
    first = timeouts.get("streaming", {}).get("ttft_ms")
    return {
        key: f"{value}ms" for key, value in (("total", total), ("first_token", first)) if value is not None
    }


def _add_function(this: _Import, place: str, name: str, function: dict[str, Any]) -> None:
    weights: dict[str, float] = {}
    for variant_name, found in function.pop("variants", {}).items():
        variant = dict(found)
        at = f"{place}.variants.{variant_name}"
        model = name_of(variant.pop("model", ""))
        kind = variant.pop("type", None)
        if kind != "chat_completion" or model not in this.endpoints:
            this.made.note(at, "dropped: only chat completions by an imported model can be routed")
            continue
        weights[model] = weights.get(model, 0) + float(variant.pop("weight", 0) or 0)
        retries = variant.pop("retries", {}).get("num_retries")
        if retries:
            this.endpoints[model].setdefault("retry", {"attempts": retries + 1})
        this.made.dropped(at, variant, "templates, schemas and parameters belong into the caller's request")
    function.pop("type", None)
    this.made.dropped(place, function)
    if weights:
        _add_route(this, f"tensorzero::function_name::{name}", _CHAT, *_by_weight(weights))


def _by_weight(weights: dict[str, float]) -> tuple[list[dict[str, Any]], str]:
    """Return destinations and strategy: shares that are whole and together 100, or an order of fallbacks."""
    total = sum(weights.values())
    used = {name: weight for name, weight in weights.items() if weight > 0}
    if len(used) < 2:
        return [{"name": name} for name in used or weights], "FALLBACK"
    shares = {name: round(100 * weight / total) for name, weight in used.items()}
    last = next(reversed(shares))
    shares[last] += 100 - sum(shares.values())
    return [{"name": name, "traffic_percentage": share} for name, share in shares.items()], "TRAFFIC_SPLIT"


def _add_route(
    this: _Import, name: str, kind: str, destinations: list[dict[str, Any]], strategy: str
) -> None:
    this.routes.append(
        {"name": name, "task_type": kind, "destinations": destinations, "routing_strategy": strategy}
    )
