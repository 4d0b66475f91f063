"""`tollway gateway explain`: what a request meets, without asking anybody."""

from __future__ import annotations

from pathlib import Path

import pytest

CONFIG = """\
endpoints:
  - name: primary
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: gpt-4, config: {openai_api_key: k}}
    limit: {calls: 30, renewal_period: minute, burst: 10}
    timeout: {connect: 5s, first_token: 15s, idle: 30s, total: 300s}
    retry: {attempts: 3, backoff: 500ms, max_backoff: 8s, budget: 20%}
    hedge: {after: p95, budget: 5%}
    concurrency: {max_in_flight: 8, max_queue: 4, max_wait: 2s}
    stream_recovery: continue
    fallback: [backup]
  - name: backup
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: gpt-3, config: {openai_api_key: k}}
routes:
  - name: balanced
    task_type: llm/v1/chat
    destinations: [{name: primary, traffic_percentage: 80}, {name: backup, traffic_percentage: 20}]
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "gateway.yaml"
    path.write_text(CONFIG)
    return str(path)


def test_an_endpoint_shows_its_candidates_and_their_policies(tollway, config: str):
    said = tollway("gateway", "explain", "--config-path", config, "--endpoint", "primary").stdout
    for expected in (
        "primary (openai, gpt-4)",
        "backup (openai, gpt-3), fallback",
        "limit: 30 calls in 60 s, burst 10",
        "price: input 30, output 60 USD for 1M tokens (genai-prices)",
        "price: not known: answers have no cost; add price",
        "timeout: connect 5 s, first token 15 s, idle 30 s, total 300 s for all attempts",
        "retry: 3 attempts, backoff 0.5 s to 8 s, at most 20% of the upstream's requests",
        "hedge: after p95, at most 5% of the endpoint's requests",
        "concurrency: 8 in flight, 4 waiting for at most 2 s, beyond that 503",
        "a stream that breaks: a fallback that takes a prefill continues",
    ):
        assert expected in said
    assert said.index("gpt-4") < said.index("gpt-3")


def test_own_prices_are_shown_exactly(tollway, config: str):
    path = Path(config)
    price = "    price: {input: 0.15, output: 0.6, cached_input: 0.075, request: 0.001}\n"
    path.write_text(CONFIG.replace("routes:\n", f"{price}routes:\n"))

    said = tollway("gateway", "explain", "--config-path", config, "--endpoint", "backup").stdout

    expected = "input 0.15, output 0.6, cached input 0.075 USD for 1M tokens, 0.001 USD a request"
    assert f"price: {expected} (of the configuration)" in said


def test_a_route_shows_its_strategy_and_shares(tollway, config: str):
    said = tollway("gateway", "explain", "--config-path", config, "--endpoint", "balanced").stdout
    for expected in ("strategy: TRAFFIC_SPLIT", "gpt-4), 80 % of the traffic", "gpt-3), 20 % of the traffic"):
        assert expected in said


def test_no_secret_is_shown(tollway, config: str):
    said = tollway("gateway", "explain", "--config-path", config, "--endpoint", "balanced").stdout
    assert "api_key" not in said


def test_an_unknown_name_is_refused_with_those_there_are(tollway, config: str):
    result = tollway("gateway", "explain", "--config-path", config, "--endpoint", "nope")
    assert 2 == result.exit_code
    assert "'nope'" in result.stderr
    assert "primary, backup, balanced" in result.stderr


def test_the_name_of_a_model_steers_no_terminal(tollway, config: str):
    """It is any text: what has no shape is shown as an escape."""
    evil = CONFIG.replace("name: gpt-4", r'name: "gpt\e[2J\u202e4"')
    Path(config).write_text(evil)
    said = tollway("gateway", "explain", "--config-path", config, "--endpoint", "primary").stdout
    assert said.replace("\n", "").isprintable()
    assert r"gpt\x1b[2J\u202e4" in said


def test_budgets_are_shown(tollway, config: str):
    path = Path(config)
    path.write_text(
        CONFIG.replace(
            "    fallback:", "    budget: {amount: 50, period: month, alert_at: 80%}\n    fallback:"
        )
    )

    said = tollway("gateway", "explain", "--config-path", config, "--endpoint", "primary").stdout

    assert "budget: 50 USD a month (UTC), alert at 80%" in said


def test_check_warns_of_a_budget_that_nothing_can_be_charged_to(tollway, config: str):
    """GPT-4's price is listed, that of the made-up model is not."""
    path = Path(config)
    path.write_text(CONFIG.replace("routes:", "    budget: {amount: 50, period: month}\nroutes:"))
    checked = tollway("gateway", "check", "--config-path", config)
    path.write_text(
        path.read_text().replace("name: balanced", "name: balanced\n    budget: {amount: 1, period: day}")
    )
    both = tollway("gateway", "check", "--config-path", config)

    assert (0, 0) == (checked.exit_code, both.exit_code)
    assert "warning: the price of endpoint 'backup' is not known" in checked.stderr
    assert "'primary'" not in both.stderr
