"""A real Prometheus, with the alerts and targets of the compose file, scrapes a gateway."""

from __future__ import annotations

import json
import shutil
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.processes import WAIT_S, Process, free_port
from support.serving import Gateway, endpoint, environment

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.fixture(scope="module")
def gateway(start_gateway) -> Gateway:
    """A gateway that failed one request."""
    config = endpoint("a", "openai", "m", openai_api_key="k", openai_api_base="http://127.0.0.1:1/v1")
    started: Gateway = start_gateway({"endpoints": [config]})
    assert 500 <= started.chat("a").status_code
    return started


@pytest.fixture(scope="module")
def prometheus(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus with the compose file's configuration; only target and intervals are the test's."""
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("prometheus is not installed (Debian: apt-get install prometheus)")
    folder = tmp_path_factory.mktemp("prometheus")
    config = yaml.safe_load((EXAMPLES / "compose" / "prometheus.yaml").read_text())
    config["global"] = {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"}
    config["scrape_configs"] = config["scrape_configs"][:1]
    config["scrape_configs"][0]["static_configs"] = [{"targets": [gateway.url.removeprefix("http://")]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    shutil.copy(EXAMPLES / "prometheus" / "alerts.yaml", folder)
    port = free_port()
    process = Process(
        [
            *(binary, "--config.file", folder / "prometheus.yml", "--storage.tsdb.path", folder / "data"),
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        env=environment(),
    )
    process.wait_for("Server is ready to receive web requests")
    yield f"http://127.0.0.1:{port}"
    process.close()


def ask(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)["data"]


def test_prometheus_scrapes_the_gateway(prometheus: str):
    """The target is up without an error, and what the gateway counted is found by its labels."""
    query = urllib.parse.urlencode({"query": 'gateway_requests_total{endpoint="a"}'})
    deadline = time.monotonic() + WAIT_S
    while not (found := ask(f"{prometheus}/api/v1/query?{query}")["result"]):
        assert time.monotonic() < deadline, ask(f"{prometheus}/api/v1/targets")
        time.sleep(0.1)
    assert "1" == found[0]["value"][1]
    (target,) = ask(f"{prometheus}/api/v1/targets")["activeTargets"]
    assert ("up", "") == (target["health"], target["lastError"])


def test_prometheus_evaluates_the_alerts(prometheus: str):
    """Every rule is loaded, and none fails when it is evaluated."""
    deadline = time.monotonic() + WAIT_S
    while True:
        (group,) = ask(f"{prometheus}/api/v1/rules")["groups"]
        if "unknown" not in {rule["health"] for rule in group["rules"]}:
            break
        assert time.monotonic() < deadline, group
        time.sleep(0.1)
    assert 5 == len(group["rules"])
    assert {"ok"} == {rule["health"] for rule in group["rules"]}
