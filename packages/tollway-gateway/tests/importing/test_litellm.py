"""A LiteLLM proxy's configuration becomes one that the gateway takes, and nothing of it is lost silently."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tollway.gateway.config import load
from tollway.gateway.importing import UnreadableConfigError, from_litellm

FULL = """
model_list:
  - model_name: gpt-4o
    litellm_params: {model: azure/gpt-4o-eu, api_base: https://eu.example, api_key: os.environ/AZURE_KEY,
                     api_version: "2025-01-01", rpm: 60, tpm: 10000, weight: 2, tpm_window: 5}
  - model_name: gpt-4o
    litellm_params: {model: openai/gpt-4o, api_key: $ecret, timeout: 30, stream_timeout: 5.5,
                     max_retries: 2, weight: 1}
  - model_name: claude
    litellm_params: {model: claude-sonnet-5, input_cost_per_token: 0.000003, output_cost_per_token: 0.000015,
                     max_budget: 10, budget_duration: 1d}
  - model_name: own
    litellm_params: {model: strange/model, api_base: http://127.0.0.1:9/v1}
  - model_name: embedder
    litellm_params: {model: bedrock/amazon.titan-embed-text-v2:0, aws_region_name: eu-west-1}
  - model_name: painter
    litellm_params: {model: openai/gpt-image-1}
    model_info: {mode: image_generation}
  - model_name: "openai/*"
    litellm_params: {model: "openai/*"}
litellm_settings:
  drop_params: true
  num_retries: 1
  fallbacks: [{gpt-4o: [claude]}, {claude: [gpt-4o]}, {claude: [embedder]}, {claude: [nobody]}]
  success_callback: [langfuse]
router_settings:
  routing_strategy: latency-based-routing
  model_group_alias: {gpt-4: gpt-4o, lost: nobody}
  redis_host: redis.example
general_settings:
  master_key: os.environ/MASTER_KEY
  database_url: os.environ/DATABASE_URL
"""


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_KEY", "ANTHROPIC_API_KEY", "MASTER_KEY"):
        monkeypatch.setenv(name, f"a-key-of-16-characters-{name.lower()}")


def endpoints(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {endpoint["name"]: endpoint for endpoint in config["endpoints"]}


@pytest.mark.usefixtures("environ")
def test_what_is_written_passes_the_check(tmp_path: Path):
    path = tmp_path / "gateway-config.yaml"
    path.write_text(from_litellm(FULL).yaml("litellm"))
    config = load(path)
    assert ["gpt-4o-1", "gpt-4o-2", "claude", "own", "embedder"] == [one.name for one in config.endpoints]
    assert ["gpt-4o", "gpt-4"] == [one.name for one in config.routes]


def test_keys_limits_times_and_prices_are_taken():
    """Keys of the environment, calls and tokens a minute, timeouts, retries, prices and daily budgets."""
    made = endpoints(from_litellm(FULL).config)
    azure, openai, claude = made["gpt-4o-1"], made["gpt-4o-2"], made["claude"]
    assert {
        "azure_api_key": "$AZURE_KEY",
        "azure_api_base": "https://eu.example",
        "azure_api_version": "2025-01-01",
    } == azure["model"]["config"]
    assert [
        {"calls": 60, "renewal_period": "minute"},
        {"tokens": 10000, "renewal_period": "minute"},
    ] == azure["limit"]
    assert {"openai_api_key": "$$ecret"} == openai["model"]["config"]
    assert {"total": "30s", "first_token": "5.5s"} == openai["timeout"]
    assert ({"attempts": 3}, {"attempts": 2}) == (openai["retry"], azure["retry"])
    assert {"input": 3, "output": 15, "per": "1M"} == claude["price"]
    assert {"amount": 10, "period": "day"} == claude["budget"]
    assert {"anthropic_api_key": "$ANTHROPIC_API_KEY"} == claude["model"]["config"]
    assert {"drop"} == {endpoint["unsupported"] for endpoint in made.values()}


def test_groups_and_aliases_become_routes():
    """A group of two deployments is a route by its strategy and weights; so is its alias."""
    route, alias = from_litellm(FULL).config["routes"]
    assert [
        {"name": "gpt-4o-1", "traffic_percentage": 2},
        {"name": "gpt-4o-2", "traffic_percentage": 1},
    ] == route["destinations"]
    assert ("LATENCY", "gpt-4") == (route["routing_strategy"], alias["name"])
    assert route["destinations"] == alias["destinations"]


def test_fallbacks_lead_on_and_never_back():
    imported = from_litellm(FULL)
    made = endpoints(imported.config)
    assert ["claude"] == made["gpt-4o-1"]["fallback"] == made["gpt-4o-2"]["fallback"]
    assert "fallback" not in made["claude"]
    notes = [note for note in imported.notes if "litellm_settings.fallbacks" in note]
    assert ["cycle", "different endpoint types", "must be imported models"] == [
        next(
            word for word in ("cycle", "different endpoint types", "must be imported models") if word in note
        )
        for note in notes
    ]


def test_every_dropped_key_is_noted_with_its_place():
    notes = "\n".join(from_litellm(FULL).notes)
    for place in (
        "model_list[0].litellm_params.tpm_window: dropped",
        "model_list[3].litellm_params.model: provider 'strange' is called as OpenAI's",
        "model_list[5]: dropped: its mode 'image_generation'",
        "model_list[6].litellm_params.model: dropped",
        "litellm_settings.success_callback: dropped",
        "router_settings.model_group_alias.lost: dropped",
        "general_settings.database_url: dropped",
    ):
        assert place in notes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "not valid YAML"),
        ("[]", "there is no model_list"),
        ("model_list: [{model_name: a, litellm_params: {model: 'unknown/x'}}]", "no provider 'unknown' here"),
    ],
)
def test_what_cannot_be_imported_says_why(text: str, said: str):
    with pytest.raises(UnreadableConfigError, match=said):
        from_litellm(text)
