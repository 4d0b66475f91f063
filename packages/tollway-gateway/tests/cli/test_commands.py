"""The tree of commands, and those that are about configurations and providers."""

from __future__ import annotations

import subprocess
import sys
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from tollway.gateway.cli.main import GROUPS, app

GOOD = """\
endpoints:
  - name: chat
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: gpt-4, config: {openai_api_key: k}}
routes:
  - name: split
    task_type: llm/v1/chat
    destinations: [{name: chat, traffic_percentage: 100}]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    return path


def test_version(tollway):
    assert f"tollway {version('tollway-gateway')}\n" == tollway("--version").stdout


@pytest.mark.parametrize(
    "command", [(), ("gateway",), ("providers",), ("traces",), ("traces", "list"), ("gateway", "start")]
)
def test_help_tells_what_there_is(tollway, command: tuple[str, ...]):
    for option in ("--help", "-h"):
        result = tollway(*command, option)
        assert 0 == result.exit_code
        assert "Usage:" in result.stdout


@pytest.mark.parametrize(
    "command", [("nope",), ("traces", "nope"), ("gateway", "start"), ("gateway", "check")]
)
def test_bad_usage_ends_with_2(tollway, command: tuple[str, ...]):
    result = tollway(*command)
    assert 2 == result.exit_code
    assert "Error" in result.stderr


def test_check_counts_what_is_good(tollway, config: Path):
    result = tollway("gateway", "check", "--config-path", str(config))
    assert (0, f"{config} is good: 1 endpoint and 1 route.\n") == (result.exit_code, result.stdout)


@pytest.mark.parametrize("command", ["check", "start"])
def test_a_bad_configuration_ends_with_2_and_every_problem(tollway, config: Path, command: str):
    config.write_text(GOOD.replace("openai", "openia", 1).replace("100", "99"))
    result = tollway("gateway", command, "--config-path", str(config))
    assert 2 == result.exit_code
    assert f"{config}:4: endpoints[0].model.provider: endpoint 'chat': " in result.stderr
    assert f"{config}:8: routes[0].destinations: route 'split': " in result.stderr
    assert result.stderr.endswith(f"2 problems in {config}.\n")


@pytest.mark.parametrize("variable", ["MLFLOW_GATEWAY_CONFIG", "MLFLOW_DEPLOYMENTS_CONFIG"])
def test_mlflows_variable_names_the_configuration(tollway, config: Path, variable: str, monkeypatch):
    monkeypatch.setenv(variable, str(config))
    assert 0 == tollway("gateway", "check").exit_code


def test_check_warns_of_what_is_ignored(tollway, config: Path):
    config.write_text(f"{GOOD}x-anchors: {{}}\n")
    result = tollway("gateway", "check", "--config-path", str(config))
    assert 0 == result.exit_code
    assert f"warning: {config}:9: x-anchors: unknown key, which is ignored\n" == result.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "gateway.example"])
def test_start_lets_nobody_in_unasked(tollway, config: Path, host: str):
    """Without keys for callers; an admin key protects none of the models."""
    for auth in ("", "auth: {admin_key: tk-0123456789abcdef}\n"):
        config.write_text(GOOD + auth)
        result = tollway("gateway", "start", "--config-path", str(config), "--host", host)
        assert 2 == result.exit_code
        assert "--insecure-no-auth" in result.stderr


def test_a_control_plane_lets_nobody_in_unasked(tollway, config: Path):
    """On an address of its own it needs the admin key as soon as others reach it."""
    keys = "auth: {keys: [{name: a, key: tk-0123456789abcdef}]}\n"
    config.write_text(f"{GOOD}{keys}server: {{admin: {{port: 9000, host: 0.0.0.0}}}}\n")
    result = tollway("gateway", "start", "--config-path", str(config))
    assert 2 == result.exit_code
    assert "auth.admin_key" in result.stderr


def test_a_new_key_and_its_digest(tollway, as_json):
    """What the first line says is what the second is the digest of; each time another."""
    made = [as_json("keys", "new") for _ in range(2)]
    assert made[0]["key"] != made[1]["key"]
    for one in made:
        assert f"sha256:{sha256(one['key'].encode()).hexdigest()}" == one["digest"]
    assert "digest: sha256:" in tollway("keys", "new").stdout


@pytest.mark.parametrize("number", ["0", "-1", "many", "1025"])
def test_a_number_of_workers_that_cannot_be(tollway, config: Path, number: str):
    result = tollway("gateway", "start", "--config-path", str(config), "--workers", number)
    assert 2 == result.exit_code
    assert "--workers" in result.stderr


def test_providers_are_listed_with_their_packages(tollway, as_json):
    said = tollway("providers", "list").stdout
    assert "openai" in said
    assert "tollway-providers" in said
    listed = as_json("providers", "list")
    assert {"openai", "anthropic", "local", "mlflow-model-serving"} <= {one["name"] for one in listed}
    assert {"name", "distribution", "version"} == listed[0].keys()


def test_the_help_of_the_groups_is_their_own():
    """The list of commands is printed without importing them."""
    context = click.Context(app)
    assert GROUPS == {name: app.get_command(context, name).help for name in GROUPS}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_for_a_shell_is_printed(tollway, shell: str):
    result = tollway("--show-completion", shell)
    assert 0 == result.exit_code
    assert f"_TOLLWAY_COMPLETE={shell}_complete" in result.stdout


HEAVY = {
    "fastapi",
    "uvicorn",
    "pydantic",
    "typer",
    "yaml",
    "rich",
    "prometheus_client",
    "opentelemetry",
    "asyncio",
}


def test_the_command_line_imports_nothing_heavy():
    """What a command needs is imported when it runs: completion and `--version` must not wait."""
    code = f"""
import sys
import tollway.gateway.cli
print(*sorted(set(sys.modules) & {HEAVY!r}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "" == done.stdout.strip()
