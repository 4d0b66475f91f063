"""TensorZero's configuration becomes one that the gateway takes, and nothing of it is lost silently."""

from __future__ import annotations

from pathlib import Path

import pytest

from tollway.gateway.config import load
from tollway.gateway.importing import UnreadableConfigError, from_tensorzero

FULL = """
[gateway]
bind_address = "0.0.0.0:3000"

[models.gpt]
routing = ["openai", "azure"]
timeouts = { non_streaming = { total_ms = 30000 }, streaming = { ttft_ms = 800 } }

[models.gpt.providers.azure]
type = "azure"
deployment_id = "gpt-eu"
endpoint = "https://eu.example"

[models.gpt.providers.openai]
type = "openai"
model_name = "gpt-4o"
api_key_location = "env::SHOP_OPENAI_KEY"
cost = [{ pointer = "/usage/prompt_tokens", cost_per_million = 2.5 }]

[models.claude]
routing = ["anthropic"]
[models.claude.providers.anthropic]
type = "anthropic"
model_name = "claude-sonnet-5"
beta_structured_outputs = true

[embedding_models.embedder]
routing = ["openai"]
[embedding_models.embedder.providers.openai]
type = "openai"
model_name = "text-embedding-3-small"

[functions.draft]
type = "chat"
[functions.draft.variants.a]
type = "chat_completion"
model = "gpt"
weight = 2
retries = { num_retries = 2, max_delay_s = 5 }
[functions.draft.variants.b]
type = "chat_completion"
model = "claude"
weight = 1
temperature = 0.5
[functions.draft.variants.c]
type = "experimental_best_of_n_sampling"

[metrics.good]
type = "boolean"
"""


def test_what_is_written_passes_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("SHOP_OPENAI_KEY", "AZURE_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "k")
    path = tmp_path / "gateway-config.yaml"
    path.write_text(from_tensorzero(FULL).yaml("tensorzero"))
    config = load(path)
    assert ["gpt", "gpt-azure", "claude", "embedder"] == [one.name for one in config.endpoints]


def test_models_are_endpoints_and_their_further_providers_fallbacks():
    gpt, azure, claude, _ = from_tensorzero(FULL).config["endpoints"]
    assert ("gpt-4o", ["gpt-azure"]) == (gpt["model"]["name"], gpt["fallback"])
    assert {"openai_api_key": "$SHOP_OPENAI_KEY"} == gpt["model"]["config"]
    assert {"input": 2.5, "output": 0, "per": "1M"} == gpt["price"]
    assert {"total": "30000ms", "first_token": "800ms"} == gpt["timeout"] == azure["timeout"]
    assert {"attempts": 3} == gpt["retry"]
    assert {"anthropic_api_key": "$ANTHROPIC_API_KEY"} == claude["model"]["config"]


def test_clients_go_on_with_tensorzeros_names():
    """A function with weights is a split whose shares are whole and together 100."""
    routes = {route["name"]: route for route in from_tensorzero(FULL).config["routes"]}
    assert [{"name": "gpt"}] == routes["tensorzero::model_name::gpt"]["destinations"]
    draft = routes["tensorzero::function_name::draft"]
    assert ("TRAFFIC_SPLIT", [67, 33]) == (
        draft["routing_strategy"],
        [one["traffic_percentage"] for one in draft["destinations"]],
    )


def test_every_dropped_key_is_noted_with_its_place():
    notes = "\n".join(from_tensorzero(FULL).notes)
    for place in (
        "models.claude.providers.anthropic.beta_structured_outputs: dropped",
        "functions.draft.variants.b.temperature: dropped",
        "functions.draft.variants.c: dropped",
        "gateway: dropped",
        "metrics: dropped",
    ):
        assert place in notes


@pytest.mark.parametrize(
    ("text", "said"),
    [("a = [", "not valid TOML"), ("[models.m.providers.p]\ntype = 'x'", "no provider for type 'x'")],
)
def test_what_cannot_be_imported_says_why(text: str, said: str):
    with pytest.raises(UnreadableConfigError, match=said):
        from_tensorzero(text)
