"""A LiteLLM proxy's YAML as our configuration.

Its format: https://docs.litellm.ai/docs/proxy/config_settings
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from .litellm_models import model_of, value_of
from .written import Imported, UnreadableConfigError, name_of, per_million, seconds

_TYPES = {
    None: "llm/v1/chat",
    "chat": "llm/v1/chat",
    "embedding": "llm/v1/embeddings",
    "completion": "llm/v1/completions",
}
_STRATEGIES = {
    "simple-shuffle": "LEAST_BUSY",
    "least-busy": "LEAST_BUSY",
    "usage-based-routing": "LEAST_BUSY",
    "usage-based-routing-v2": "LEAST_BUSY",
    "latency-based-routing": "LATENCY",
}
_PERIODS = {"1d": "day", "24h": "day", "7d": "week", "1w": "week", "30d": "month", "1mo": "month"}
_PRICES = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cached_input",
    "cache_creation_input_token_cost": "cache_write",
}
_KEY_CHARACTERS = 16
"""The shortest key that callers may have here."""


@dataclass(slots=True)
class _Import:
    source: Mapping[str, Any]
    made: Imported = field(default_factory=Imported)
    groups: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Endpoints by the name that callers ask for."""

    def section(self, name: str) -> dict[str, Any]:
        found = self.source.get(name) or {}
        if not isinstance(found, dict):
            raise UnreadableConfigError(f"{name} must be a mapping")
        return dict(found)

    @property
    def endpoints(self) -> Iterator[dict[str, Any]]:
        for group in self.groups.values():
            yield from group


def from_litellm(text: str) -> Imported:
    """Return our configuration. Raises UnreadableConfigError where nothing of the file can be served."""
    try:
        source = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UnreadableConfigError(f"not valid YAML: {error}") from error
    if not isinstance(source, dict) or not isinstance(source.get("model_list"), list):
        raise UnreadableConfigError("there is no model_list: is this the configuration of a LiteLLM proxy?")
    this = _Import(source)
    for index, entry in enumerate(source["model_list"]):
        _add_deployment(this, f"model_list[{index}]", entry)
    if not this.groups:
        raise UnreadableConfigError("\n".join(["no model can be imported:", *this.made.notes]))
    settings, router = this.section("litellm_settings"), this.section("router_settings")
    _add_policies(this, settings, router)
    this.made.config["endpoints"] = list(this.endpoints)
    _add_routes(this, router)
    _name_fallbacks(this)
    _add_rest(this, settings, router)
    return this.made


def _add_deployment(this: _Import, place: str, entry: Any) -> None:
    if not isinstance(entry, dict) or not isinstance(entry.get("litellm_params"), dict):
        this.made.note(place, "dropped: it has no litellm_params")
        return
    params, info = dict(entry["litellm_params"]), dict(entry.get("model_info") or {})
    mode = info.pop("mode", None) or ("embedding" if "embed" in str(params.get("model")) else None)
    if mode not in _TYPES:
        this.made.note(place, f"dropped: its mode {mode!r} is served by no endpoint type")
        return
    group = name_of(entry.get("model_name", params.get("model")))
    if group != entry.get("model_name"):
        this.made.note(f"{place}.model_name", f"renamed to {group!r}: names have no other characters here")
    model, note = model_of(params)
    if note is not None:
        this.made.note(f"{place}.litellm_params.model", note)
    if model is None:
        return
    endpoint = {
        "name": group,
        "endpoint_type": _TYPES[mode],
        "model": model,
        **_limits(params),
        **_prices(params, info),
    }
    endpoint.update(_budget(this.made, f"{place}.litellm_params", params))
    if "weight" in params:
        endpoint["weight"] = params.pop("weight")
    others = this.groups.setdefault(group, [])
    if others and others[0]["endpoint_type"] != endpoint["endpoint_type"]:
        this.made.note(place, f"dropped: {group!r} has another endpoint type above")
        return
    others.append(endpoint)
    this.made.dropped(f"{place}.litellm_params", params)
    info.pop("id", None)
    this.made.dropped(f"{place}.model_info", info)


def _limits(params: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    limits = [
        {ours: int(params.pop(theirs)), "renewal_period": "minute"}
        for ours, theirs in (("calls", "rpm"), ("tokens", "tpm"))
        if params.get(theirs)
    ]
    if limits:
        found["limit"] = limits[0] if len(limits) == 1 else limits
    timeouts = {"total": params.pop("timeout", None), "first_token": params.pop("stream_timeout", None)}
    timeout = {key: seconds(value) for key, value in timeouts.items() if isinstance(value, int | float)}
    if timeout:
        found["timeout"] = timeout
    retries = params.pop("max_retries", None)
    if isinstance(retries, int) and retries > 0:
        found["retry"] = {"attempts": retries + 1}
    return found


def _prices(params: dict[str, Any], info: dict[str, Any]) -> dict[str, Any]:
    price = {
        ours: per_million(given)
        for theirs, ours in _PRICES.items()
        if (given := params.pop(theirs, info.pop(theirs, None))) is not None
    }
    return {"price": {"input": 0, "output": 0, **price, "per": "1M"}} if price else {}


def _budget(made: Imported, place: str, params: dict[str, Any]) -> dict[str, Any]:
    amount, duration = params.pop("max_budget", None), params.pop("budget_duration", None)
    if amount is None:
        return {}
    if str(duration) not in _PERIODS:
        made.note(
            f"{place}.budget_duration", f"dropped with max_budget: {duration!r} is not a day, week or month"
        )
        return {}
    return {"budget": {"amount": amount, "period": _PERIODS[str(duration)]}}


def _add_policies(this: _Import, settings: dict[str, Any], router: dict[str, Any]) -> None:
    """Give all endpoints what LiteLLM says once for all of them."""
    retries = router.pop("num_retries", settings.pop("num_retries", None))
    settings.pop("num_retries", None)
    timeout = router.pop("timeout", settings.pop("request_timeout", None))
    settings.pop("request_timeout", None)
    drops = bool(settings.pop("drop_params", False))
    for endpoint in this.endpoints:
        if isinstance(retries, int) and retries > 0:
            endpoint.setdefault("retry", {"attempts": retries + 1})
        if isinstance(timeout, int | float):
            endpoint.setdefault("timeout", {}).setdefault("total", seconds(timeout))
        if drops:
            endpoint["unsupported"] = "drop"
    for place, section in (("litellm_settings", settings), ("router_settings", router)):
        _add_fallbacks(this, f"{place}.fallbacks", section.pop("fallbacks", None) or [])
        everywhere = section.pop("default_fallbacks", None) or []
        _add_fallbacks(this, f"{place}.default_fallbacks", [{name: everywhere} for name in this.groups])


def _add_fallbacks(this: _Import, place: str, given: list[dict[str, list[str]]]) -> None:
    for name, names in ((name_of(name), names) for one in given for name, names in one.items()):
        for other in map(name_of, names):
            if other == name:
                continue
            if name not in this.groups or other not in this.groups:
                this.made.note(place, f"dropped {name!r} to {other!r}: both must be imported models")
            elif this.groups[name][0]["endpoint_type"] != this.groups[other][0]["endpoint_type"]:
                this.made.note(place, f"dropped {name!r} to {other!r}: they have different endpoint types")
            elif name in _reached(this, other):
                this.made.note(place, f"dropped {name!r} to {other!r}: fallbacks may not form a cycle")
            else:
                for endpoint in this.groups[name]:
                    endpoint.setdefault("fallback_groups", []).append(other)


def _reached(this: _Import, group: str) -> set[str]:
    """Return the groups that fallbacks lead to from one, itself included."""
    found, waiting = set(), [group]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += this.groups[one][0].get("fallback_groups", [])
    return found


def _add_routes(this: _Import, router: dict[str, Any]) -> None:
    """Name endpoints; a group of several and every alias become a route."""
    given = router.pop("routing_strategy", "simple-shuffle")
    strategy = _STRATEGIES.get(given)
    if strategy is None:
        this.made.note("router_settings.routing_strategy", f"{given!r} has no equivalent: LEAST_BUSY instead")
    routes = []
    for group, endpoints in this.groups.items():
        if len(endpoints) > 1:
            for number, endpoint in enumerate(endpoints, start=1):
                endpoint["name"] = f"{group}-{number}"
            routes.append(_route(group, endpoints, strategy or "LEAST_BUSY"))
    for alias, target in (router.pop("model_group_alias", None) or {}).items():
        group = name_of(target["model"] if isinstance(target, dict) else target)
        if group not in this.groups:
            this.made.note(
                f"router_settings.model_group_alias.{alias}", f"dropped: {group!r} is not imported"
            )
            continue
        routes.append(_route(name_of(alias), this.groups[group], strategy or "LEAST_BUSY"))
    if routes:
        this.made.config["routes"] = routes


def _name_fallbacks(this: _Import) -> None:
    """Write fallbacks by the endpoints' final names, and take away what only routes needed."""
    for endpoint in this.endpoints:
        endpoint.pop("weight", None)
        groups = endpoint.pop("fallback_groups", None)
        if groups:
            endpoint["fallback"] = list(
                dict.fromkeys(one["name"] for group in groups for one in this.groups[group])
            )


def _route(name: str, endpoints: list[dict[str, Any]], strategy: str) -> dict[str, Any]:
    weights = [endpoint.get("weight") for endpoint in endpoints]
    destinations: list[dict[str, Any]] = [{"name": endpoint["name"]} for endpoint in endpoints]
    if len(endpoints) == 1:
        strategy = "FALLBACK"
    elif all(isinstance(weight, int | float) and weight > 0 for weight in weights):
        for destination, weight in zip(destinations, weights, strict=True):
            destination["traffic_percentage"] = weight
    kind = endpoints[0]["endpoint_type"]
    return {"name": name, "task_type": kind, "destinations": destinations, "routing_strategy": strategy}


def _add_rest(this: _Import, settings: dict[str, Any], router: dict[str, Any]) -> None:
    general = this.section("general_settings")
    master = value_of(general.pop("master_key", None))
    if isinstance(master, str) and not master.startswith("$") and len(master) < _KEY_CHARACTERS:
        this.made.note(
            "general_settings.master_key",
            "dropped: shorter than 16 characters; `tollway keys new` makes a key",
        )
    elif master is not None:
        this.made.config["auth"] = {"keys": [{"name": "master", "key": master}]}
        this.made.note(
            "general_settings.master_key", "became the callers' key 'master'; add auth.admin_key, another one"
        )
    url = _redis_url(this, router)
    if url is not None:
        this.made.config["limits"] = {"storage": url}
    amount = settings.pop("max_budget", None)
    settings.pop("budget_duration", None)
    if amount is not None:
        this.made.note(
            "litellm_settings.max_budget",
            "dropped: budgets belong to endpoints, routes and keys; see docs/budgets.md",
        )
    if general.pop("database_url", None) is not None:
        this.made.note(
            "general_settings.database_url",
            "dropped: keys and budgets stand in the file; add callers' keys to auth.keys",
        )
    for place, section in (
        ("litellm_settings", settings),
        ("router_settings", router),
        ("general_settings", general),
    ):
        this.made.dropped(place, section)
    known = {"model_list", "litellm_settings", "router_settings", "general_settings"}
    this.made.dropped("", {key: None for key in this.source if key not in known})


def _redis_url(this: _Import, router: dict[str, Any]) -> str | None:
    if "redis_url" in router:
        return str(value_of(router.pop("redis_url")))
    host, port, password = (router.pop(f"redis_{key}", None) for key in ("host", "port", "password"))
    if host is None:
        return None
    plain = not any(str(part).startswith("os.environ/") for part in (host, port))
    if not plain or password is not None:
        this.made.note(
            "router_settings.redis_host",
            "became limits.storage: $REDIS_URL, such as redis://:password@host:6379",
        )
        return "$REDIS_URL"
    return f"redis://{host}:{port or 6379}"
