"""A provider is a pip install: named in YAML it serves, missing or broken it is told of by name."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from pathlib import Path

import pytest

from support import gateway, wheels

HERE = Path(__file__).parent
ENDPOINT = """\
  - name: {name}
    endpoint_type: llm/v1/chat
    model: {{provider: {provider}, name: any}}
"""


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels of both third-party providers."""
    return wheels.build(
        [HERE / "custom-provider", HERE / "broken-provider"], tmp_path_factory.mktemp("plugin-wheels")
    )


@pytest.fixture(scope="module")
def environment(
    wheelhouse: Path, plugins: Path, tmp_path_factory: pytest.TempPathFactory
) -> wheels.Environment:
    """An environment with the gateway and both plugins, installed as their users would."""
    made = wheels.create(tmp_path_factory.mktemp("plugin") / "venv", wheelhouse, plugins)
    made.install("tollway-gateway", "acme-tollway-provider", "broken-tollway-provider")
    return made


def config(folder: Path, **endpoints: str) -> Path:
    """Write a gateway's YAML with an endpoint for each name, served by the provider it maps to."""
    path = folder / "gateway-config.yaml"
    entries = [ENDPOINT.format(name=name, provider=provider) for name, provider in endpoints.items()]
    path.write_text("endpoints:\n" + "".join(entries) + "tracing: {store: traces/}\n")
    return path


def tollway(environment: wheels.Environment, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command line, and return how it ended and what it said."""
    return subprocess.run(
        [environment.tollway, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "300", "NO_COLOR": "1"},
    )


def ask(url: str, endpoint: str, text: str) -> str:
    """Return the answer of a chat endpoint."""
    request = urllib.request.Request(
        f"{url}/endpoints/{endpoint}/invocations",
        data=json.dumps({"messages": [{"role": "user", "content": text}]}).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["choices"][0]["message"]["content"]


def test_an_installed_plugin_answers_and_its_trace_is_on_disk(
    environment: wheels.Environment, tmp_path: Path
) -> None:
    # The broken plugin is installed beside it all the while.
    with gateway.running(environment.tollway, config(tmp_path, mine="acme"), tmp_path) as url:
        assert ask(url, "mine", "good morning") == "acme heard: good morning"

    (stored,) = tmp_path.glob("traces/*/*.json")
    spans = [
        span
        for line in stored.read_text().splitlines()
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    server, client = sorted(spans, key=lambda span: span["kind"])
    assert (server["kind"], client["kind"]) == (2, 3)  # SERVER, CLIENT
    assert client["parentSpanId"] == server["spanId"]


def test_every_plugin_is_listed_with_its_distribution(environment: wheels.Environment) -> None:
    listed = tollway(environment, "providers", "list")
    assert listed.returncode == 0
    assert "acme-tollway-provider" in listed.stdout
    assert "broken-tollway-provider" in listed.stdout


def test_a_plugin_that_does_not_import_is_reported_by_its_distribution(
    environment: wheels.Environment, tmp_path: Path
) -> None:
    checked = tollway(environment, "gateway", "check", "--config-path", config(tmp_path, mine="broken"))
    said = checked.stdout + checked.stderr
    assert checked.returncode == 2
    assert "broken-tollway-provider" in said
    assert "built for another machine" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("command", ["check", "start"])
def test_a_plugin_that_is_not_installed_is_named_with_what_is_and_how_to_get_it(
    command: str, wheelhouse: Path, tmp_path: Path
) -> None:
    bare = wheels.create(tmp_path / "venv", wheelhouse)
    bare.install("tollway-gateway")
    refused = tollway(bare, "gateway", command, "--config-path", config(tmp_path, mine="acme"))
    said = refused.stdout + refused.stderr
    assert refused.returncode == 2
    assert "acme" in said
    assert "openai" in said  # what is installed
    assert "pip install" in said
    assert "Traceback" not in said
