"""What is deployed cannot be started here: its files are held against schemas and what the tests run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from compose_spec import ComposeSpecification

from support import go_binaries
from support.serving import TOLLWAY, endpoint, environment, write

ROOT = Path(__file__).parent.parent.parent
KUBERNETES = sorted((ROOT / "deploy" / "kubernetes").glob("[!k]*.yaml"))
KUSTOMIZED = [ROOT / "deploy" / "kubernetes", ROOT / "examples" / "kubernetes"]
CONFIGS = [ROOT / "collector-config.yaml", ROOT / "deploy" / "collector" / "router.yaml"]
JAEGERS = sorted((ROOT / "deploy" / "jaeger").glob("*.yaml"))
ALERTS = ROOT / "examples" / "prometheus" / "alerts.yaml"
DASHBOARD = ROOT / "examples" / "grafana" / "gateway.json"
WITHOUT_PROMTOOL = "promtool is not installed (Debian: apt-get install prometheus)"


def run(*command: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **more)


def succeeds(*command: str | Path, **more: Any) -> None:
    done = run(*command, **more)
    assert 0 == done.returncode, done.stdout + done.stderr


def script(name: str) -> Path:
    return Path(sys.executable).parent / name


def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip(WITHOUT_PROMTOOL)
    return found


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def resources() -> Iterator[dict[str, Any]]:
    for path in KUBERNETES:
        yield from yaml.safe_load_all(path.read_text())


def test_the_compose_file_follows_the_specification():
    services = ComposeSpecification.model_validate(compose()).services
    assert {"gateway", "collector", "jaeger", "redis", "prometheus"} == set(services or ())


def test_images_are_pinned_and_the_files_they_mount_are_there():
    """No `latest`, and every path of the tree that a container mounts exists."""
    for service in compose()["services"].values():
        assert re.search(r":v?\d+\.\d+\.\d+", service.get("image", ":0.0.0"))
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert not source.startswith("./") or (ROOT / source).is_file(), source
    for path in KUBERNETES:
        assert all(
            re.search(r":\d+\.\d+\.\d+$", image) for image in re.findall(r"image: (\S+)", path.read_text())
        )


def test_nothing_is_published_beyond_this_machine():
    for name, service in compose()["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name


@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.stem)
def test_manifests_follow_kubernetes_schemas(path: Path):
    succeeds(script("kubernetes-validate"), "--strict", path)


@pytest.mark.parametrize("folder", KUSTOMIZED, ids=lambda folder: folder.parent.name)
def test_what_kustomize_builds_follows_kubernetes_schemas(folder: Path, tmp_path: Path):
    """The base has all manifests; the overlay changes image, configuration and Redis, and stays valid."""
    if go_binaries.go() is None:
        pytest.skip(go_binaries.WITHOUT_GO)
    done = run(go_binaries.kustomize(), "build", folder)
    assert 0 == done.returncode, done.stderr
    assert len(list(resources())) == len(list(yaml.safe_load_all(done.stdout)))
    (tmp_path / "built.yaml").write_text(done.stdout)
    succeeds(script("kubernetes-validate"), "--strict", tmp_path / "built.yaml")


def test_the_dockerfile_passes_hadolint():
    succeeds(script("hadolint"), ROOT / "Dockerfile")


def test_the_routers_of_kubernetes_run_the_tested_configuration():
    """Only how samplers are found differs from deploy/collector/router.yaml."""
    (manifest,) = (
        one["data"]["router.yaml"]
        for one in resources()
        if one["kind"] == "ConfigMap" and "router.yaml" in one["data"]
    )
    there, tested = yaml.safe_load(manifest), yaml.safe_load(CONFIGS[1].read_text())
    found_by = [config["exporters"]["loadbalancing"].pop("resolver") for config in (there, tested)]
    assert there == tested
    assert ["dns", "static"] == [next(iter(resolver)) for resolver in found_by]
    services = {one["metadata"]["name"]: one["spec"] for one in resources() if one["kind"] == "Service"}
    assert "None" == services[found_by[0]["dns"]["hostname"]]["clusterIP"]


SECRETS = {"OPENAI_API_KEY": "k", "TOLLWAY_KEY": "tk-0123456789abcdef", "REDIS_URL": "redis://redis:6379"}


def test_the_gateways_of_kubernetes_write_nothing_where_they_may_not(tmp_path: Path):
    """Their configuration loads, and has no trace files: the root file system is read-only."""
    (manifest,) = (
        one["data"]["gateway-config.yaml"]
        for one in resources()
        if one["kind"] == "ConfigMap" and "gateway-config.yaml" in one["data"]
    )
    path = write(manifest, tmp_path)
    succeeds(*TOLLWAY, "gateway", "check", "--config-path", path, env=environment(**SECRETS))
    assert yaml.safe_load(manifest)["tracing"]["store"] is None


def test_a_volume_of_the_compose_file_belongs_to_who_writes_there():
    """Docker gives a new volume the owner of the image's folder, and root where there is none."""
    (volume,) = compose()["services"]["gateway"]["volumes"]
    folder = volume.split(":")[1]
    assert re.search(rf"install --directory --owner tollway {folder}\b", (ROOT / "Dockerfile").read_text())


def test_every_probe_service_and_budget_finds_its_pods():
    """Selectors match labels, named ports exist, variables are those that the configuration reads."""
    known = "".join(path.read_text() for path in CONFIGS)
    pods = {
        one["metadata"]["name"]: one["spec"]["template"]
        for one in resources()
        if one["kind"] in ("Deployment", "StatefulSet")
    }
    for one in resources():
        if one["kind"] == "Service":
            pod = pods[one["spec"]["selector"]["app"]]
            ports = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
            assert {port["targetPort"] for port in one["spec"]["ports"]} <= ports
        elif one["kind"] == "PodDisruptionBudget":
            assert one["spec"]["selector"]["matchLabels"]["app"] in pods
        elif one["kind"] == "HorizontalPodAutoscaler":
            assert one["spec"]["scaleTargetRef"]["name"] in pods
    for pod in pods.values():
        for variable in pod["spec"]["containers"][0].get("env", ()):
            name = variable["name"]
            assert not name.startswith(("COLLECTOR_", "JAEGER_")) or f"env:{name}" in known, name


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_collector_accepts_its_configurations(path: Path):
    if go_binaries.go() is None:
        pytest.skip(go_binaries.WITHOUT_GO)
    succeeds(
        go_binaries.collector(), "validate", "--config", path, env={"SAMPLER_A": "a:1", "SAMPLER_B": "b:1"}
    )


@pytest.mark.parametrize("path", JAEGERS, ids=lambda path: path.stem)
def test_jaeger_accepts_its_storages(path: Path):
    if go_binaries.go() is None:
        pytest.skip(go_binaries.WITHOUT_GO)
    environ = {"CASSANDRA_USER": "user", "CASSANDRA_PASSWORD": "secret"}
    succeeds(go_binaries.jaeger(), "validate", "--config", path, env=environ)


def test_prometheus_accepts_the_alerts():
    succeeds(promtool(), "check", "rules", ALERTS)


@pytest.fixture(scope="module")
def exposition(start_gateway) -> str:
    """`/metrics` of a gateway that answered one request, in Prometheus' text format."""
    gateway = start_gateway(
        {
            "endpoints": [
                endpoint("a", "openai", "m", openai_api_key="k", openai_api_base="http://127.0.0.1:1/v1")
            ]
        }
    )
    assert 500 <= gateway.chat("a").status_code
    answer: httpx.Response = gateway.client.get("/metrics")
    return answer.text


def test_promtool_has_no_complaint_about_the_metrics(exposition: str):
    done = run(promtool(), "check", "metrics", input=exposition)
    assert (0, "") == (done.returncode, done.stdout + done.stderr)


def test_dashboard_and_alerts_name_metrics_that_there_are(exposition: str):
    """A renamed metric would leave an empty panel and an alert that never fires."""
    declared = set(re.findall(r"^# TYPE (\S+)", exposition, flags=re.MULTILINE))
    known = declared | {f"{name}_bucket" for name in declared}
    panels = json.loads(DASHBOARD.read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]] + [
        rule["expr"] for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
    ]
    named = {name for expression in asked for name in re.findall(r"gateway_\w+", expression)}
    assert named
    assert set() == named - known
