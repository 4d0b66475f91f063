"""The real collector, its load generator, Jaeger, kustomize and a Go service, built from pinned Go modules
once and kept outside the tree.

A build is named by the hash of its manifests, so a changed version is a new build and an old one is found
again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from .notices import notice
from .once import locked

MANIFESTS = Path(__file__).parent.parent / "infra" / "manifests"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tollway-tests"

JAEGER = "github.com/jaegertracing/jaeger"
BUILDER = "go.opentelemetry.io/collector/cmd/builder"
KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5"
TELEMETRYGEN = "github.com/open-telemetry/opentelemetry-collector-contrib/cmd/telemetrygen"

_HOW_LONG = "2 to 3 minutes on two idle cores, longer on busy ones"

WITHOUT_GO = "the collector, Jaeger and what sends to us are built with Go, which is not installed"


def go() -> str | None:
    """Return the Go command; None where there is none."""
    return shutil.which("go")


def collector() -> Path:
    """Return the collector's binary, building it if need be."""
    return built("collector", _manifest("collector.yaml") + _versions()["builder"], _build_collector)


def jaeger() -> Path:
    """Return Jaeger's binary, building it if need be."""
    return built("jaeger", _versions()["jaeger"], _build_jaeger)


def telemetrygen() -> Path:
    """Return the collector's load generator, building it if need be."""
    return built("telemetrygen", _versions()["telemetrygen"], _build_telemetrygen)


def go_service() -> Path:
    """Return a service with OpenTelemetry's stock SDK for Go, building it if need be."""
    inputs = _manifest("go-service/main.go") + _manifest("go-service/go.mod")
    return built("go-service", inputs, _build_service)


def kustomize() -> Path:
    """Return the binary of kustomize, building it if need be."""
    return built("kustomize", _versions()["kustomize"], _build_kustomize)


def _manifest(name: str) -> str:
    return (MANIFESTS / name).read_text()


def _versions() -> dict[str, str]:
    versions: dict[str, str] = json.loads(_manifest("versions.json"))
    return versions


def built(name: str, inputs: str, build: Callable[[Path], Path]) -> Path:
    """Return a binary that `build` makes in a folder, from the cache if it was made of the same inputs."""
    CACHE.mkdir(parents=True, exist_ok=True)
    binary = CACHE / f"{name}-{hashlib.sha256(inputs.encode()).hexdigest()[:16]}"
    with locked(binary.with_suffix(".lock")):
        if not binary.exists():
            began_s = time.monotonic()
            notice(f"Building {name} with Go, once, for {CACHE}: {_HOW_LONG} ...")
            with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=CACHE) as folder:
                made = build(Path(folder))
                os.replace(made, binary)
            notice(f"Built {name} in {time.monotonic() - began_s:.0f} s.")
    return binary


def _run(command: list[str | Path], folder: Path, **environ: str) -> str:
    # Distributions keep their Go at its version; its own default fetches the one that a module asks for.
    newer = {"GOTOOLCHAIN": "auto"}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**newer, **os.environ, "CGO_ENABLED": "0", **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (
        f"{' '.join(map(str, command))}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    )
    return done.stdout


def _build_collector(folder: Path) -> Path:
    """Build the builder, and with it the collector that the manifest describes."""
    _run(["go", "install", f"{BUILDER}@{_versions()['builder']}"], folder, GOBIN=str(folder))
    manifest = folder / "collector.yaml"
    manifest.write_text(
        _manifest("collector.yaml").replace("dist:\n", f"dist:\n  output_path: {folder}/build\n", 1)
    )
    _run([folder / "builder", "--config", manifest], folder)
    return folder / "build" / "otelcol"


def _build_jaeger(folder: Path) -> Path:
    """Build Jaeger in a module of our own that has Jaeger's own requirements and checksums.

    `go install` of the command does not work: what a module proxy answers for the longer path keeps Go from
    trying the shorter one.
    """
    version = _versions()["jaeger"]
    told = json.loads(_run(["go", "mod", "download", "-json", f"{JAEGER}@{version}"], folder))
    source = Path(told["Dir"])
    requirements = (source / "go.mod").read_text()
    own = re.sub(r"^module .*$", "module tollway.test/jaeger", requirements, count=1, flags=re.MULTILINE)
    (folder / "go.mod").write_text(f"{own}\nrequire {JAEGER} {version}\n")
    shutil.copyfile(source / "go.sum", folder / "go.sum")
    _run(["go", "build", "-mod=mod", "-o", folder / "jaeger", f"{JAEGER}/cmd/jaeger"], folder)
    return folder / "jaeger"


def _build_telemetrygen(folder: Path) -> Path:
    _run(["go", "install", f"{TELEMETRYGEN}@{_versions()['telemetrygen']}"], folder, GOBIN=str(folder))
    return folder / "telemetrygen"


def _build_service(folder: Path) -> Path:
    """Build the service. What its requirements require is found anew: no list of checksums is kept here."""
    for name in ("main.go", "go.mod"):
        shutil.copyfile(MANIFESTS / "go-service" / name, folder / name)
    _run(["go", "mod", "tidy"], folder)
    _run(["go", "build", "-o", folder / "service", "."], folder)
    return folder / "service"


def _build_kustomize(folder: Path) -> Path:
    _run(["go", "install", f"{KUSTOMIZE}@{_versions()['kustomize']}"], folder, GOBIN=str(folder))
    return folder / "kustomize"


if __name__ == "__main__":
    print(collector())
    print(jaeger())
    print(telemetrygen())
    print(go_service())
    print(kustomize())
