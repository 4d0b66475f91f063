"""uv's own commands work in a copy of the tree, and with the wheels that are built of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

from support import wheels

CONFIG = "examples/gateway-config.yaml"
VERSION = f"tollway {wheels.VERSION}"


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch) -> None:
    """This interpreter, our pins, and no compiling: other tests compile."""
    for name, value in {
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_CONSTRAINT": str(wheels.CONSTRAINTS),
        "UV_BUILD_CONSTRAINT": str(wheels.CONSTRAINTS),
        "UV_NO_DEV": "1",
        "TOLLWAY_NO_EXTENSIONS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git tracks or would add."""
    copy = tmp_path_factory.mktemp("tree")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=wheels.ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (wheels.ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(wheels.ROOT / name, copy / name)
    return copy


def uv(*arguments: str | Path, cwd: Path) -> str:
    return wheels.run(find_uv_bin(), *arguments, cwd=cwd)


def test_sync_installs_the_workspace_and_run_finds_the_command(tree: Path):
    """Also the embedded model that the example serves."""
    uv("sync", cwd=tree)
    assert "is good" in uv("run", "tollway", "gateway", "check", "--config-path", CONFIG, cwd=tree)


def test_the_lock_of_uv_stays_out_of_the_tree():
    """It holds the addresses of the index that it was made with."""
    wheels.run("git", "check-ignore", "--quiet", "uv.lock", cwd=wheels.ROOT)


def test_pip_installs_the_gateway_by_its_folder(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The other two packages are found in the workspace: no index has them at this version."""
    uv("venv", tmp_path / "venv", cwd=tree)
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "venv"))
    monkeypatch.delenv("UV_PYTHON")
    uv("pip", "install", "./packages/tollway-gateway", cwd=tree)
    assert VERSION == wheels.run(tmp_path / "venv/bin/tollway", "--version").strip()


def test_the_command_is_installed_as_a_tool_from_wheels(
    wheelhouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("UV_TOOL_DIR", str(tmp_path / "tools"))
    monkeypatch.setenv("UV_TOOL_BIN_DIR", str(tmp_path / "bin"))
    uv("tool", "install", "--find-links", wheelhouse, "tollway-gateway", cwd=tmp_path)
    assert VERSION == wheels.run(tmp_path / "bin/tollway", "--version").strip()


def test_the_command_runs_from_wheels_without_being_installed(wheelhouse: Path, tmp_path: Path):
    uvx = Path(find_uv_bin()).with_name("uvx")
    said = wheels.run(
        *(uvx, "--find-links", wheelhouse, "--from", "tollway-gateway", "tollway", "--version"), cwd=tmp_path
    )
    assert VERSION == said.strip()
